import { Timer } from "../../base/timer.ts";

/** Keeps things for a time, and no more than a number of them: the oldest goes first. One timer for all. */
export class TtlMap<T> {
  readonly #entries = new Map<string, { readonly thing: T; readonly until: number }>();
  readonly #ttlMs: number;
  readonly #max: number;
  readonly #onEvict: (thing: T) => void;
  readonly #timer = new Timer();

  /** @param out hears of each thing that goes by itself */
  constructor(ttlMs: number, max: number, out: (thing: T) => void = () => {}) {
    this.#ttlMs = ttlMs;
    this.#max = max;
    this.#onEvict = out;
  }

  get(key: string): T | undefined {
    return this.#entries.get(key)?.thing;
  }

  set(key: string, thing: T): void {
    this.#entries.set(key, { thing, until: performance.now() + this.#ttlMs });
    if (this.#entries.size > this.#max) this.#evictOldest();
    if (this.#entries.size === 1) this.#schedule();
  }

  delete(key: string): void {
    this.#entries.delete(key);
    if (this.#entries.size === 0) this.#timer.stop();
  }

  /** Lets go of everything. */
  clear(): void {
    while (this.#entries.size > 0) this.#evictOldest();
  }

  #evictOldest(): void {
    for (const [key, { thing }] of this.#entries) {
      this.delete(key);
      return this.#onEvict(thing);
    }
  }

  #schedule(): void {
    for (const { until } of this.#entries.values()) {
      const restMs = until - performance.now();
      if (restMs > 0) return this.#timer.start(restMs, () => this.#schedule(), true);
      this.#evictOldest();
    }
  }
}
