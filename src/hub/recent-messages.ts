import { MESSAGE_COST_BYTES } from "../base/payload.ts";
import type { Position } from "../server/engine.ts";
import type { ChannelMessage } from "./channel-message.ts";

/** Dropped messages from which on the array is cut, because each cut moves all others. */
const MIN_CUT = 64;

/** The most that is kept. */
export interface RecentBounds {
  readonly messages: number;
  readonly bytes: number;
}

/**
 * The newest messages of one log, without a hole, so that subscribers that are a little behind are served without the
 * engine. Messages are found by a number that only grows, because indexes shift when the oldest are cut off.
 */
export class RecentMessages {
  readonly #bounds: RecentBounds;
  #messages: ChannelMessage[] = [];
  /** Messages at the start of the array that were dropped. */
  #dropped = 0;
  #bytes = 0;
  /** For each position the number of the message that follows: its index in the array plus `#cut`. */
  readonly #next = new Map<Position, number>();
  /** Messages that were cut off the array so far. */
  #cut = 0;

  constructor(bounds: RecentBounds) {
    this.#bounds = bounds;
  }

  get newest(): ChannelMessage | undefined {
    return this.#messages.at(-1);
  }

  get length(): number {
    return this.#messages.length - this.#dropped;
  }

  /** Whether a message at `position` is here, or follows it. */
  has(position: Position): boolean {
    return this.#next.has(position);
  }

  /** Appends a message, which follows the newest one, and drops the oldest above the bounds. */
  push(message: ChannelMessage): void {
    const { previous, position } = message;
    if (this.length === 0) this.#next.set(previous as Position, this.#cut + this.#messages.length);
    this.#messages.push(message);
    this.#next.set(position as Position, this.#cut + this.#messages.length);
    this.#bytes += costOf(message);
    while (this.length > this.#bounds.messages || (this.#bytes > this.#bounds.bytes && this.length > 1)) {
      this.#dropOldest();
    }
  }

  /** Returns the messages after `position`, at most `limit`, or undefined if they do not reach back to it. */
  after(position: Position, limit: number): readonly ChannelMessage[] | undefined {
    const next = this.#next.get(position);
    if (next === undefined) return undefined;
    const index = next - this.#cut;
    return this.#messages.slice(index, index + limit);
  }

  /** Returns the position before the `count` newest messages, or undefined if there are fewer. */
  before(count: number): Position | undefined {
    const { length } = this.#messages;
    return count > 0 && count <= this.length ? (this.#messages[length - count]?.previous ?? undefined) : undefined;
  }

  /**
   * Puts older messages, in order and without a hole, before those that are here. Does nothing if they do not join them.
   *
   * @param head the position after which the next pushed message comes
   */
  fill(older: readonly ChannelMessage[], head: Position): void {
    const joint = this.length > 0 ? (this.#messages[this.#dropped] as ChannelMessage).previous : head;
    const end = older.findIndex(({ position }) => position === joint) + 1;
    if (end === 0) return;
    const all = [...older.slice(0, end), ...this.#messages.slice(this.#dropped)];
    this.clear();
    for (const message of all) this.push(message);
  }

  clear(): void {
    this.#messages = [];
    this.#next.clear();
    this.#dropped = this.#cut = this.#bytes = 0;
  }

  #dropOldest(): void {
    const oldest = this.#messages[this.#dropped] as ChannelMessage;
    this.#next.delete(oldest.previous as Position);
    this.#bytes -= costOf(oldest);
    this.#dropped++;
    if (this.#dropped < MIN_CUT || this.#dropped * 2 < this.#messages.length) return;
    this.#messages.splice(0, this.#dropped);
    this.#cut += this.#dropped;
    this.#dropped = 0;
  }
}

function costOf({ data }: ChannelMessage): number {
  return data.length + MESSAGE_COST_BYTES;
}
