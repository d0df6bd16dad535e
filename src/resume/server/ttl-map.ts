import { Timer } from "../../base/timer.ts";

/** Keeps values for a limited time, and at most `max` of them: the oldest is evicted first. One timer serves all. */
export class TtlMap<T> {
  readonly #entries = new Map<string, { value: T; readonly expiresAt: number }>();
  readonly #ttlMs: number;
  readonly #max: number;
  readonly #onEvict: (value: T) => void;
  readonly #timer = new Timer();

  /** @param onEvict called with each value that expires, is pushed out, or is cleared */
  constructor(ttlMs: number, max: number, onEvict: (value: T) => void = () => {}) {
    this.#ttlMs = ttlMs;
    this.#max = max;
    this.#onEvict = onEvict;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): T | undefined {
    return this.#entries.get(key)?.value;
  }

  set(key: string, value: T): void {
    this.#entries.set(key, { value, expiresAt: performance.now() + this.#ttlMs });
    if (this.#entries.size > this.#max) this.evictOldest();
    if (this.#entries.size === 1) this.#schedule();
  }

  /** Replaces the value of `key`, whose age stays. */
  replace(key: string, value: T): void {
    const entry = this.#entries.get(key);
    if (entry) entry.value = value;
  }

  delete(key: string): void {
    this.#entries.delete(key);
    if (this.#entries.size === 0) this.#timer.stop();
  }

  evictOldest(): void {
    for (const [key, { value }] of this.#entries) {
      this.delete(key);
      return this.#onEvict(value);
    }
  }

  /** Evicts everything. */
  clear(): void {
    while (this.#entries.size > 0) this.evictOldest();
  }

  #schedule(): void {
    for (const { expiresAt } of this.#entries.values()) {
      const restMs = expiresAt - performance.now();
      if (restMs > 0) return this.#timer.start(restMs, () => this.#schedule(), true);
      this.evictOldest();
    }
  }
}
