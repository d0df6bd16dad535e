import { Timer } from "../base/timer.ts";

/** Delays attempts, longer after each failure in a row. */
export class Retry {
  readonly #timer = new Timer();
  readonly #backoff: (attempt: number) => number;
  #failures = 0;

  constructor(backoff: (attempt: number) => number) {
    this.#backoff = backoff;
  }

  /** Calls `act` after a wait that grows with the number of failures. */
  later(act: () => void): void {
    this.#timer.start(this.#backoff(this.#failures++), act);
  }

  /** Calls `act` at once the first time in a row, then as `later()`. */
  again(act: () => void): void {
    if (this.#failures > 0) return this.later(act);
    this.#failures = 1;
    act();
  }

  /** Called when the attempt succeeded: the next failure is the first in a row. */
  reset(): void {
    this.#failures = 0;
  }

  stop(): void {
    this.#timer.stop();
  }
}
