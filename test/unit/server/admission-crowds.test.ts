import { describe, expect, test } from "vitest";
import { MAX_WAIT_MS, REFUSAL_COST } from "../../../src/server/admission.ts";
import fc from "../../support/fuzz.ts";
import { gate } from "./admission-gate.ts";

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
