import { describe, expect, test } from "vitest";
import { memoryEngine } from "../../../src/hub/memory-engine.ts";
import { advance, settleMicrotasks, useFakeTime } from "../../support/conn.ts";
import { clusterCases, type EngineHarness, engineCases } from "../../support/engine-cases.ts";
import { FakeStore } from "../../support/fake-engine.ts";

useFakeTime();

async function until(isDone: () => boolean): Promise<void> {
  for (let i = 0; i < 50 && !isDone(); i++) await settleMicrotasks();
  expect(isDone()).toBe(true);
}

describe("the memory engine", () => {
  const harness: EngineHarness = {
    nodes: async () => [memoryEngine({ headTtlMs: 60_000 })],
    until,
    outlive: (ttlMs) => advance(ttlMs),
    pass: (ms) => advance(ms),
  };
  test.each(Object.entries(engineCases))("%s", (_name, run) => run(harness));
});

describe("the fake engine without faults", () => {
  const harness: EngineHarness = {
    nodes: async (count) => {
      const store = new FakeStore();
      return Array.from({ length: count }, () => store.engine());
    },
    until,
    outlive: undefined,
    pass: (ms) => advance(ms),
  };
  test.each(Object.entries({ ...engineCases, ...clusterCases }))("%s", (_name, run) => run(harness));
});
