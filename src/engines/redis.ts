import { throwAsync } from "../base/emitter.ts";
import { ConnError } from "../base/errors.ts";
import type { Payload } from "../base/payload.ts";
import { randomTag } from "../base/position.ts";
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
import { Commands } from "./redis/commands.ts";
import type { RedisConnection } from "./redis/connection.ts";
import { disconnected } from "./redis/failures.ts";
import { Feeds } from "./redis/feeds.ts";
import { Keys } from "./redis/keys.ts";
import { Link } from "./redis/link.ts";
import { Logs } from "./redis/logs.ts";
import { Members } from "./redis/members.ts";
import { type RedisEngineOptions, type ResolvedRedisOptions, resolveRedisOptions } from "./redis/options.ts";
import { Probe } from "./redis/probe.ts";
import { PUBLISH, type Script } from "./redis/scripts.ts";
import { checkServer } from "./redis/server-check.ts";

export type {
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
export type { RedisClientLike, RedisMessageListener } from "./redis/connection.ts";
export type { RedisEngineOptions } from "./redis/options.ts";

/**
 * Creates an engine on Redis, for a hub in each of many processes. The engine connects at once, and again after each loss.
 *
 * @throws ConnError `bad-option`
 * @example
 * const engine = redisEngine({ client: createClient({ url: "redis://10.0.0.5" }), prefix: "chat" });
 */
export function redisEngine(options: RedisEngineOptions): Engine {
  return new RedisEngine(resolveRedisOptions(options));
}

class RedisEngine implements Engine {
  readonly node = `redis-${randomTag()}${randomTag()}`;
  readonly #options: ResolvedRedisOptions;
  readonly #keys: Keys;
  readonly #commands: Commands;
  readonly #feeds: Feeds;
  readonly #logs: Logs;
  readonly #members: Members;
  readonly #probe: Probe;
  readonly #commandLink: Link;
  readonly #feedLink: Link;
  readonly #listeners = new Set<(state: EngineState) => void>();
  readonly #nodeListeners = new Set<(node: string, change: NodeChange) => void>();
  #state: EngineState = "down";
  /** Whether commands were connected before. */
  #wasConnected = false;
  /** The failures that were reported since a connection succeeded. */
  #reported = new Set<string>();
  #closing: Promise<void> | undefined;

  constructor(options: ResolvedRedisOptions) {
    const { client, prefix, timeoutMs, maxPending, leaseMs, probeMs, headTtlMs } = options;
    const onError = (error: ConnError) => this.#report(error);
    const onBroken = (error: unknown) => this.#redial(error);
    this.#options = options;
    this.#keys = new Keys(prefix);
    this.#commands = new Commands({ onBroken, onError }, timeoutMs, maxPending);
    this.#feeds = new Feeds(this.#keys.feed(this.node), timeoutMs, onError);
    this.#logs = new Logs(this.#commands, this.#keys, headTtlMs, onError);
    const onNode = (node: string, change: NodeChange) =>
      this.#callAll(this.#nodeListeners, (listener) => listener(node, change));
    this.#members = new Members(this.#commands, this.#keys, this.node, leaseMs, { onError, onNode });
    this.#probe = new Probe(this.#probing(), probeMs);
    this.#commandLink = this.#linkCommands(client, timeoutMs);
    this.#feedLink = this.#linkFeeds(client, timeoutMs);
    this.#commandLink.start();
    this.#feedLink.start();
  }

  publish(
    channel: string,
    data: Payload,
    { history, id }: { readonly history?: History | undefined; readonly id?: string | undefined },
  ): Promise<Position | null> {
    return this.#logs.publish(channel, data, history, id);
  }

  read(channel: string, from: ReadFrom, limit: ReadLimit): Promise<LogPart | undefined> {
    return this.#logs.read(channel, from, limit);
  }

  async subscribe(
    channel: string,
    history: History | undefined,
    onEntry: (entry: LogEntry) => void,
  ): Promise<Position | null> {
    this.#assertOpen();
    const name = this.#keys.feed(channel);
    await this.#feeds.subscribe(name, onEntry);
    if (!history) return null;
    try {
      // Afterwards, so that every later publish reaches the feed.
      return await this.#logs.head(channel, history);
    } catch (error) {
      this.#feeds.unsubscribe(name, onEntry);
      throw error;
    }
  }

  unsubscribe(channel: string): void {
    this.#feeds.unsubscribe(this.#keys.feed(channel));
  }

  async heads(
    channels: readonly { readonly channel: string; readonly history: History }[],
  ): Promise<readonly Position[]> {
    this.#assertOpen();
    return this.#logs.heads(channels);
  }

  async setMember(channel: string, client: string, info: string): Promise<void> {
    this.#assertOpen();
    await this.#members.set(channel, client, info);
  }

  async removeMember(channel: string, client: string): Promise<void> {
    this.#assertOpen();
    await this.#members.remove(channel, client);
  }

  async members(channel: string): Promise<EngineMembers> {
    this.#assertOpen();
    return this.#members.list(channel);
  }

  onState(listener: (state: EngineState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onNode(listener: (node: string, change: NodeChange) => void): () => void {
    this.#nodeListeners.add(listener);
    return () => this.#nodeListeners.delete(listener);
  }

  close({ membersMs = 0 }: { readonly membersMs?: number | undefined } = {}): Promise<void> {
    this.#closing ??= this.#close(membersMs);
    return this.#closing;
  }

  async #close(membersMs: number): Promise<void> {
    this.#probe.stop();
    // Without Redis the lease ends them.
    await (this.#commandLink.isUp ? this.#members.close(membersMs) : Promise.resolve()).catch(() => {});
    this.#commandLink.close();
    this.#feedLink.close();
    this.#commands.close();
    this.#feeds.close(new ConnError("closed", "The engine is closed."));
    this.#listeners.clear();
    this.#nodeListeners.clear();
  }

  #assertOpen(): void {
    if (this.#closing) throw new ConnError("closed", "The engine is closed.");
  }

  #linkCommands(client: ResolvedRedisOptions["client"], timeoutMs: number): Link {
    let digests: ReadonlyMap<Script, string> = new Map();
    const owner = {
      prepare: async (connection: RedisConnection) => {
        const [loaded, warning] = await Promise.all([Commands.load(connection), checkServer(connection)]);
        digests = loaded;
        if (warning) this.#report(warning);
      },
      onUp: (connection: RedisConnection) => {
        this.#commands.attach(connection, digests);
        if (this.#wasConnected) this.#members.onReconnect();
        this.#wasConnected = true;
        this.#onUp();
      },
      onDown: (error: unknown) => {
        this.#commands.detach(error);
        this.#onDown(error);
      },
    };
    return new Link(client, owner, timeoutMs);
  }

  #linkFeeds(client: ResolvedRedisOptions["client"], timeoutMs: number): Link {
    const owner = {
      prepare: (connection: RedisConnection) => this.#feeds.prepare(connection),
      onUp: (connection: RedisConnection) => {
        this.#feeds.attach(connection);
        this.#probe.start();
        this.#onUp();
      },
      onDown: (error: unknown) => {
        this.#probe.stop();
        this.#feeds.detach();
        this.#onDown(error);
      },
    };
    return new Link(client, owner, timeoutMs);
  }

  #probing() {
    const feeds = this.#feeds;
    return {
      get received() {
        return feeds.received;
      },
      get isNeeded() {
        return feeds.size > 0;
      },
      publish: () => {
        const keys = [this.#keys.nothing(this.node), this.#keys.nothing(this.node)];
        return this.#commands.run(PUBLISH, keys, [this.#keys.feed(this.node), "t", ""], { isRepeatable: true });
      },
      onSilence: () => this.#feedLink.replace(new Error("The feed receives nothing: two probes did not come back.")),
    };
  }

  /** Leaves a server that does not answer, or can't serve us: after a failover the next connection leads to another. */
  #redial(error: unknown): void {
    this.#commandLink.replace(error);
    this.#feedLink.replace(error);
  }

  #onUp(): void {
    if (!this.#commandLink.isUp || !this.#feedLink.isUp) return;
    this.#reported = new Set();
    this.#emit("up");
  }

  #onDown(error: unknown): void {
    const failure = disconnected(error);
    if (!this.#reported.has(failure.message)) {
      this.#reported.add(failure.message);
      this.#report(failure);
    }
    if (this.#state === "up") this.#emit("down");
  }

  #emit(state: EngineState): void {
    this.#state = state;
    this.#callAll(this.#listeners, (listener) => listener(state));
  }

  /** Calls each listener, and reports an error that one throws as uncaught. */
  #callAll<Listener>(listeners: ReadonlySet<Listener>, call: (listener: Listener) => void): void {
    for (const listener of [...listeners]) {
      try {
        call(listener);
      } catch (error) {
        throwAsync(error);
      }
    }
  }

  #report(error: ConnError): void {
    try {
      this.#options.onError(error);
    } catch (thrown) {
      throwAsync(thrown);
    }
  }
}
