import fc from "fast-check";
import { expect, test } from "vitest";
import { estimateBytes } from "../../../src/rpc/request-queue.ts";

const NO_LIMIT = Number.POSITIVE_INFINITY;

test("text weighs its length, and everything has an overhead", () => {
  expect(estimateBytes("x".repeat(100), NO_LIMIT)).toBe(116);
  expect(estimateBytes(5, NO_LIMIT)).toBe(8);
  expect(estimateBytes({}, NO_LIMIT)).toBe(64);
});

test("bytes count what they are, without a look at each", () => {
  expect(estimateBytes(new Uint8Array(1_000_000), NO_LIMIT)).toBe(1_000_064);
});

test("a value of any depth is weighed without recursion", () => {
  let deep: unknown = [];
  for (let i = 0; i < 200_000; i++) deep = [deep];
  expect(estimateBytes(deep, NO_LIMIT)).toBeGreaterThan(200_000 * 64);
});

test("weighing stops at the limit, also within one long array or object", () => {
  const long = Array.from({ length: 1_000 }, () => "x".repeat(1_000));
  expect(estimateBytes(long, 5_000)).toBeLessThan(10_000);
  const wide = new Proxy(Object.fromEntries(long.entries()), {
    get(target, key) {
      if (Number(key) > 500) throw new Error("It looked at too many.");
      return target[key as string];
    },
  });
  expect(estimateBytes(wide, 1_000)).toBeLessThan(3_000);
});

test("a value weighs at least a third of its JSON", () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => estimateBytes(value, NO_LIMIT) * 3 >= JSON.stringify(value).length));
});
