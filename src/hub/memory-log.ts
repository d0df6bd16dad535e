import { MESSAGE_COST_BYTES, type Payload } from "../base/payload.ts";
import { formatPosition, parsePosition, randomTag } from "../base/position.ts";
import type { LogEntry, LogPart, Position, ReadFrom, ReadLimit } from "../server/engine.ts";

/** Entries that were dropped at the start of the array, above which they are cut off. */
const MAX_SLACK = 64;

interface KeptEntry extends LogEntry {
  readonly position: Position;
  readonly previous: Position;
}

/**
 * The log of one channel in memory. Counters of one log have no holes, so that the place of an entry follows from its
 * counter. The head outlives the entries: a subscriber that has seen everything misses nothing when they are forgotten.
 */
export class MemoryLog {
  /** When the entries are forgotten, by `performance.now()`. */
  entriesExpireAt = 0;
  /** When the head is forgotten as well, by `performance.now()`. */
  expiresAt = 0;
  #head: Position;
  #counter = 0;
  #entries: KeptEntry[] = [];
  /** Dropped entries at the start of the array. */
  #slack = 0;
  #bytes = 0;

  constructor() {
    this.#head = formatPosition(0, randomTag());
  }

  get head(): Position {
    return this.#head;
  }

  /** Bytes of the entries that are kept, with a surcharge for each. */
  get bytes(): number {
    return this.#bytes;
  }

  get length(): number {
    return this.#entries.length - this.#slack;
  }

  append(data: Payload, size: number): LogEntry {
    const position = formatPosition(++this.#counter, randomTag());
    const entry = { position, previous: this.#head, data };
    this.#head = position;
    this.#entries.push(entry);
    this.#bytes += costOf(entry);
    while (this.length > size) this.dropOldest();
    return entry;
  }

  dropOldest(): void {
    const oldest = this.#entries[this.#slack++];
    if (oldest) this.#bytes -= costOf(oldest);
    if (this.#slack <= MAX_SLACK || this.#slack * 2 < this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#slack);
    this.#slack = 0;
  }

  forgetEntries(): void {
    this.#entries = [];
    this.#slack = 0;
    this.#bytes = 0;
  }

  /** Returns undefined for a gap. */
  read(from: ReadFrom, limit: ReadLimit): LogPart | undefined {
    const start = this.#startOf(from);
    if (start === undefined) return undefined;
    const entries: LogEntry[] = [];
    let bytes = 0;
    for (let i = start; i < this.#entries.length; i++) {
      const entry = this.#entries[i] as KeptEntry;
      bytes += entry.data.length;
      if (entries.length > 0 && (entries.length >= limit.messages || bytes > limit.bytes)) break;
      entries.push(entry);
    }
    return { entries, head: this.#head };
  }

  #startOf(from: ReadFrom): number | undefined {
    const end = this.#entries.length;
    if ("last" in from) return Math.max(this.#slack, end - from.last);
    if (from.after === this.#head) return end;
    const parts = parsePosition(from.after);
    if (parts === undefined) return undefined;
    const start = end - (this.#counter - parts.counter);
    const isInLog = start >= this.#slack && this.#entries[start]?.previous === from.after;
    return isInLog ? start : undefined;
  }
}

function costOf({ data }: LogEntry): number {
  return data.length + MESSAGE_COST_BYTES;
}
