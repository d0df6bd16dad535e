import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { turnTime } from "../../../src/socket/turn-clock.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: 1_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

test("the clock is read once for all that one run asks, and again in the next microtask", async () => {
  const read = vi.spyOn(Date, "now");
  expect([turnTime(), turnTime()]).toEqual([1_000, 1_000]);
  expect(read).toHaveBeenCalledTimes(1);
  vi.setSystemTime(1_500);
  expect(turnTime()).toBe(1_000);
  await Promise.resolve();
  expect(turnTime()).toBe(1_500);
  await Promise.resolve();
});
