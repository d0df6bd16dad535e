import { type Deferred, deferred } from "../../base/deferred.ts";
import { throwAsync } from "../../base/emitter.ts";
import type { ConnError } from "../../base/errors.ts";
import type { LogEntry } from "../../server/engine.ts";
import { isReply, type RedisConnection } from "./connection.ts";
import { foreign, refusedBy, unanswered } from "./failures.ts";
import { parseMessage, textOf } from "./wire.ts";

/** Channels in one SUBSCRIBE. */
const CHUNK = 500;

interface Feed {
  readonly onEntry: (entry: LogEntry) => void;
  /** Resolves once Redis confirmed the subscription, or once it ended. */
  readonly attached: Deferred<void>;
  /** Whether `attached` has resolved. Messages that come sooner belong to an earlier subscription. */
  isAttached: boolean;
}

/**
 * The subscriptions of a node, on one connection, each by the name of its channel in Redis. Subscriptions outlive connections: a
 * new one is prepared with all of them.
 */
export class Feeds {
  /** Messages that came, so that a connection can be seen to be alive. */
  received = 0;
  readonly #timeoutMs: number;
  readonly #onError: (error: ConnError) => void;
  /** The channel of Redis on which this node probes its connection. */
  readonly #probe: string;
  readonly #feeds = new Map<string, Feed>();
  #connection: RedisConnection | undefined;
  /** Names that were subscribed on a connection that is being prepared. */
  #prepared = new Set<string>();

  constructor(probe: string, timeoutMs: number, onError: (error: ConnError) => void) {
    this.#probe = probe;
    this.#timeoutMs = timeoutMs;
    this.#onError = onError;
  }

  get size(): number {
    return this.#feeds.size;
  }

  /** Resolves once later messages reach `onEntry`. Rejects with `unavailable`, and then nothing is subscribed. */
  async subscribe(name: string, onEntry: Feed["onEntry"]): Promise<void> {
    this.#feeds.get(name)?.attached.resolve();
    const feed = { onEntry, attached: deferred<void>(), isAttached: false };
    this.#feeds.set(name, feed);
    if (this.#connection) this.#attach(this.#connection, name, feed);
    const timer = setTimeout(() => feed.attached.reject(unanswered(false, undefined)), this.#timeoutMs);
    try {
      await feed.attached.promise;
    } catch (error) {
      this.unsubscribe(name, onEntry);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends a subscription; with `onEntry` only if it is that listener's. */
  unsubscribe(name: string, onEntry?: Feed["onEntry"]): void {
    const feed = this.#feeds.get(name);
    if (!feed || (onEntry && feed.onEntry !== onEntry)) return;
    this.#feeds.delete(name);
    feed.attached.resolve();
    this.#connection?.unsubscribe([name], this.#onMessage);
  }

  /** Subscribes everything on a new connection. */
  async prepare(connection: RedisConnection): Promise<void> {
    const names = [this.#probe, ...this.#feeds.keys()];
    this.#prepared = new Set(names);
    for (let at = 0; at < names.length; at += CHUNK) {
      await connection.subscribe(names.slice(at, at + CHUNK), this.#onMessage);
    }
  }

  /** Uses a connection that was prepared, and subscribes what changed while it was. */
  attach(connection: RedisConnection): void {
    this.#connection = connection;
    for (const name of this.#prepared) {
      if (name !== this.#probe && !this.#feeds.has(name)) connection.unsubscribe([name], this.#onMessage);
    }
    for (const [name, feed] of this.#feeds) {
      if (this.#prepared.has(name)) confirm(feed);
      else this.#attach(connection, name, feed);
    }
    this.#prepared = new Set();
  }

  detach(): void {
    this.#connection = undefined;
  }

  close(error: ConnError): void {
    this.#connection = undefined;
    for (const { attached } of this.#feeds.values()) attached.reject(error);
    this.#feeds.clear();
  }

  #attach(connection: RedisConnection, name: string, feed: Feed): void {
    connection.subscribe([name], this.#onMessage).then(
      () => connection === this.#connection && confirm(feed),
      // A connection that is lost is followed by one that is prepared with this subscription.
      (error: unknown) => isReply(error) && feed.attached.reject(refusedBy(error)),
    );
  }

  readonly #onMessage = (message: unknown, channel: unknown): void => {
    this.received++;
    const name = textOf(channel) ?? "";
    const feed = this.#feeds.get(name);
    if (!feed?.isAttached) return;
    const entry = message instanceof Uint8Array ? parseMessage(message) : undefined;
    if (!entry) return this.#onError(foreign(`a message on ${name}`));
    try {
      feed.onEntry(entry);
    } catch (error) {
      throwAsync(error);
    }
  };
}

function confirm(feed: Feed): void {
  feed.isAttached = true;
  feed.attached.resolve();
}
