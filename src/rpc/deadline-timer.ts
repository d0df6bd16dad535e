import { Timer } from "../base/timer.ts";

/** One timer for many deadlines, which runs for the nearest, because a timer for each call would cost a tenth of a call. */
export class DeadlineTimer {
  readonly #timer = new Timer();
  readonly #onDue: () => number;
  #firesAt = Number.POSITIVE_INFINITY;

  /** @param onDue settles what is due, and returns the next deadline, infinite for none */
  constructor(onDue: () => number) {
    this.#onDue = onDue;
  }

  /** Fires at `deadline` at the latest, by the clock of `performance`. */
  watch(deadline: number): void {
    if (deadline >= this.#firesAt) return;
    this.#firesAt = deadline;
    this.#timer.start(deadline - performance.now(), () => {
      this.#firesAt = Number.POSITIVE_INFINITY;
      this.watch(this.#onDue());
    });
  }

  stop(): void {
    this.#firesAt = Number.POSITIVE_INFINITY;
    this.#timer.stop();
  }
}
