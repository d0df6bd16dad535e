import { ConnError } from "../../src/base/errors.ts";
import type { Payload } from "../../src/base/payload.ts";
import type {
  Engine,
  EngineMembers,
  EngineState,
  History,
  LogEntry,
  LogPart,
  NodeChange,
  Position,
  ReadFrom,
  ReadLimit,
} from "../../src/server/engine.ts";

/** Something on its way between a node and the store. A test decides when it arrives, and whether. */
export interface FakeStep {
  /** A command goes to the store, its answer to the node, and an entry to a feed. */
  readonly kind: "command" | "answer" | "entry";
  readonly node: string;
  /** The method and the channel, or the channel and the position: the same in each run of the same test. */
  readonly label: string;
  /** Lets it arrive. */
  run(): void;
  /** Loses it: a call rejects with `unavailable`, whether or not the store ran it, and an entry is never seen. */
  lose(): void;
  /** Lets it arrive and leaves it on its way, so that it arrives once more. Entries only. */
  repeat?(): void;
}

interface FakeLog {
  head: Position;
  counter: number;
  entries: { readonly position: Position; readonly previous: Position; readonly data: Payload }[];
  /** Whether the log was ever written or asked for: otherwise it has no head. */
  exists: boolean;
}

type Feed = (entry: LogEntry) => void;

export interface FakeStoreOptions {
  /** Whether nothing arrives until the test runs its step. Default false: everything arrives, in order, in microtasks. */
  readonly manual?: boolean;
}

/** One store in memory, without time: logs never expire. Several engines on it are several nodes. */
export class FakeStore {
  /** All that is on its way, the oldest first. */
  readonly steps: FakeStep[] = [];
  readonly engines: FakeEngine[] = [];
  /** Commands that ran, by method. */
  readonly counts: Record<string, number> = {};
  readonly #isManual: boolean;
  readonly #logs = new Map<string, FakeLog>();
  readonly #ids = new Map<string, Position | null>();
  /** Info by channel, then by node and client. */
  readonly #members = new Map<string, Map<string, { readonly node: string; client: string; info: string }>>();
  /** Takes back each write, the newest last. */
  readonly #undo: (() => void)[] = [];
  #tags = 0;
  #isDraining = false;

  constructor({ manual = false }: FakeStoreOptions = {}) {
    this.#isManual = manual;
  }

  /** Makes one more node. */
  engine(): FakeEngine {
    const engine = new FakeEngine(this, `node-${this.engines.length}`);
    this.engines.push(engine);
    return engine;
  }

  /**
   * The steps that may be next: the first command and the first answer of each node, because connections keep their
   * order, and any entry, because feeds need not.
   */
  choices(): FakeStep[] {
    const seen = new Set<string>();
    return this.steps.filter(({ kind, node }) => {
      if (kind === "entry") return true;
      const line = `${kind} ${node}`;
      return !seen.has(line) && seen.add(line);
    });
  }

  /** Runs all steps, those too that follow, in order. */
  async drain(): Promise<void> {
    for (let quiet = 0; quiet < 20; quiet++) {
      while (this.steps.length > 0) {
        this.steps[0]?.run();
        quiet = 0;
      }
      await Promise.resolve();
    }
  }

  /**
   * Runs `count` steps of the seed's choice, and lets each go wrong with the probability `faults`: lost, or for entries
   * also repeated.
   */
  async runSome(random: () => number, count: number, faults = 0): Promise<void> {
    for (let i = 0; i < count; i++) {
      const choices = this.choices();
      const step = choices[Math.floor(random() * choices.length)];
      if (step) {
        const isFaulty = random() < faults;
        if (!isFaulty) step.run();
        else if (step.repeat && random() < 0.5) step.repeat();
        else step.lose();
      }
      for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    }
  }

  /** Takes back the last `count` writes, as a failover to a replica that lagged behind does. */
  loseWrites(count: number): void {
    for (let i = 0; i < count; i++) this.#undo.pop()?.();
  }

