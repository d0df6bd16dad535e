/** A number from 0 up to 1, as `Math.random` gives. */
export type Random = () => number;

/** Numbers that are the same for the same seed: mulberry32, by Tommy Ettinger. */
export function seeded(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

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
