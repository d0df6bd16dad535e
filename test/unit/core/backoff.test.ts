import { expect, test, vi } from "vitest";
import { exponential } from "../../../src/index.ts";
import { thrown } from "../../support/conn.ts";
import fc from "../../support/fuzz.ts";

test("stays below the ceiling however late the retry", () => {
  const wait = exponential({ firstMs: 100, maxMs: 500, random: () => 1 });
  expect([1, 2, 3, 4, 2000].map(wait)).toEqual([100, 200, 400, 500, 500]);
});

test("is bounded by 1 s, doubled up to 30 s, by default", () => {
  const wait = exponential({ random: () => 1 });
  expect([1, 2, 3, 4, 5, 6, 7].map(wait)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
});

test("grows by the factor given", () => {
  const wait = exponential({ firstMs: 1, factor: 3, random: () => 1 });
  expect([1, 2, 3].map(wait)).toEqual([1, 3, 9]);
});

test("draws at call time, after the cap, over the whole bound", () => {
  const draws = [0, 0.5, 0.25];
  const wait = exponential({ maxMs: 1_000, random: () => draws.shift() ?? 1 });
  expect([wait(100), wait(100), wait(100)]).toEqual([0, 500, 250]);
});

test("draws from Math.random by default", () => {
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  expect(exponential()(1)).toBe(500);
});

test("is within [0, maxMs] for any retry", () => {
  const unit = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e9 }), unit, (n, draw) => {
      const ms = exponential({ random: () => draw })(n);
      return ms >= 0 && ms <= 30_000;
    }),
  );
});

test.for([{ firstMs: 0 }, { firstMs: Number.NaN }, { maxMs: -1 }, { factor: 0.5 }, { factor: Number.NaN }])(
  "refuses %o",
  (options) => {
    expect(thrown(() => exponential(options))).toMatchObject({ name: "ConnError", code: "bad-option" });
  },
);

test("a misspelt option is refused with the nearest one", () => {
  expect(() => exponential({ maxMS: 5 } as never)).toThrow("exponential: maxMS is not an option: use maxMs.");
});
