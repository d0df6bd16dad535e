import { test } from "vitest";
import { soak } from "../../support/resume-soak.ts";

// At once, because each waits for its faults most of the time.
test.concurrent.for([
  { seed: 1, ack: "received" },
  { seed: 2, ack: "consumed" },
] as const)(
  "nothing is lost, doubled or out of order over a line that breaks (%o)",
  { timeout: 60_000 },
  async (given, { expect }) => {
    const { wrong, resumed, served, kept, bound } = await soak({ ...given, messages: 1_500, faults: 6 });
    expect(wrong).toEqual([]);
    expect(resumed).toBeGreaterThanOrEqual(3);
    expect(served).toBe(1);
    expect(kept).toBeLessThanOrEqual(bound);
  },
);
