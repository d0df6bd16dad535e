import { afterEach, beforeEach, vi } from "vitest";

/** Runs each test of a file in fake time. */
export function useFakeTime(): void {
  beforeEach(() => {
    vi.useFakeTimers();
    // A process that has just started is a special case that real ones never see.
    vi.advanceTimersByTime(1_000);
  });
  afterEach(() => {
    vi.useRealTimers();
  });
}

/** Lets `ms` pass, and everything happen that needs no more time. */
export async function advance(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

/** Lets everything happen that needs no time. */
export const settleMicrotasks = (): Promise<void> => advance(0);

/** The clock of a Conn, for `vi.useFakeTimers()`. Sockets that are real need the other timers of Node. */
export const CONN_CLOCK: Parameters<typeof vi.useFakeTimers>[0] = {
  toFake: ["setTimeout", "clearTimeout", "performance"],
};
