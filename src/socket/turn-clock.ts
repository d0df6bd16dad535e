/** The time of this turn in milliseconds of `Date.now()`; 0 until something asks. */
let time = 0;

/**
 * Returns `Date.now()`, read once for all that one synchronous run asks, such as the messages of one read from the network.
 * A clock read takes a tenth of the time of a small message (`npm run bench -- --only down`).
 */
export function turnTime(): number {
  if (time === 0) {
    time = Date.now();
    queueMicrotask(forget);
  }
  return time;
}

function forget(): void {
  time = 0;
}
