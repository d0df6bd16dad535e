import { type Hub, hub } from "../../src/hub/index.ts";
import type { LogEntry } from "../../src/server/engine.ts";
import { type FakeEngine, FakeStore } from "../support/fake-engine.ts";
import { ModelClient, type ModelRoom, type ModelView } from "./channels-client.ts";
import { createFilter, createSilence, type RemovedRule, untagged, withoutRule } from "./channels-rules.ts";

export const CHANNEL = "all:a";

/** Events that a story may have beside the harmless ones. Each takes one from the number of faults that are left. */
export type FaultKind =
  /** Connections are lost, and clients come back, where there are two nodes to either. */
  | "drops"
  /** Rooms are left, and joined at a former position. */
  | "rooms"
  /** Connections are full, and take more again. */
  | "pressure"
  /** A message can't be read by its client, and another one is on its way behind it. */
  | "frames"
  /** Steps between nodes and store are lost or repeated. */
  | "steps"
  /** A node loses its engine, and has it back. */
  | "engines"
  /** The store loses its last write, or the log begins anew. */
  | "store"
  /** Time passes. */
  | "time";

export interface World {
  readonly nodes: 1 | 2;
  /** The node of each subscriber. */
  readonly subscribers: readonly number[];
  /** The node of each publisher, which is a client, too. */
  readonly publishers: readonly number[];
  /** Messages of each publisher. */
  readonly messages: number;
  /** Whether Conns resume their sessions. */
  readonly hasSession?: boolean;
  /** Whether each message is read by hand, from a queue of one. */
  readonly isPulled?: boolean;
  /** Whether frames between clients and nodes arrive at once, so that only the steps of the store have an order. */
  readonly isInstant?: boolean;
  readonly faults: readonly FaultKind[];
  readonly mostFaults: number;
  readonly removed?: RemovedRule;
  /** Entries that the log holds. Default all. */
  readonly historySize?: number;
}

/** One thing that may happen next. */
export interface Act {
  readonly name: string;
  readonly run: () => unknown;
}

/** One channel with its clients, on a store whose every step the test decides. */
export class ChannelsModel implements ModelView {
  readonly channel = CHANNEL;
  readonly violations: string[] = [];
  readonly #world: World;
  readonly #store = new FakeStore({ manual: true });
  readonly #engines: FakeEngine[] = [];
  readonly #hubs: Hub[] = [];
  readonly #subscribers: ModelClient[];
  readonly #publishers: ModelClient[];
  readonly #previous = new Map<string, string>();
  /** Positions that a client may join at: the first head, and all that was ever appended. */
  readonly #positions: string[] = [];
  /** The data of all that was ever appended. */
  readonly #appended: number[] = [];
  readonly #pass: (ms: number) => Promise<void>;
  #faultsLeft: number;
  /** Whether the store itself has lost writes. */
  #isStoreAtFault = false;

  constructor(world: World, pass: (ms: number) => Promise<void>) {
    this.#world = world;
    this.#pass = pass;
    this.#faultsLeft = world.mostFaults;
    this.#recordAppends();
    for (let node = 0; node < world.nodes; node++) {
      const engine = this.#store.engine();
      this.#engines.push(engine);
      this.#hubs.push(
        hub({
          engine: withoutRule(world.removed, engine, this.#store, CHANNEL),
          channels: { "all:*": { history: { size: world.historySize ?? 1_000, ttlMs: 60_000 } } },
          authorize: () => true,
          onError: (error) => this.violate(`onError: ${error}`),
        }),
      );
    }
    this.#subscribers = world.subscribers.map((node, i) => this.#createClient(`subscriber ${i}`, node));
    this.#publishers = world.publishers.map((node, i) => this.#createClient(`publisher ${i}`, node));
  }

