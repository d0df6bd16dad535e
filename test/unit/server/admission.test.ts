import { afterEach, describe, expect, test, vi } from "vitest";
import { requestedDelay } from "../../../src/core/retry-policy.ts";
import { Admission, type AdmissionOptions, MAX_WAIT_MS, REFUSAL_COST } from "../../../src/server/admission.ts";
import { thrown } from "../../support/conn.ts";
import fc from "../../support/fuzz.ts";

/** An Admission whose clock stands where `atMs` puts it. */
function gate(options: AdmissionOptions, maxWaitMs?: number) {
  let nowMs = 0;
  const admission = new Admission(options, maxWaitMs, () => nowMs);
  return (atMs: number) => {
    nowMs = atMs;
    return admission.ask();
  };
}

afterEach(() => {
  vi.useRealTimers();
});

/** Admissions of a client that asks every `everyMs`, from 0 up to `endMs`. */
function hammer(ask: ReturnType<typeof gate>, everyMs: number, endMs: number): number {
  let admitted = 0;
  for (let ms = 0; ms < endMs; ms += everyMs) if (!ask(ms)) admitted++;
  return admitted;
}

const options = fc.record({
  perSecond: fc.double({ min: 0.1, max: 500, noNaN: true }),
  burst: fc.double({ min: 1, max: 50, noNaN: true }),
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

test("an empty queue begins anew, and not where the last one ended", () => {
  const ask = gate({ perSecond: 10, burst: 1 });
  for (let n = 0; n < 10; n++) ask(0);
  ask(60_000);
  expect(ask(60_000)?.minMs).toBe(250);
});

test("never admits more than burst + perSecond · t in any interval t", () => {
  const gaps = fc.array(fc.nat(200), { maxLength: 200 });
  fc.assert(
    fc.property(options, gaps, ({ perSecond, burst }, waits) => {
      const ask = gate({ perSecond, burst });
      let nowMs = 0;
      const times: number[] = [];
      for (const wait of waits) {
        nowMs += wait;
        if (!ask(nowMs)) times.push(nowMs);
      }
      return times.every((from, first) =>
        times.slice(first).every((to, more) => more + 1 <= burst + (perSecond * (to - from)) / 1_000 + 1e-6),
      );
    }),
  );
});

test("a client that is alone is always admitted", () => {
  fc.assert(
    fc.property(options, fc.array(fc.nat(10_000), { maxLength: 50 }), ({ perSecond, burst }, pauses) => {
      const ask = gate({ perSecond, burst });
      let nowMs = 0;
      // It lasts as long as it takes to earn one admission: whoever comes more often is two clients.
      return pauses.every((pause) => {
        nowMs += pause + Math.ceil(1_001 / perSecond);
        return ask(nowMs) === undefined;
      });
    }),
  );
});

test("a client that came a moment too soon is admitted whenever in its window it returns", () => {
  fc.assert(
    fc.property(options, fc.double({ min: 0, max: 1, noNaN: true }), ({ perSecond, burst }, drawn) => {
      const ask = gate({ perSecond, burst });
      let slot = ask(0);
      while (!slot) slot = ask(0);
      return ask(slot.minMs + drawn * (slot.maxMs - slot.minMs)) === undefined;
    }),
  );
});

test("a crowd of two seconds' work comes back in order, at the rate, and is admitted on its first return", () => {
  const rates = fc.integer({ min: 20, max: 500 });
  fc.assert(
    fc.property(rates, fc.integer({ min: 2, max: 20 }), fc.infiniteStream(fc.nat(100)), (perSecond, burst, draws) => {
      const ask = gate({ perSecond, burst });
      for (let n = 0; n < burst; n++) ask(0);
      const crowd = Array.from({ length: 2 * perSecond }, () => ask(0));
      const returns = crowd.map((slot) => {
        if (!slot) throw new Error("The bucket was not empty.");
        return slot.minMs + (draws.next().value / 100) * (slot.maxMs - slot.minMs);
      });
      const lastMs = 250 + (crowd.length * (1 + REFUSAL_COST) * 1_000) / perSecond;
      expect(crowd.map((slot) => slot?.minMs)).toEqual(crowd.map((slot) => slot?.minMs).sort((a = 0, b = 0) => a - b));
      expect(Math.max(...returns)).toBeLessThanOrEqual(lastMs);
      expect(returns.sort((a, b) => a - b).filter((ms) => ask(ms))).toEqual([]);
    }),
    { numRuns: 30 },
  );
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

describe("one that ignores its slot and hammers", () => {
  const PER_SECOND = 10;

  test("is not let in above the rate", () => {
    expect(hammer(gate({ perSecond: PER_SECOND, burst: 1 }), 20, 60_000)).toBeLessThanOrEqual(1 + 60 * PER_SECOND);
  });

  test("leaves a tenth of the rate for admissions, however hard it hammers", () => {
    const admitted = hammer(gate({ perSecond: PER_SECOND, burst: 1 }), 0.05, 60_000);
    expect(admitted).toBeGreaterThanOrEqual(0.099 * 60 * PER_SECOND);
  });

  test("pushes the next slot back by one slot with each attempt, and never beyond the longest wait", () => {
    const ask = gate({ perSecond: PER_SECOND, burst: 1 });
    let last = 250;
    for (let n = 0; n < 20_000; n++) {
      const slot = ask(0);
      if (!slot) continue;
      expect(slot.minMs).toBeLessThanOrEqual(last + Math.ceil(1_050 / PER_SECOND));
      expect(slot.maxMs).toBeLessThanOrEqual(MAX_WAIT_MS);
      last = slot.minMs;
    }
    expect(ask(0)).toEqual({ minMs: MAX_WAIT_MS / 2, maxMs: MAX_WAIT_MS });
  });

  test("is forgotten soon: two seconds after it the whole rate is admitted again", () => {
    const ask = gate({ perSecond: PER_SECOND, burst: 1 });
    hammer(ask, 0.05, 10_000);
    const after = Array.from({ length: PER_SECOND }, (_, n) => ask(12_000 + n * 100));
    expect(after).toEqual(after.map(() => undefined));
  });

  // A client that comes unasked looks like one that comes in its slot, so that Admission can't prevent this.
  test("gets in before its slot, and costs two of twenty obedient clients their place", () => {
    const ask = gate({ perSecond: PER_SECOND, burst: 2 });
    ask(0);
    ask(0);
    const obedient = Array.from({ length: 20 }, () => ask(0)?.minMs ?? 0);
    const own = ask(0)?.minMs ?? 0;
    const returns = new Set(obedient);
    let isIn = false;
    let displaced = 0;
    for (let ms = 1; ms <= own; ms++) {
      if (returns.has(ms) && ask(ms)) displaced++;
      if (!isIn && ms % 20 === 0) isIn = !ask(ms);
    }
    expect(isIn).toBe(true);
    // One for its own place, one for what it took to refuse it.
    expect(displaced).toBe(2);
  });
});
