import { Buffer } from "node:buffer";
import { noop } from "../../base/deferred.ts";

export type RedisArgument = string | Buffer;

/** Called with each message of a channel, both as bytes. */
export type RedisMessageListener = (message: unknown, channel: unknown) => void;

/** The part of a client that the engine uses, of `@redis/client`, and of a Sentinel client. */
export interface RedisClientLike {
  /** Makes a client with the same options and these. */
  duplicate(overrides?: object): RedisClientLike;
  /** Connects. */
  connect(): Promise<unknown>;
  /** Ends the connection at once, and rejects what waits for an answer. */
  destroy(): unknown;
  /** Sends a command. A Sentinel client takes whether the command only reads as its first argument. */
  sendCommand(...args: never[]): Promise<unknown>;
  /** Subscribes channels. */
  subscribe(channels: string[], listener: RedisMessageListener, bufferMode: true): Promise<unknown>;
  /** Ends subscriptions. */
  unsubscribe(channels: string[], listener: RedisMessageListener, bufferMode: true): Promise<unknown>;
  /** Adds a listener. */
  on(event: string, listener: (...args: unknown[]) => void): unknown;
}

/**
 * Turns off the client's own queue and its repetitions, because `Commands` has both. `maxCommandRediscovers` is an option
 * of Sentinel clients, which otherwise repeat a command that may have run.
 */
const OVERRIDES = { disableOfflineQueue: true, maxCommandRediscovers: 0 };
/** Bulk replies as Buffers, whatever the application uses. The key is the type's byte in Redis's protocol. */
const COMMAND_OPTIONS = { typeMapping: { 36: Buffer }, timeout: undefined };
/** The events of a lost connection. A Sentinel client emits the last two for its nodes. */
const LOSSES = ["error", "end", "client-error", "topology-change"];

/** One connection to Redis, from its first attempt to its loss. A connection is never connected again. */
export class RedisConnection {
  /** When something was last received, by `performance.now()`. */
  receivedAt = performance.now();
  readonly #client: RedisClientLike;
  readonly #isSentinel: boolean;
  #onLost: (error: unknown) => void;
  #isReady = false;

  /** @param onLost called once, with the cause */
  constructor(pattern: RedisClientLike, onLost: (error: unknown) => void) {
    this.#onLost = onLost;
    this.#client = pattern.duplicate(OVERRIDES);
    this.#isSentinel = "getMasterNode" in this.#client;
    for (const event of LOSSES) this.#client.on(event, (error: unknown) => this.#lose(event, error));
  }

  async open(): Promise<void> {
    await this.#client.connect();
    this.#isReady = true;
    this.receivedAt = performance.now();
  }

  async send(args: readonly RedisArgument[]): Promise<unknown> {
    const send = this.#client.sendCommand as (...args: unknown[]) => Promise<unknown>;
    const all = this.#isSentinel ? [false, args, COMMAND_OPTIONS] : [args, COMMAND_OPTIONS];
    try {
      return await send.apply(this.#client, all);
    } finally {
      // An error of the client itself comes when the connection is lost anyway.
      this.receivedAt = performance.now();
    }
  }

  async subscribe(channels: string[], listener: RedisMessageListener): Promise<void> {
    await this.#client.subscribe(channels, listener, true);
  }

  unsubscribe(channels: string[], listener: RedisMessageListener): void {
    this.#client.unsubscribe(channels, listener, true).catch(noop);
  }

  /** Ends the connection. Its listeners stay attached and do nothing. */
  destroy(): void {
    this.#onLost = noop;
    // A client that is not open throws, and a Sentinel client rejects.
    Promise.resolve()
      .then(() => this.#client.destroy())
      .catch(noop);
  }

  #lose(event: string, error: unknown): void {
    // A Sentinel client finds its nodes while it connects.
    if (event === "topology-change" && !this.#isReady) return;
    const onLost = this.#onLost;
    this.#onLost = noop;
    onLost(error instanceof Error ? error : new Error(`The client emitted ${event}.`));
  }
}

/** Whether an error is a reply of Redis, which begins with a code in capitals, and not of the connection. */
export function isReply(error: unknown): error is Error {
  return error instanceof Error && /^[A-Z]{2}/.test(error.message);
}
