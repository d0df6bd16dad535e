import { afterEach, describe, expect, test, vi } from "vitest";
import { requestedDelay } from "../../../src/core/retry-policy.ts";
import { Admission, type AdmissionOptions } from "../../../src/server/admission.ts";
import { thrown } from "../../support/conn.ts";
import { gate } from "./admission-gate.ts";

afterEach(() => {
  vi.useRealTimers();
});

test.each<[name: string, range: string, given: object]>([
  ["perSecond", "a number above 0", { perSecond: 0, burst: 1 }],
  ["perSecond", "a number above 0", { perSecond: Number.POSITIVE_INFINITY, burst: 1 }],
  ["perSecond", "a number above 0", { perSecond: "9", burst: 1 }],
  ["burst", "a number, at least 1", { perSecond: 1, burst: 0.9 }],
  ["burst", "a number, at least 1", { perSecond: 1 }],
])("a bad %s is refused by name, range and value: %s, %o", (name, range, given) => {
  const error = thrown(() => new Admission(given as AdmissionOptions));
  const value = (given as Record<string, unknown>)[name];
  const got = typeof value === "string" ? JSON.stringify(value) : String(value);
  expect(error).toMatchObject({ code: "bad-option", message: `admission.${name} must be ${range}; got ${got}.` });
});

test("an option that does not exist is refused with the name that is spelt most like it", () => {
  expect(thrown(() => new Admission({ perSecnd: 1, burst: 1 } as never))).toMatchObject({
    code: "bad-option",
    message: "admission.perSecnd is not an option: use perSecond.",
  });
});

test("takes the time from performance.now() where no clock is given", () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  const admission = new Admission({ perSecond: 1, burst: 1 });
  expect([admission.ask(), admission.ask()]).toEqual([undefined, { minMs: 1_100, maxMs: 1_150 }]);
  vi.advanceTimersByTime(1_100);
  expect(admission.ask()).toBeUndefined();
});

test("the slot of an empty queue begins when the part of a token that is left has become a whole one", () => {
  const ask = gate({ perSecond: 1, burst: 1.5 });
  expect(ask(0)).toBeUndefined();
  expect(ask(0)?.maxMs).toBe(650);
});

test("admits the burst at once, and no more", () => {
  const ask = gate({ perSecond: 1, burst: 3 });
  expect([ask(0), ask(0), ask(0)]).toEqual([undefined, undefined, undefined]);
  expect(ask(0)).toEqual({ minMs: 1_100, maxMs: 1_150 });
});

test("has the whole burst again after a time of quiet, and no more than that", () => {
  const ask = gate({ perSecond: 10, burst: 3 });
  for (let n = 0; n < 4; n++) ask(0);
  const late = Array.from({ length: 5 }, () => ask(3_600_000));
  expect(late.map((slot) => slot === undefined)).toEqual([true, true, true, false, false]);
});

test("hands out slots in order, each as long as it takes to refuse and admit one", () => {
  const ask = gate({ perSecond: 10, burst: 1 });
  ask(0);
  const slots = Array.from({ length: 4 }, () => ask(0));
  expect(slots.map((slot) => slot?.minMs)).toEqual([250, 355, 460, 565]);
  expect(slots.map((slot) => slot?.maxMs)).toEqual([255, 360, 465, 570]);
});

test("a slot is never sooner than our client obeys", () => {
  const ask = gate({ perSecond: 10_000, burst: 1 });
  ask(0);
  expect(ask(0)).toEqual({ minMs: 250, maxMs: 251 });
});

describe("of 10 a second and a burst of 1, the next is admitted", () => {
  /** Whether a client is admitted at `ms`, after the burst and so many refusals at 0. */
  const isAdmitted = (refusals: number, ms: number) => {
    const ask = gate({ perSecond: 10, burst: 1 });
    for (let n = 0; n <= refusals; n++) ask(0);
    return ask(ms) === undefined;
  };

  test.each([
    [100, 0, "for one token"],
    [150, 10, "for one token, and half of one that ten refusals cost"],
    [1_000, 190, "for ten tokens, because refusals take nine tenths of the rate and no more"],
  ])("after %d ms and no sooner where %d were refused: %s", (ms, refusals) => {
    expect([isAdmitted(refusals, ms - 1), isAdmitted(refusals, ms)]).toEqual([false, true]);
  });
});

test("forgives the refusals that a second of the whole rate does not pay for", () => {
  const ask = gate({ perSecond: 10, burst: 1 });
  for (let n = 0; n < 400; n++) ask(0);
  expect([ask(1_120), ask(1_220)]).toEqual([undefined, undefined]);
});

test("an empty queue begins anew, and not where the last one ended", () => {
  const ask = gate({ perSecond: 10, burst: 1 });
  for (let n = 0; n < 10; n++) ask(0);
  ask(60_000);
  expect(ask(60_000)?.minMs).toBe(250);
});

test("no slot ends later than maxWaitMs, and those that are not in reach share the second half of it", () => {
  const admission = new Admission({ perSecond: 10, burst: 1 }, 2_000, () => 0);
  admission.ask();
  const slots = Array.from({ length: 100 }, () => admission.ask());
  expect(Math.max(...slots.map((slot) => slot?.maxMs ?? 0))).toBe(2_000);
  expect(slots.at(-1)).toEqual({ minMs: 1_000, maxMs: 2_000 });
});

test("the last slot in reach ends a millisecond before maxWaitMs", () => {
  // One token a second: the first slot is from 1,100 to 1,150 ms.
  const second = (maxWaitMs: number) => {
    const ask = gate({ perSecond: 1, burst: 1 }, maxWaitMs);
    ask(0);
    return ask(0);
  };
  expect(second(1_151)).toEqual({ minMs: 1_100, maxMs: 1_150 });
  expect(second(1_150)).toEqual({ minMs: 575, maxMs: 1_150 });
});

test("a maxWaitMs below 500 counts as 500, because no client returns sooner than 250 ms", () => {
  const ask = gate({ perSecond: 1, burst: 1 }, 1);
  expect([ask(0), ask(0)]).toEqual([undefined, { minMs: 250, maxMs: 500 }]);
});

test("slots of clients that never come back go to the next clients that ask", () => {
  const ask = gate({ perSecond: 10, burst: 5 });
  for (let n = 0; n < 200; n++) ask(0);
  const newcomers = Array.from({ length: 10 }, (_, n) => ask(10_000 + n * 100));
  expect(newcomers).toEqual(newcomers.map(() => undefined));
});

test("our client reads every window as it is meant", () => {
  const ask = gate({ perSecond: 1, burst: 1 });
  for (let n = 0; n < 2_000; n++) {
    const slot = ask(0);
    if (!slot) continue;
    expect(requestedDelay({ code: 1013, reason: `retry=${slot.minMs}-${slot.maxMs}`, clean: true })).toEqual([
      slot.minMs,
      slot.maxMs,
    ]);
  }
});
