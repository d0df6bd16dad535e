import { expect, test } from "vitest";
import { soak } from "../support/resume-soak.ts";

// To repeat a run, or to try another: SEED=7 npm run soak.
const SEED = Number(process.env.SEED ?? 1);

test.for(["received", "consumed"] as const)(
  "60,000 messages each way arrive exactly once over a line that breaks 60 times, acknowledged when %s",
  { timeout: 900_000 },
  async (ack) => {
    const report = await soak({ seed: SEED, ack, messages: 60_000, faults: 60 });
    const faults = Object.entries(report.faults).map(([name, times]) => `${name} ${times}`);
    console.log(
      `seed ${SEED}, ${ack}: ${faults.join(", ")}; resumed ${report.resumed} times, kept ${report.kept} bytes`,
    );
    expect(report.wrong).toEqual([]);
    expect(Object.values(report.faults).reduce((sum, times) => sum + times, 0)).toBeGreaterThanOrEqual(60);
    expect(report.resumed).toBeGreaterThanOrEqual(30);
    expect(report.served).toBe(1);
    expect(report.kept).toBeLessThanOrEqual(report.bound);
  },
);
