/** A number from 0 up to 1, as `Math.random` gives. */
export type Random = () => number;

/**
 * Does `work` while `Math.random` draws from `random`: `judge()` in `src/plan.ts` takes no source of its own for the
 * wait inside a server's window.
 */
export function drawingFrom<T>(random: Random, work: () => T): T {
  const real = Math.random;
  Math.random = random;
  try {
    return work();
  } finally {
    Math.random = real;
  }
}
