import { Timer } from "../timer.ts";

/** Keeps things for a time, and no more than a number of them: the oldest goes first. One timer for all. */
export class Shelf<T> {
  readonly #things = new Map<string, { readonly thing: T; readonly until: number }>();
  readonly #ttlMs: number;
  readonly #max: number;
  readonly #out: (thing: T) => void;
  readonly #timer = new Timer();

  /** @param out hears of each thing that goes by itself */
  constructor(ttlMs: number, max: number, out: (thing: T) => void = () => {}) {
    this.#ttlMs = ttlMs;
    this.#max = max;
    this.#out = out;
  }

  get(key: string): T | undefined {
    return this.#things.get(key)?.thing;
  }

  set(key: string, thing: T): void {
    this.#things.set(key, { thing, until: performance.now() + this.#ttlMs });
    if (this.#things.size > this.#max) this.#drop();
    if (this.#things.size === 1) this.#watch();
  }

  delete(key: string): void {
    this.#things.delete(key);
    if (this.#things.size === 0) this.#timer.stop();
  }

  /** Lets go of everything. */
  clear(): void {
    while (this.#things.size > 0) this.#drop();
  }

  #drop(): void {
    for (const [key, { thing }] of this.#things) {
      this.delete(key);
      return this.#out(thing);
    }
  }

  #watch(): void {
    for (const { until } of this.#things.values()) {
      const restMs = until - performance.now();
      if (restMs > 0) return this.#timer.start(restMs, () => this.#watch(), true);
      this.#drop();
    }
  }
}
