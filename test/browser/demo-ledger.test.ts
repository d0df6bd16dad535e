import fc from "fast-check";
import { expect, test } from "vitest";
import { Ledger } from "../../demo/shared/ledger.js";
import { NewestLedger } from "../../demo/shared/newest.js";

function count(numbers: readonly number[]): Ledger {
  const ledger = new Ledger();
  for (const n of numbers) ledger.count(n);
  return ledger;
}

test("counts gaps as lost until they are filled, and repeats as doubled", () => {
  expect(count([1, 2, 5]).figures).toEqual({ received: 3, lost: 2, doubled: 0 });
  expect(count([1, 2, 5, 4]).figures).toEqual({ received: 4, lost: 1, doubled: 0 });
  expect(count([1, 2, 5, 4, 4, 1]).figures).toEqual({ received: 6, lost: 1, doubled: 2 });
  expect(count([3]).figures).toEqual({ received: 1, lost: 2, doubled: 0 });
});

test("counts whatever the order as a look at all numbers does", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 })), (numbers) => {
      const different = new Set(numbers).size;
      const { lost, doubled, received } = count(numbers);
      expect({ lost, doubled, received }).toEqual({
        lost: Math.max(0, ...numbers) - different,
        doubled: numbers.length - different,
        received: numbers.length,
      });
    }),
  );
});

test("refuses numbers that nobody counted up to", () => {
  for (const n of [0, -1, 1.5, Number.NaN, 2 ** 53, 200_000]) expect(() => count([1, n])).toThrow(RangeError);
});

test("counts a skipped state as skipped, and an older one or the same as repeated", () => {
  const ledger = new NewestLedger();
  for (const n of [41, 42, 45, 45, 43, 46]) ledger.count(n, "one");
  expect(ledger).toMatchObject({ shown: 4, skipped: 2, repeated: 2 });
  // Another source begins at its own number: between the two nothing was skipped.
  for (const n of [7, 9]) ledger.count(n, "two");
  expect(ledger).toMatchObject({ shown: 6, skipped: 3, repeated: 2 });
  for (const n of [0, -1, 1.5, Number.NaN]) expect(() => ledger.count(n)).toThrow(RangeError);
});
