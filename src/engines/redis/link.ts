import { Timer } from "../../base/timer.ts";
import { type RedisClientLike, RedisConnection } from "./connection.ts";

const MIN_BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 2_000;
/** A connection that lasted this long resets the backoff. */
const STABLE_AFTER_MS = 5_000;

/** The user of a link's connections. */
export interface LinkOwner {
  /** Prepares a new connection. Rejects when the connection can't be used. */
  prepare(connection: RedisConnection): Promise<void>;
  /** Called when the connection is prepared. */
  onUp(connection: RedisConnection): void;
  /** Called when a connection was lost, and after each attempt that failed. */
  onDown(error: unknown): void;
}

/** Keeps one connection to Redis: makes the next one after each loss, with a growing wait, until it is closed. */
export class Link {
  readonly #pattern: RedisClientLike;
  readonly #owner: LinkOwner;
  readonly #timeoutMs: number;
  readonly #timer = new Timer();
  #connection: RedisConnection | undefined;
  #failures = 0;
  /** By `performance.now()`. Undefined while there is no connection that is prepared. */
  #upSince: number | undefined;
  #isClosed = false;

  constructor(pattern: RedisClientLike, owner: LinkOwner, timeoutMs: number) {
    this.#pattern = pattern;
    this.#owner = owner;
    this.#timeoutMs = timeoutMs;
  }

  get isUp(): boolean {
    return this.#upSince !== undefined;
  }

  /** Connects, and prepares the connection within the time for a call. */
  start(): void {
    const lost = (error: unknown) => this.#connection === connection && this.replace(error);
    const connection = new RedisConnection(this.#pattern, lost);
    this.#connection = connection;
    this.#timer.start(this.#timeoutMs, () => lost(new Error(`No answer from Redis in ${this.#timeoutMs} ms.`)));
    this.#prepare(connection).catch(lost);
  }

  /** Gives up the connection, because of `error`, and makes another. */
  replace(error: unknown): void {
    if (this.#isClosed || this.#connection === undefined) return;
    const lasted = this.#upSince === undefined ? 0 : performance.now() - this.#upSince;
    if (lasted >= STABLE_AFTER_MS) this.#failures = 0;
    this.#abandon();
    const longest = Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS * 2 ** this.#failures++);
    this.#timer.start(longest * (0.5 + Math.random() / 2), () => this.start());
    this.#owner.onDown(error);
  }

  close(): void {
    this.#isClosed = true;
    this.#timer.stop();
    this.#abandon();
  }

  async #prepare(connection: RedisConnection): Promise<void> {
    await connection.open();
    await this.#owner.prepare(connection);
    if (this.#connection !== connection) return;
    this.#timer.stop();
    this.#upSince = performance.now();
    this.#owner.onUp(connection);
  }

  #abandon(): void {
    this.#connection?.destroy();
    this.#connection = undefined;
    this.#upSince = undefined;
  }
}
