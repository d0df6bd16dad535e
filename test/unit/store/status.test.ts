import { beforeEach, describe, expect, test, vi } from "vitest";
import { ConnError } from "../../../src/base/errors.ts";
import { type Status, status } from "../../../src/store/index.ts";
import { useFakeTime } from "../../support/fake-time.ts";
import { FakeSource } from "./fake-source.ts";

const START = Date.UTC(2026, 0, 1);

useFakeTime();
beforeEach(() => {
  vi.setSystemTime(START);
});

/** The statuses that listeners were shown. */
function record(source: FakeSource<unknown>): Status[] {
  const seen: Status[] = [];
  status(source).subscribe((now) => seen.push(now));
  return seen;
}

describe("status()", () => {
  test("is the same store each time, with three listeners on the Conn", () => {
    const source = new FakeSource();
    expect(status(source)).toBe(status(source));
    expect(source.listeners).toBe(3);
    expect(status(new FakeSource())).not.toBe(status(source));
  });

  test("tells of a first connection, a drop, a wait, a retry and a resumed connection", () => {
    const source = new FakeSource();
    const seen = record(source);
    source.go("connecting");
    vi.advanceTimersByTime(100);
    source.open();
    vi.advanceTimersByTime(900);
    source.wait(1, 500);
    vi.advanceTimersByTime(500);
    source.go("connecting");
    source.wait(2, 1_500);
    vi.advanceTimersByTime(1_500);
    source.go("connecting");
    source.open(true);
    const down = { since: START + 1_000, retryAt: undefined, resumed: undefined };
    expect(seen).toEqual([
      { state: "idle", attempt: 0, retryAt: undefined, since: START, resumed: undefined },
      { state: "connecting", attempt: 0, retryAt: undefined, since: START, resumed: undefined },
      { state: "open", attempt: 0, retryAt: undefined, since: START + 100, resumed: undefined },
      { state: "open", attempt: 0, retryAt: undefined, since: START + 100, resumed: false },
      { ...down, state: "waiting", attempt: 1, retryAt: START + 1_500 },
      { ...down, state: "connecting", attempt: 1 },
      { ...down, state: "waiting", attempt: 2, retryAt: START + 3_000 },
      { ...down, state: "connecting", attempt: 2 },
      { state: "open", attempt: 0, retryAt: undefined, since: START + 3_000, resumed: undefined },
      { state: "open", attempt: 0, retryAt: undefined, since: START + 3_000, resumed: true },
    ]);
  });

  test("forgets the retry when a Conn is idle, closing or closed", () => {
    const source = new FakeSource();
    const now = status(source);
    source.wait(3, 1_000);
    source.go("closed");
    expect(now.get()).toEqual({ state: "closed", attempt: 0, retryAt: undefined, since: START, resumed: undefined });
    source.open(true);
    source.go("closing");
    expect(now.get()).toMatchObject({ state: "closing", resumed: undefined });
  });

  test("tells of a wait that another one replaces", () => {
    const source = new FakeSource();
    source.wait(1, 5_000);
    const seen = record(source);
    source.wait(1, 100);
    expect(seen.map(({ retryAt }) => retryAt)).toEqual([START + 5_000, START + 100]);
  });

  test("has no retryAt for a wait without end, such as that of a page that is put away", () => {
    const source = new FakeSource();
    source.wait(0, Number.POSITIVE_INFINITY);
    expect(status(source).get()).toMatchObject({ state: "waiting", retryAt: undefined });
    source.wait(0, Number.POSITIVE_INFINITY);
    expect(status(source).get()).toMatchObject({ state: "waiting", retryAt: undefined });
  });

  test("reads the wait of a Conn that says what it waits for, also where it began before", () => {
    const source = new FakeSource();
    source.state = "waiting";
    source.waiting = { attempt: 4, retryAt: START + 7_000 };
    expect(status(source).get()).toMatchObject({ state: "waiting", attempt: 4, retryAt: START + 7_000 });
    source.go("connecting");
    expect(status(source).get()).toMatchObject({ state: "connecting", attempt: 4, retryAt: undefined });
  });

  test("says of a Conn that was open before that it is, and not whether it was resumed", () => {
    const source = new FakeSource();
    source.open(true);
    expect(status(source).get()).toEqual({
      state: "open",
      attempt: 0,
      retryAt: undefined,
      since: START,
      resumed: undefined,
    });
  });

  test("is true before the event is emitted, and still calls its listeners then", () => {
    const source = new FakeSource();
    const now = status(source);
    const changed = vi.fn();
    now.onChange(changed);
    source.state = "connecting";
    expect(now.get().state).toBe("connecting");
    expect(changed).not.toHaveBeenCalled();
    source.go("connecting");
    expect(changed).toHaveBeenCalledTimes(1);
    source.go("connecting");
    expect(changed).toHaveBeenCalledTimes(1);
  });

  test("is the same reference until something changes", () => {
    const source = new FakeSource();
    const now = status(source);
    const before = now.get();
    vi.advanceTimersByTime(5_000);
    expect(now.get()).toBe(before);
  });

  test("has a constant initial value, so that the HTML of a server fits at any time", () => {
    const source = new FakeSource();
    source.open();
    expect(status(source).initial).toEqual({
      state: "idle",
      attempt: 0,
      retryAt: undefined,
      since: 0,
      resumed: undefined,
    });
    expect(status(source).initial).toBe(status(new FakeSource()).initial);
  });

  test("refuses what is no Conn", () => {
    for (const wrong of [null, undefined, {}, "conn"]) {
      const call = () => status(wrong as never);
      expect(call).toThrow(ConnError);
      expect(call).toThrow(
        expect.objectContaining({
          code: "misuse",
          message: expect.stringMatching(/^The argument of status\(\) must be a Conn; got \S+/),
        }),
      );
    }
  });
});
