import { Queue } from "../../base/queue.ts";
import { inMicrotask } from "../../whatwg/microtask.ts";

/** One direction of a line: delivers what was pushed in order, one item in each microtask. */
export class Pipe<T> {
  readonly #deliver: (item: T) => void;
  #queue = new Queue<T>();
  #isPaused = false;
  #isScheduled = false;

  constructor(deliver: (item: T) => void) {
    this.#deliver = deliver;
  }

  push(item: T): void {
    this.#queue.push(item);
    this.#schedule();
  }

  /** Keeps what comes until `resume()`. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#schedule();
  }

  /** Forgets what was not delivered. */
  clear(): void {
    this.#queue = new Queue();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isPaused || this.#queue.length === 0) return;
    this.#isScheduled = true;
    inMicrotask(() => {
      this.#isScheduled = false;
      if (this.#isPaused) return;
      const item = this.#queue.shift();
      this.#schedule();
      if (item !== undefined) this.#deliver(item);
    });
  }
}
