import { Timer } from "../base/timer.ts";

/** Something that waits until it can write again. */
export interface Draining {
  readonly isWritable: boolean;
  onWritable(): void;
}

/** Milliseconds between two checks of connections that are full. */
const POLL_MS = 10;

/**
 * Calls clients that wait when their connections can take more. One timer checks all of them, because a Conn reports only
 * that it is below its own high-water mark, which is higher than the hub's.
 */
export class DrainWatch {
  readonly #waiting = new Set<Draining>();
  readonly #timer = new Timer();
  #isSoon = false;

  add(one: Draining): void {
    this.#waiting.add(one);
    if (this.#isSoon) return;
    this.#isSoon = true;
    // Once right after this turn, because most of what fills a connection leaves it at the end of the turn.
    this.#timer.start(0, () => this.#look());
  }

  delete(one: Draining): void {
    this.#waiting.delete(one);
  }

  stop(): void {
    this.#waiting.clear();
    this.#timer.stop();
  }

  #look(): void {
    this.#isSoon = false;
    for (const one of [...this.#waiting]) {
      if (!one.isWritable) continue;
      this.#waiting.delete(one);
      one.onWritable();
    }
    // Not where a client waits again, because add() has started the timer then.
    if (this.#waiting.size > 0 && !this.#isSoon) this.#timer.start(POLL_MS, () => this.#look(), true);
  }
}