  /** Attaches the subscribers, and has the publishers begin. */
  async start(): Promise<void> {
    await this.#store.drain();
    for (const client of this.#subscribers) client.join(undefined, this.#world.isPulled);
    await this.#quiet();
    this.#positions.push(this.#store.headOf(CHANNEL) as string);
    this.#publishers.forEach(async (client, index) => {
      for (let i = 0; i < this.#world.messages; i++) await client.publish(index * 100 + i);
    });
    await this.#settle();
    if (this.#world.isInstant) await this.#arrive();
  }

  violate(violation: string): void {
    this.violations.push(violation);
  }

  previousOf(position: string): string | undefined {
    return this.#previous.get(position);
  }

  named(position: string | null): string {
    return this.#world.removed === "a position has a random tag" ? untagged(position) : String(position);
  }

  /** All that may happen next, the harmless acts first. The story ends when none of these is left. */
  acts(): { readonly harmless: readonly Act[]; readonly faults: readonly Act[] } {
    const harmless: Act[] = [];
    for (const step of this.#store.choices()) {
      harmless.push({ name: `${step.node} ${step.kind} ${step.label}`, run: () => step.run() });
    }
    for (const client of this.#clients) {
      for (const [index, { up, far }] of client.connections.entries()) {
        const connection = client.connections[index];
        if (up.length > 0) harmless.push({ name: `${client.id} up`, run: () => connection?.arriveUp() });
        if (connection === client.connection && far.frames.length > 0) {
          harmless.push({ name: `${client.id} down`, run: () => connection.arriveDown() });
        }
        if (far.isFull) harmless.push({ name: `${client.id} drains`, run: () => connection?.fill(false) });
      }
      if (client.isAway) {
        for (const node of this.#hubs.keys()) {
          harmless.push({ name: `${client.id} returns to ${node}`, run: () => client.return(node) });
        }
      }
      for (const connection of client.halfOpen) {
        harmless.push({ name: `the server of ${client.id} notices`, run: () => endHalfOpen(client, connection) });
      }
      for (const room of client.rooms) {
        if (room.canPull) harmless.push({ name: `${client.id} pulls`, run: () => room.pull() });
      }
    }
    return { harmless, faults: harmless.length > 0 && this.#faultsLeft > 0 ? this.#faults() : [] };
  }

  /** Does one of the acts, and all that follows from it at once. */
  async do({ run }: Act, isFault: boolean): Promise<void> {
    if (isFault) this.#faultsLeft--;
    for (const client of this.#clients) client.collect();
    await run();
    await this.#settle();
    if (this.#world.isInstant) await this.#arrive();
  }

  /** Heals everything, gives it so much time, and checks what must be true then. */
  async finish(): Promise<void> {
    for (const engine of this.#engines) engine.up();
    for (let round = 0; round < 8; round++) {
      await this.#quiet();
      // Twice for the look at feeds that have stalled: the first finds those that were quiet before.
      await this.#pass(round === 3 || round === 4 ? 12_600 : 1_100);
    }
    await this.#quiet();
    const head = this.named(this.#store.headOf(CHANNEL) ?? null);
    for (const room of this.#rooms) {
      if (room.last !== head) this.violate(`${room.name} stays at ${room.last}, not at ${head}`);
    }
    this.#checkPublishes();
    if (!this.#isStoreAtFault) this.#checkLog();
    for (const each of this.#hubs) await each.close();
  }

  get #clients(): readonly ModelClient[] {
    return [...this.#subscribers, ...this.#publishers];
  }

  get #rooms(): readonly ModelRoom[] {
    return this.#subscribers.flatMap(({ rooms }) => rooms);
  }

  #createClient(id: string, node: number): ModelClient {
    const { hasSession = false, removed } = this.#world;
    let connections = 0;
    const create = () => {
      connections++;
      const isSilent = removed === "the client subscribes again on each connection" && connections > 1;
      return isSilent ? createSilence() : createFilter(removed);
    };
    return new ModelClient(this, this.#hubs, node, { id, hasSession, createFilter: create });
  }

  #recordAppends(): void {
    const publish = this.#store.publish.bind(this.#store);
    this.#store.publish = (...args) => {
      const position = publish(...args);
      const entry = this.#store.entriesOf(args[0]).at(-1) as LogEntry | undefined;
      if (args[0] === CHANNEL && entry) {
        this.#previous.set(this.named(entry.position), this.named(entry.previous));
        if (!this.#positions.includes(entry.position as string)) {
          this.#positions.push(entry.position as string);
          this.#appended.push(Number(entry.data));
        }
      }
      return position;
    };
  }

  #faults(): Act[] {
    const makers: { readonly [kind in FaultKind]: () => Act[] } = {
      drops: () =>
        this.#clients
          .filter(({ isAway }) => !isAway)
          .map((client) => ({ name: `${client.id} drops`, run: () => client.drop() })),
      rooms: () => this.#subscribers.flatMap((client) => this.#roomActs(client)),
      pressure: () =>
        this.#subscribers
          .filter(({ isAway, connection }) => !isAway && !connection.far.isFull)
          .map(({ id, connection }) => ({ name: `${id} is full`, run: () => connection.fill(true) })),
      frames: () =>
        this.#subscribers.flatMap(({ id, connection, isAway }) => {
          const [first, second] = connection.down;
          const isBetween = first?.method === "$/message" && second?.method === "$/message";
          return isBetween && !isAway
            ? [{ name: `${id} can't read a message`, run: () => connection.far.frames.shift() }]
            : [];
        }),
      steps: () =>
        this.#store.choices().flatMap((step) => {
          const label = `${step.node} ${step.kind} ${step.label}`;
          const lost: Act = { name: `${label} is lost`, run: () => step.lose() };
          return step.repeat ? [lost, { name: `${label} is repeated`, run: () => step.repeat?.() }] : [lost];
        }),
      engines: () =>
        this.#engines.map((engine) => ({
          name: `${engine.node} loses its engine for a moment`,
          run: () => {
            engine.down();
            engine.up();
          },
        })),
      store: () => [
        { name: "the store loses a write", run: () => this.#breakStore(() => this.#store.loseWrites(1)) },
        { name: "the log begins anew", run: () => this.#breakStore(() => this.#store.beginAnew(CHANNEL)) },
      ],
      time: () => [{ name: "a second passes", run: () => this.#pass(1_000) }],
    };
    return this.#world.faults.flatMap((kind) => makers[kind]());
  }

  /** A client that leaves and comes back in the same turn or later, and one that joins elsewhere in the log. */
  #roomActs(client: ModelClient): Act[] {
    const acts = this.#positions.slice(-2).map((position) => ({
      name: `${client.id} joins at ${position}`,
      run: () => client.join(position, this.#world.isPulled),
    }));
    if (client.rooms.length > 2) acts.length = 0;
    for (const room of client.rooms) {
      acts.push({
        name: `${room.name} leaves and returns`,
        run: () => {
          client.leave(room);
          return client.join(room.last, this.#world.isPulled);
        },
      });
    }
    return acts;
  }

  #breakStore(act: () => void): void {
    this.#isStoreAtFault = true;
    act();
  }

  #checkPublishes(): void {
    for (const client of this.#publishers) {
      if (client.published.length !== this.#world.messages) {
        this.violate(`${client.id} has ${client.published.length} of ${this.#world.messages} publishes resolved`);
      }
    }
  }

  #checkLog(): void {
    const positions = new Set(this.#positions.map((position) => this.named(position)));
    const data = this.#appended;
    for (const each of this.#publishers.flatMap(({ published }) => published)) {
      if (!positions.has(each)) this.violate(`${each} was published and is not there`);
    }
    if (new Set(data).size < data.length) this.violate("a message was appended twice");
    for (const publisher of this.#publishers.keys()) {
      const own = data.filter((value) => Math.floor(value / 100) === publisher);
      if (own.some((value, i) => value !== publisher * 100 + i)) this.violate(`messages of a publisher are ${own}`);
    }
    const isWhole = this.#world.historySize === undefined;
    if (isWhole && this.#rooms.some(({ gaps }) => gaps > 0)) this.violate("a gap was reported where nothing was lost");
  }

  /** Has everything arrive, until nothing is on its way. */
  async #quiet(): Promise<void> {
    for (let isBusy = true; isBusy; ) {
      isBusy = this.#store.steps.length > 0;
      await this.#store.drain();
      for (const client of this.#clients) {
        if (client.isAway) client.return(client.node);
        for (const connection of [...client.halfOpen]) endHalfOpen(client, connection);
        client.collect();
        client.connection.fill(false);
        for (const room of client.rooms) {
          if (!room.canPull) continue;
          isBusy = true;
          room.pull();
        }
      }
      await this.#settle();
      if (await this.#arrive()) isBusy = true;
    }
  }

  /** Has all frames between clients and nodes arrive. Returns whether there were some. */
  async #arrive(): Promise<boolean> {
    let wasBusy = false;
    for (let isBusy = true; isBusy; wasBusy ||= isBusy) {
      isBusy = false;
      for (const client of this.#clients) {
        const { connection, isAway } = client;
        if (isAway || (connection.up.length === 0 && connection.down.length === 0)) continue;
        isBusy = true;
        if (connection.up.length > 0) connection.arriveUp();
        if (connection.down.length > 0) connection.arriveDown();
      }
      if (isBusy) await this.#settle();
    }
    return wasBusy;
  }

  async #settle(): Promise<void> {
    for (let turn = 0; turn < 30; turn++) await Promise.resolve();
    for (const client of this.#clients) client.collect();
  }
}

function endHalfOpen(client: ModelClient, connection: ModelClient["connection"]): void {
  client.halfOpen.splice(client.halfOpen.indexOf(connection), 1);
  connection.end();
}
