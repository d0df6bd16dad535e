import { throwAsync } from "../base/emitter.ts";
import { ConnError } from "../base/errors.ts";
import type { Payload } from "../base/payload.ts";
import { randomTag } from "../base/position.ts";
import { Queue } from "../base/queue.ts";
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
} from "../server/engine.ts";
import { MemoryLogs } from "./memory-logs.ts";
import { type MemoryEngineOptions, type ResolvedMemoryOptions, resolveMemoryOptions } from "./memory-options.ts";
import { PublishIds } from "./publish-ids.ts";

/** How long the ids of publishes are remembered. */
const ID_TTL_MS = 300_000;

type Feed = (entry: LogEntry) => void;

/**
 * Creates an engine in the memory of this process: for one process, and for tests. Its logs end with the process.
 *
 * @throws ConnError `bad-option`
 *
 * @example
 * ```ts
 * const topics = hub({ channels, authorize, engine: memoryEngine({ maxBytes: 256 * 2 ** 20 }) });
 * ```
 */
export function memoryEngine(options: MemoryEngineOptions = {}): Engine {
  return new MemoryEngine(resolveMemoryOptions(options));
}

class MemoryEngine implements Engine {
  readonly node = `memory-${randomTag()}${randomTag()}`;
  readonly #logs: MemoryLogs;
  readonly #ids: PublishIds;
  readonly #maxMembers: number;
  readonly #feeds = new Map<string, Feed>();
  readonly #members = new Map<string, Map<string, string>>();
  /** Members of all channels. */
  #memberCount = 0;
  /** Published entries that no feed has taken yet. */
  readonly #undelivered = new Queue<{ readonly channel: string; readonly entry: LogEntry }>();
  #isClosed = false;

  constructor(options: ResolvedMemoryOptions) {
    this.#logs = new MemoryLogs(options);
    this.#ids = new PublishIds(ID_TTL_MS, options.maxIds);
    this.#maxMembers = options.maxMembers;
  }

  async publish(
    channel: string,
    data: Payload,
    { history, id }: { readonly history?: History | undefined; readonly id?: string | undefined },
  ): Promise<Position | null> {
    this.#assertOpen();
    const known = id === undefined ? undefined : this.#ids.find(channel, id);
    if (known !== undefined) return known;
    const entry = history ? this.#logs.append(channel, data, history) : { position: null, previous: null, data };
    if (id !== undefined) this.#ids.add(channel, id, entry.position);
    this.#deliverLater(channel, entry);
    return entry.position;
  }

  async read(channel: string, from: ReadFrom, limit: ReadLimit): Promise<LogPart | undefined> {
    this.#assertOpen();
    return this.#logs.read(channel, from, limit);
  }

  async subscribe(channel: string, history: History | undefined, onEntry: Feed): Promise<Position | null> {
    this.#assertOpen();
    this.#feeds.set(channel, onEntry);
    return history ? this.#logs.head(channel, history.ttlMs) : null;
  }

  unsubscribe(channel: string): void {
    this.#feeds.delete(channel);
  }

  async heads(
    channels: readonly { readonly channel: string; readonly history: History }[],
  ): Promise<readonly Position[]> {
    this.#assertOpen();
    return channels.map(({ channel, history }) => this.#logs.head(channel, history.ttlMs));
  }

  async setMember(channel: string, client: string, info: string): Promise<void> {
    this.#assertOpen();
    const members = this.#members.get(channel) ?? new Map<string, string>();
    if (!members.has(client)) {
      if (this.#memberCount >= this.#maxMembers) {
        throw new ConnError("unavailable", `The engine has ${this.#maxMembers} members already: raise maxMembers.`);
      }
      this.#memberCount++;
    }
    members.set(client, info);
    this.#members.set(channel, members);
  }

  async removeMember(channel: string, client: string): Promise<void> {
    this.#assertOpen();
    const members = this.#members.get(channel);
    if (!members?.delete(client)) return;
    this.#memberCount--;
    if (members.size === 0) this.#members.delete(channel);
  }

  async members(channel: string): Promise<EngineMembers> {
    this.#assertOpen();
    return new Map(this.#members.get(channel));
  }

  /** Does nothing, because memory can always be reached. */
  onState(_listener: (state: EngineState) => void): () => void {
    return () => {};
  }

  /** Does nothing, because there is no other node. */
  onNode(_listener: (node: string, change: NodeChange) => void): () => void {
    return () => {};
  }

  /** Ends everything at once, because no other node could keep its members. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#feeds.clear();
    this.#members.clear();
    this.#logs.clear();
    this.#ids.clear();
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new ConnError("closed", "The engine is closed.");
  }

  /** Delivers in a microtask, so that no publisher runs inside a subscriber. */
  #deliverLater(channel: string, entry: LogEntry): void {
    this.#undelivered.push({ channel, entry });
    if (this.#undelivered.length === 1) queueMicrotask(() => this.#deliver());
  }

  #deliver(): void {
    for (let next = this.#undelivered.shift(); next; next = this.#undelivered.shift()) {
      try {
        this.#feeds.get(next.channel)?.(next.entry);
      } catch (error) {
        throwAsync(error);
      }
    }
  }
}
