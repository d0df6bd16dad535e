import { expect } from "vitest";

/** The numbers that one connection took from its sender: from the first to before the second. */
export type Took = readonly [from: number, to: number];

/**
 * Numbers went out over several connections, one after the other: they arrive in order, none twice, and what is missing
 * is the last that a connection took before it was lost. If it ended `well`, the last connection loses none.
 */
export function expectTruth(took: readonly Took[], heard: readonly number[], well: boolean): void {
  const arrived = new Set(heard);
  expect(arrived.size, "none arrives twice").toBe(heard.length);
  expect(heard, "none overtakes another").toEqual([...heard].sort((a, b) => a - b));
  let next = 0;
  for (const [i, [from, to]] of took.entries()) {
    expect(from, "each is taken by one connection").toBe(next);
    next = to;
    const missing = Array.from({ length: to - from }, (_, n) => from + n).filter((n) => !arrived.has(n));
    const first = well && i === took.length - 1 ? to : (missing[0] ?? to);
    expect(missing, `what is lost of ${from} to ${to} is its end`).toEqual(
      Array.from({ length: Math.max(0, to - first) }, (_, n) => first + n),
    );
  }
  expect(heard.at(-1) ?? -1, "nothing is made up").toBeLessThan(next);
}