  /** Deletes a log with its head, as an eviction does; without a channel all. */
  beginAnew(channel?: string): void {
    for (const name of channel === undefined ? [...this.#logs.keys()] : [channel]) this.#logs.delete(name);
    this.#undo.length = 0;
  }

  /** Forgets the entries of a log and keeps its head, as their time to live does. */
  expireEntries(channel: string): void {
    const log = this.#logs.get(channel);
    if (log) log.entries = [];
    this.#undo.length = 0;
  }

  /** The log as it is now, for a test to compare with. */
  entriesOf(channel: string): readonly { readonly position: Position; readonly data: Payload }[] {
    return this.#logs.get(channel)?.entries ?? [];
  }

  headOf(channel: string): Position | undefined {
    return this.#logs.get(channel)?.head;
  }

  // The engines' side.

  put(step: FakeStep): void {
    this.steps.push(step);
    if (this.#isManual || this.#isDraining) return;
    this.#isDraining = true;
    queueMicrotask(() => {
      this.#isDraining = false;
      while (this.steps.length > 0) this.steps[0]?.run();
    });
  }

  take(step: FakeStep): boolean {
    const at = this.steps.indexOf(step);
    if (at >= 0) this.steps.splice(at, 1);
    return at >= 0;
  }

  publish(channel: string, data: Payload, history: History | undefined, id: string | undefined): Position | null {
    const key = JSON.stringify([channel, id]);
    const known = id === undefined ? undefined : this.#ids.get(key);
    if (known !== undefined) return known;
    const entry = history ? this.#append(channel, data, history) : { position: null, previous: null, data };
    if (id !== undefined) {
      this.#ids.set(key, entry.position);
      const before = this.#undo.pop() ?? (() => {});
      this.#undo.push(() => {
        before();
        this.#ids.delete(key);
      });
    }
    for (const engine of this.engines) engine.deliver(channel, entry);
    return entry.position;
  }

  read(channel: string, from: ReadFrom, limit: ReadLimit): LogPart | undefined {
    if ("last" in from) this.head(channel);
    const log = this.#logs.get(channel);
    if (!log) return undefined;
    const { entries, head } = log;
    let start = entries.length;
    if ("last" in from) start = Math.max(0, entries.length - from.last);
    else if (from.after !== head) start = entries.findIndex(({ previous }) => previous === from.after);
    if (start < 0) return undefined;
    const part: LogEntry[] = [];
    let bytes = 0;
    for (const entry of entries.slice(start)) {
      bytes += entry.data.length;
      if (part.length > 0 && (part.length >= limit.messages || bytes > limit.bytes)) break;
      part.push(entry);
    }
    return { entries: part, head };
  }

  head(channel: string): Position {
    const log = this.#logs.get(channel);
    if (log) return log.head;
    const made = { head: this.#position(0), counter: 0, entries: [], exists: true };
    this.#logs.set(channel, made);
    this.#undo.push(() => this.#logs.delete(channel));
    return made.head;
  }

  setMember(channel: string, node: string, client: string, info: string | undefined): void {
    const members = this.#members.get(channel) ?? new Map();
    const before = new Map(members);
    if (info === undefined) members.delete(`${node} ${client}`);
    else members.set(`${node} ${client}`, { node, client, info });
    this.#members.set(channel, members);
    this.#undo.push(() => this.#members.set(channel, before));
  }

  /** Lets the other nodes know that the memberships of `engine` ended, or are back. */
  announce(engine: FakeEngine, change: NodeChange): void {
    for (const other of this.engines) if (other !== engine) other.onOtherNode(engine.node, change);
  }

  members(channel: string): EngineMembers {
    const living = new Set(this.engines.filter(({ isAlive }) => isAlive).map(({ node }) => node));
    const found = [...(this.#members.get(channel)?.values() ?? [])].filter(({ node }) => living.has(node));
    return new Map(found.map(({ client, info }) => [client, info]));
  }

  #append(channel: string, data: Payload, { size }: History): LogEntry {
    const undone = this.#undo.length;
    this.head(channel);
    // Making the head and the first entry are one write.
    const madeHead = this.#undo.length > undone ? this.#undo.pop() : undefined;
    const log = this.#logs.get(channel) as FakeLog;
    const before = { ...log, entries: [...log.entries] };
    const entry = { position: this.#position(++log.counter), previous: log.head, data };
    log.head = entry.position;
    log.entries = [...log.entries, entry].slice(-size);
    this.#undo.push(madeHead ?? (() => this.#logs.set(channel, before)));
    return entry;
  }

  /** Tags count, so that a run can be repeated. */
  #position(counter: number): Position {
    return `${counter.toString(36)}-t${(this.#tags++).toString(36)}`;
  }
}

/** A node on a fake store. */
export class FakeEngine implements Engine {
  readonly node: string;
  /** Whether the members of this node count. */
  isAlive = true;
  readonly #store: FakeStore;
  readonly #feeds = new Map<string, Feed>();
  readonly #listeners = new Set<(state: EngineState) => void>();
  readonly #nodeListeners = new Set<(node: string, change: NodeChange) => void>();
  #state: EngineState = "up";
  #isClosed = false;

  constructor(store: FakeStore, node: string) {
    this.#store = store;
    this.node = node;
  }

  // The test's side.

  /** Loses the connection to the store: calls reject, feeds are silent, and all that was on its way is lost. */
  down(): void {
    this.#state = "down";
    for (const step of [...this.#store.steps]) if (step.node === this.node) step.lose();
    for (const listener of [...this.#listeners]) listener("down");
  }

  up(): void {
    this.#state = "up";
    for (const listener of [...this.#listeners]) listener("up");
  }

  /** Loses its lease, as a process does that is stopped for a while. */
  lapse(): void {
    this.isAlive = false;
    this.#store.announce(this, "gone");
  }

  /** Joins anew after `lapse()`. */
  rejoin(): void {
    this.isAlive = true;
    this.#store.announce(this, "back");
  }

  /** Ends as a killed process does: nothing is removed, and its lease lapses. */
  vanish(): void {
    this.lapse();
    this.#isClosed = true;
    this.#feeds.clear();
    for (const step of [...this.#store.steps]) if (step.node === this.node) step.lose();
  }

  // The store's side.

  onOtherNode(node: string, change: NodeChange): void {
    for (const listener of [...this.#nodeListeners]) listener(node, change);
  }

  deliver(channel: string, entry: LogEntry): void {
    if (this.#state === "down" || !this.#feeds.has(channel)) return;
    const arrive = () => this.#feeds.get(channel)?.(entry);
    const step: FakeStep = {
      kind: "entry",
      node: this.node,
      label: `${channel} ${entry.position}`,
      run: () => this.#store.take(step) && arrive(),
      lose: () => this.#store.take(step),
      repeat: arrive,
    };
    this.#store.put(step);
  }

  // The engine.

  publish(
    channel: string,
    data: Payload,
    { history, id }: { readonly history?: History | undefined; readonly id?: string | undefined },
  ): Promise<Position | null> {
    return this.#call(`publish ${channel}`, () => this.#store.publish(channel, data, history, id));
  }

  read(channel: string, from: ReadFrom, limit: ReadLimit): Promise<LogPart | undefined> {
    return this.#call(`read ${channel}`, () => this.#store.read(channel, from, limit));
  }

  subscribe(channel: string, history: History | undefined, onEntry: Feed): Promise<Position | null> {
    return this.#call(`subscribe ${channel}`, () => {
      this.#feeds.set(channel, onEntry);
      return history ? this.#store.head(channel) : null;
    });
  }

  unsubscribe(channel: string): void {
    this.#feeds.delete(channel);
  }

  heads(channels: readonly { readonly channel: string; readonly history: History }[]): Promise<readonly Position[]> {
    return this.#call(`heads ${channels.map(({ channel }) => channel)}`, () =>
      channels.map(({ channel }) => this.#store.head(channel)),
    );
  }

  setMember(channel: string, client: string, info: string): Promise<void> {
    return this.#call(`setMember ${channel}`, () => this.#store.setMember(channel, this.node, client, info));
  }

  removeMember(channel: string, client: string): Promise<void> {
    return this.#call(`removeMember ${channel}`, () => this.#store.setMember(channel, this.node, client, undefined));
  }

  members(channel: string): Promise<EngineMembers> {
    return this.#call(`members ${channel}`, () => this.#store.members(channel));
  }

  onState(listener: (state: EngineState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onNode(listener: (node: string, change: NodeChange) => void): () => void {
    this.#nodeListeners.add(listener);
    return () => this.#nodeListeners.delete(listener);
  }

  async close({ membersMs = 0 }: { readonly membersMs?: number | undefined } = {}): Promise<void> {
    // The timer is that of the store, and no other node sees the lease of one that is alone.
    if (membersMs > 0 && this.#store.engines.length > 1) setTimeout(() => this.lapse(), membersMs);
    else this.lapse();
    this.#isClosed = true;
    this.#feeds.clear();
    this.#listeners.clear();
    this.#nodeListeners.clear();
    for (const step of [...this.#store.steps]) if (step.node === this.node) step.lose();
  }

  /** Sends a command and its answer as two steps. */
  #call<T>(label: string, run: () => T): Promise<T> {
    if (this.#isClosed) return Promise.reject(new ConnError("closed", "The engine is closed."));
    if (this.#state === "down") return Promise.reject(unavailable());
    return new Promise((resolve, reject) => {
      const step = (kind: "command" | "answer", arrive: () => void): FakeStep => {
        const self: FakeStep = {
          kind,
          node: this.node,
          label,
          run: () => this.#store.take(self) && arrive(),
          lose: () => this.#store.take(self) && reject(unavailable()),
        };
        return self;
      };
      this.#store.put(
        step("command", () => {
          const result = run();
          const [method = ""] = label.split(" ");
          this.#store.counts[method] = (this.#store.counts[method] ?? 0) + 1;
          this.#store.put(step("answer", () => resolve(result)));
        }),
      );
    });
  }
}

function unavailable(): ConnError {
  return new ConnError("unavailable", "The engine can't be reached.");
}
