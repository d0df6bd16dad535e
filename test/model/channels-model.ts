import { type Hub, hub } from "../../src/hub/index.ts";
import type { Engine, LogEntry, Position } from "../../src/server/engine.ts";
import { type FakeEngine, FakeStore } from "../support/fake-engine.ts";
import { HubClient } from "../support/hub-client.ts";

export const CHANNEL = "all:a";
const HISTORY = { size: 1_000, ttlMs: 60_000 };

/** A rule that is taken out, to show that the invariants need it. */
export type RemovedRule =
  | "the client returns with its position"
  | "the client ignores frames until the answer"
  | "a repeated publish has the same id"
  | "an entry names its predecessor"
  | "a position has a random tag"
  | "heads are compared"
  | undefined;

/** Decides among so many possibilities, the first of which are `harmless`: returns a whole number below `count`. */
export type Choose = (count: number, harmless: number) => number;

/** A subscriber as docs/internals/channels-protocol.md has it, which checks what it gets against the store. */
export class ModelSubscriber {
  readonly client: HubClient;
  readonly #model: ChannelsModel;
  /** Positions that were delivered. */
  readonly seen = new Set<string>();
  gaps = 0;
  position: string | undefined;
  isAttached = false;
  #request = 0;
  #isAnswered = false;

  constructor(model: ChannelsModel) {
    this.#model = model;
    this.client = new HubClient(model.topics);
    this.subscribe();
  }

  subscribe(): void {
    const isForgetful = this.#model.removed === "the client returns with its position";
    const after = isForgetful ? undefined : this.position;
    this.#request = this.client.subscribe({ [CHANNEL]: after === undefined ? {} : { after } });
    this.#isAnswered = this.isAttached = false;
  }

  /** The connection is cut: frames that were on their way are lost. */
  drop(): void {
    this.client.drop();
    this.client.frames.length = 0;
    this.client.bufferedAmount = 0;
    this.client.reopen();
    this.subscribe();
  }

  /** Leaves the channel and comes back, on the same connection. */
  leaveAndReturn(): void {
    this.client.unsubscribe(CHANNEL);
    this.subscribe();
  }

  /** Takes up to `count` frames that have come. */
  receive(count: number): void {
    for (const frame of this.client.frames.splice(0, count)) {
      if (frame.method === undefined) this.#isAnswered ||= frame.id === this.#request;
      else if (this.#isAnswered || this.#model.removed === "the client ignores frames until the answer") {
        this.#take(frame.method, frame.params as readonly unknown[]);
      }
    }
  }

  #take(method: string, params: readonly unknown[]): void {
    if (method === "$/refused") return this.subscribe();
    if (method === "$/attached") {
      const [, after, , gap] = params;
      if (gap) this.gaps++;
      else if (this.position !== undefined && after !== this.position) {
        this.#model.violate(`attached after ${after} without a gap, and not after ${this.position}`);
      }
      this.position = after as string;
      this.isAttached = true;
    } else if (method === "$/message" && this.isAttached) {
      const [, previous, position] = params as string[];
      if (previous !== this.position) return this.subscribe();
      this.#model.checkDelivery(this, position as string);
      this.position = position;
    }
  }
}

/** One channel, one node, two publishers and two subscribers, on a store whose every step the test decides. */
export class ChannelsModel {
  readonly removed: RemovedRule;
  readonly store = new FakeStore({ manual: true });
  readonly engine: FakeEngine;
  readonly topics: Hub;
  readonly violations: string[] = [];
  /** Whether the store itself has lost writes. */
  isStoreAtFault = false;
  subscribers: ModelSubscriber[] = [];
  /** The predecessor of each entry that ever was. */
  readonly #previous = new Map<string, string>();
  readonly #resolved: string[] = [];
  #isUp = true;

  constructor(removed?: RemovedRule) {
    this.removed = removed;
    this.engine = this.store.engine();
    const publish = this.store.publish.bind(this.store);
    this.store.publish = (...args) => {
      const position = publish(...args);
      const entry = this.store.entriesOf(args[0]).at(-1) as LogEntry | undefined;
      if (entry) this.#previous.set(this.#named(entry.position), this.#named(entry.previous));
      return position;
    };
    this.topics = hub({
      engine: this.#withoutRule(this.engine),
      channels: { "all:*": { history: HISTORY } },
      authorize: () => true,
      onError: (error) => this.violate(String(error)),
    });
  }

  /** Begins with two subscribers that are attached. */
  async start(): Promise<void> {
    await this.store.drain();
    this.subscribers = [new ModelSubscriber(this), new ModelSubscriber(this)];
    await this.#quiet();
    this.receiveAll();
  }

  violate(what: string): void {
    this.violations.push(what);
  }

  checkDelivery(subscriber: ModelSubscriber, position: string): void {
    const previous = this.#previous.get(position);
    if (previous !== subscriber.position) {
      this.violate(`${position} follows ${previous} in the log, and was delivered after ${subscriber.position}`);
    }
    if (subscriber.seen.has(position)) this.violate(`${position} was delivered twice`);
    subscriber.seen.add(position);
  }

