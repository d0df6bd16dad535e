/** The longest wait a platform's timer can hold; a longer one would fire at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** One timer with one owner: starting it again restarts it, stopping is always safe. */
export class Timer {
  #id: ReturnType<typeof setTimeout> | undefined;

  /** Calls `fire` after `ms`. One in the background does not keep a Node process alive. */
  start(ms: number, fire: () => void, background = false): void {
    clearTimeout(this.#id);
    this.#id = setTimeout(fire, Math.min(ms, MAX_TIMER_MS));
    if (background) (this.#id as { unref?(): void }).unref?.();
  }

  stop(): void {
    clearTimeout(this.#id);
    this.#id = undefined;
  }
}
