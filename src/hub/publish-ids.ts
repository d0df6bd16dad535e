import type { Position } from "../server/engine.ts";

interface Published {
  readonly position: Position | null;
  readonly expiresAt: number;
}

/** Remembers which ids were published, for a time and within a bound: the oldest is forgotten first. */
export class PublishIds {
  readonly #ttlMs: number;
  readonly #max: number;
  readonly #published = new Map<string, Published>();

  constructor(ttlMs: number, max: number) {
    this.#ttlMs = ttlMs;
    this.#max = max;
  }

  /** Returns the position of the first publish of this id, and undefined where none is known. */
  find(channel: string, id: string): Position | null | undefined {
    this.#expire();
    return this.#published.get(keyOf(channel, id))?.position;
  }

  add(channel: string, id: string, position: Position | null): void {
    this.#published.set(keyOf(channel, id), { position, expiresAt: performance.now() + this.#ttlMs });
    this.#expire();
  }

  clear(): void {
    this.#published.clear();
  }

  #expire(): void {
    const now = performance.now();
    for (const [key, { expiresAt }] of this.#published) {
      if (expiresAt > now && this.#published.size <= this.#max) return;
      this.#published.delete(key);
    }
  }
}

/** Returns a key of both. With the length, because other names and ids may join to the same text. */
function keyOf(channel: string, id: string): string {
  return `${channel.length}:${channel}${id}`;
}