  /** Publishes `data`, again and again until it is appended. */
  async publish(data: number): Promise<void> {
    const options = this.removed === "a repeated publish has the same id" ? {} : { id: `message ${data}` };
    for (let tries = 0; tries < 50; tries++) {
      try {
        this.#resolved.push(this.#named((await this.topics.publish(CHANNEL, data, options)) as Position));
        return;
      } catch {
        // The engine was away, or its answer was lost.
        for (let turn = 0; turn < 20; turn++) await Promise.resolve();
      }
    }
  }

  setUp(isUp: boolean): void {
    if (isUp === this.#isUp) return;
    this.#isUp = isUp;
    if (isUp) this.engine.up();
    else this.engine.down();
  }

  receiveAll(): void {
    for (const subscriber of this.subscribers) subscriber.receive(Number.POSITIVE_INFINITY);
  }

  /** Heals everything, gives it so much time, and checks what must be true then. */
  async finish(pass: (ms: number) => Promise<void>): Promise<void> {
    this.setUp(true);
    for (let round = 0; round < 8; round++) {
      await this.#quiet();
      // Twice for the look at feeds that have stalled: the first finds those that were quiet before.
      await pass(round === 3 || round === 4 ? 12_600 : 1_100);
      this.receiveAll();
    }
    const head = this.store.headOf(CHANNEL);
    for (const [index, { position }] of this.subscribers.entries()) {
      if (position !== this.#named(head ?? null))
        this.violate(`subscriber ${index} stays at ${position}, not at ${head}`);
    }
    if (!this.isStoreAtFault) this.#checkLog();
    await this.topics.close();
  }

  #checkLog(): void {
    const entries = this.store.entriesOf(CHANNEL);
    const positions = new Set(entries.map(({ position }) => this.#named(position)));
    for (const each of this.#resolved) if (!positions.has(each)) this.violate(`${each} was published and is not there`);
    if (new Set(entries.map(({ data }) => data)).size < entries.length) this.violate("a message was appended twice");
    if (this.subscribers.some(({ gaps }) => gaps > 0)) this.violate("a gap was reported where nothing was lost");
  }

  /** Runs the store's steps, and all that follows from them. */
  async #quiet(): Promise<void> {
    for (let turn = 0; turn < 4; turn++) await this.store.drain();
  }

  #named(position: Position | null): string {
    const name = String(position);
    return this.removed === "a position has a random tag" ? name.replace(/-.*/, "-0") : name;
  }

  /** Takes a rule out between the hub and the engine. */
  #withoutRule(engine: FakeEngine): Engine {
    const { removed } = this;
    if (removed === "heads are compared") {
      const heads: Engine["heads"] = (channels) =>
        channels.some(({ channel }) => channel === CHANNEL)
          ? Promise.reject(new Error("not asked"))
          : engine.heads(channels);
      return override(engine, { heads });
    }
    if (removed === "an entry names its predecessor") {
      return override(engine, {
        subscribe: async (channel, history, onEntry) => {
          let last: Position | null = null;
          const early: LogEntry[] = [];
          const take = (entry: LogEntry) => {
            onEntry({ ...entry, previous: last });
            last = entry.position;
          };
          const head = await engine.subscribe(channel, history, (entry) => {
            if (last === null) early.push(entry);
            else take(entry);
          });
          last = head;
          queueMicrotask(() => early.splice(0).forEach(take));
          return head;
        },
      });
    }
    if (removed === "a position has a random tag") return this.#untagged(engine);
    return engine;
  }

  #untagged(engine: FakeEngine): Engine {
    const strip = (entry: LogEntry): LogEntry => ({
      ...entry,
      position: this.#named(entry.position),
      previous: this.#named(entry.previous),
    });
    /** The position of this number in the log as it is now. */
    const find = (channel: string, position: string): string => {
      const all = [this.store.headOf(channel), ...this.store.entriesOf(channel).map((e) => (e as LogEntry).previous)];
      return all.find((each) => each && this.#named(each) === position) ?? position;
    };
    return override(engine, {
      publish: async (...args) => {
        const position = await engine.publish(...args);
        return position && this.#named(position);
      },
      read: async (channel, from, limit) => {
        const part = await engine.read(channel, "after" in from ? { after: find(channel, from.after) } : from, limit);
        return part && { entries: part.entries.map(strip), head: this.#named(part.head) };
      },
      subscribe: async (channel, history, onEntry) =>
        this.#named(await engine.subscribe(channel, history, (entry) => onEntry(strip(entry)))),
      heads: async (channels) => (await engine.heads(channels)).map((head) => this.#named(head)),
    });
  }
}

/** The engine with some methods replaced. */
function override(engine: FakeEngine, methods: Partial<Engine>): Engine {
  return new Proxy<Engine>(engine, {
    get(target, name) {
      const replaced = methods[name as keyof Engine];
      if (replaced) return replaced;
      const value = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
