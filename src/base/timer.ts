/** The longest wait that a platform's timer can hold: a longer one would fire at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;
/** A timer this late means that the machine slept. A throttled background tab wakes once a minute, so that its timers are less late. */
export const SLEEP_MS = 60_000;

/** One timer with one owner. Starting it again restarts it, and stopping is always safe. */
export class Timer {
  #id: ReturnType<typeof setTimeout> | undefined;

  /** Calls `fire` after `ms`. A timer in the background does not keep a Node process alive. */
  start(ms: number, fire: (lateMs: number) => void, background = false): void {
    const due = Date.now() + ms;
    clearTimeout(this.#id);
    this.#id = setTimeout(() => fire(Date.now() - due), Math.min(ms, MAX_TIMER_MS));
    if (background) (this.#id as { unref?(): void }).unref?.();
  }

  stop(): void {
    clearTimeout(this.#id);
    this.#id = undefined;
  }
}
