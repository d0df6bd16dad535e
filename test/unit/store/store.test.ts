import { describe, expect, test, vi } from "vitest";
import { ConnError } from "../../../src/base/errors.ts";
import { type StoreOptions, store } from "../../../src/store/index.ts";
import { uncaught } from "../../support/conn.ts";
import { useFakeTime } from "../../support/fake-time.ts";
import { liveBytes } from "../../support/heap.ts";
import { FakeSource, ReportingSource } from "./fake-source.ts";

/** An eighth of what 60,000 messages would take: the rest is the compiler's own. */
const MAX_GROWTH_BYTES = 1024 * 1024;

useFakeTime();

const append = (now: readonly number[], message: number): readonly number[] => [...now, message];
const collect = (source: FakeSource<number>, options?: StoreOptions) =>
  store(source, [] as readonly number[], append, options);

/** Counts the calls of a listener of `observed`. */
function countChanges(observed: { onChange(changed: () => void): () => void }): { changes: number } {
  const count = { changes: 0 };
  observed.onChange(() => {
    count.changes++;
  });
  return count;
}

describe("a store", () => {
  test("has its initial value until a message comes, and the reduced one from the end of that turn", () => {
    const source = new FakeSource<number>();
    const numbers = collect(source);
    expect(numbers.get()).toEqual([]);
    expect(numbers.get()).toBe(numbers.initial);
    source.emit(1);
    expect(numbers.get()).toBe(numbers.initial);
    vi.runAllTimers();
    expect(numbers.get()).toEqual([1]);
    expect(numbers.get()).toBe(numbers.get());
    expect(numbers.initial).toEqual([]);
  });

  test("changes once for the 200 messages of a turn, in their order", () => {
    const source = new FakeSource<number>();
    const numbers = collect(source);
    const count = countChanges(numbers);
    const messages = Array.from({ length: 200 }, (_, i) => i);
    for (const message of messages) source.emit(message);
    vi.runAllTimers();
    expect(count.changes).toBe(1);
    expect(numbers.get()).toEqual(messages);
  });

  test("changes once for messages with microtasks between them, because a browser runs some after each message", async () => {
    const source = new FakeSource<number>();
    const numbers = collect(source);
    const count = countChanges(numbers);
    for (let i = 0; i < 20; i++) {
      source.emit(i);
      await Promise.resolve();
    }
    vi.runAllTimers();
    expect(count.changes).toBe(1);
  });

  test("does not change for a message that its reducer ignores", () => {
    const source = new FakeSource<number>();
    const even = store(source, 0, (now, message: number) => (message % 2 === 0 ? message : now));
    const count = countChanges(even);
    source.emit(1);
    expect(vi.getTimerCount()).toBe(0);
    source.emit(2);
    source.emit(0);
    vi.runAllTimers();
    expect(count.changes).toBe(0);
  });

  test("has one listener on its source, however many listen to the store", () => {
    const source = new FakeSource<number>();
    const numbers = collect(source);
    expect(source.listeners).toBe(1);
    const offs = [numbers.onChange(() => {}), numbers.subscribe(() => {}), numbers.onChange(() => {})];
    for (const off of offs) off();
    expect(source.listeners).toBe(1);
  });

  test("goes on while no one listens to it", () => {
    const source = new FakeSource<number>();
    const numbers = collect(source);
    numbers.onChange(() => {})();
    source.emit(1);
    vi.runAllTimers();
    expect(numbers.get()).toEqual([1]);
  });

  test("ends with its signal and keeps the last value", () => {
    const source = new FakeSource<number>();
    const { signal, abort } = aborter();
    const numbers = collect(source, { signal });
    source.emit(1);
    abort();
    source.emit(2);
    vi.runAllTimers();
    expect(numbers.get()).toEqual([1]);
  });

  test("keeps its value when its reducer throws, emits an error of the source, and takes the next message", () => {
    const source = new ReportingSource<number>();
    const cause = new TypeError("no such field");
    const sum = store(source, 0, (now, message: number) => {
      if (message < 0) throw cause;
      return now + message;
    });
    for (const message of [1, -1, 2]) source.emit(message);
    vi.runAllTimers();
    expect(sum.get()).toBe(3);
    expect(source.errors).toEqual([expect.any(ConnError)]);
    expect(source.errors[0]).toMatchObject({
      code: "provider",
      message: "A store's reducer failed, so its value stays: TypeError: no such field",
      cause,
    });
  });

  test("reports as uncaught what its reducer throws, where the source emits no errors", async () => {
    const errors = uncaught();
    const source = new FakeSource<number>();
    const numbers = store(source, 7, () => {
      throw new Error("broken");
    });
    source.emit(1);
    await vi.runAllTimersAsync();
    expect(errors).toEqual([expect.objectContaining({ code: "provider" })]);
    expect(numbers.get()).toBe(7);
  });

  test("calls every listener though one throws, and reports the error as uncaught", async () => {
    const errors = uncaught();
    const source = new FakeSource<number>();
    const numbers = collect(source);
    const broken = new Error("listener");
    numbers.onChange(() => {
      throw broken;
    });
    const count = countChanges(numbers);
    source.emit(1);
    await vi.runAllTimersAsync();
    expect(count.changes).toBe(1);
    expect(errors).toEqual([broken]);
  });

  test("lets a listener be removed by another one during a change", () => {
    const source = new FakeSource<number>();
    const numbers = collect(source);
    const calls: string[] = [];
    numbers.onChange(() => {
      calls.push("first");
      off();
    });
    const off = numbers.onChange(() => {
      calls.push("second");
    });
    source.emit(1);
    vi.runAllTimers();
    expect(calls).toEqual(["first"]);
  });

  test("calls a function twice that listens twice, and once after one of them is removed", () => {
    const source = new FakeSource<number>();
    const numbers = collect(source);
    const listener = vi.fn();
    const off = numbers.onChange(listener);
    numbers.onChange(listener);
    source.emit(1);
    vi.runAllTimers();
    expect(listener).toHaveBeenCalledTimes(2);
    off();
    off();
    source.emit(2);
    vi.runAllTimers();
    expect(listener).toHaveBeenCalledTimes(3);
  });
});

function aborter(): { readonly signal: AbortSignal; abort(): void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}

describe("subscribe()", () => {
  test("calls a function at once and after each change, until it is removed", () => {
    const source = new FakeSource<number>();
    const seen: (readonly number[])[] = [];
    const off = collect(source).subscribe((value) => seen.push(value));
    source.emit(1);
    vi.runAllTimers();
    off();
    source.emit(2);
    vi.runAllTimers();
    expect(seen).toEqual([[], [1]]);
  });

  test("calls the next of an observer, and is ended by unsubscribe()", () => {
    const source = new FakeSource<number>();
    const observer = {
      seen: [] as (readonly number[])[],
      next(value: readonly number[]) {
        this.seen.push(value);
      },
    };
    const subscription = collect(source).subscribe(observer);
    source.emit(1);
    vi.runAllTimers();
    subscription.unsubscribe();
    source.emit(2);
    vi.runAllTimers();
    expect(observer.seen).toEqual([[], [1]]);
  });

  test("accepts an observer without next", () => {
    const source = new FakeSource<number>();
    const numbers = collect(source);
    const seen: (readonly number[])[] = [];
    const errors = uncaught();
    numbers.subscribe({});
    numbers.subscribe((value) => seen.push(value));
    source.emit(1);
    vi.runAllTimers();
    expect([seen, errors]).toEqual([[[], [1]], []]);
  });

  test("works without its object, as Svelte calls it", () => {
    const { get, onChange, subscribe } = collect(new FakeSource<number>());
    const seen: unknown[] = [];
    subscribe((value) => seen.push(value))();
    onChange(() => {})();
    expect(seen).toEqual([get()]);
  });

  test("the store is its own observable, under the name that RxJS reads", () => {
    const numbers = collect(new FakeSource<number>());
    const observable = numbers as unknown as Readonly<Record<string | symbol, () => unknown>>;
    expect(observable[Symbol.observable ?? "@@observable"]?.()).toBe(numbers);
  });
});

describe("every", () => {
  const frames: (() => void)[] = [];
  let cancelled = 0;
  const stubFrames = () => {
    frames.length = 0;
    cancelled = 0;
    vi.stubGlobal("requestAnimationFrame", (run: () => void) => frames.push(run));
    vi.stubGlobal("cancelAnimationFrame", () => {
      cancelled++;
    });
  };

  test("a number is the shortest time between two changes, counted from the first message", () => {
    const source = new FakeSource<number>();
    const numbers = collect(source, { every: 100 });
    const count = countChanges(numbers);
    for (let ms = 0; ms < 1_000; ms += 10) {
      source.emit(ms);
      vi.advanceTimersByTime(10);
    }
    expect(count.changes).toBe(10);
    expect(numbers.get()).toHaveLength(100);
  });

  test('"frame" changes in the next frame, once', () => {
    stubFrames();
    const source = new FakeSource<number>();
    const numbers = collect(source, { every: "frame" });
    const count = countChanges(numbers);
    source.emit(1);
    source.emit(2);
    expect(frames).toHaveLength(1);
    expect(count.changes).toBe(0);
    frames[0]?.();
    expect(numbers.get()).toEqual([1, 2]);
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(1_000);
    expect(count.changes).toBe(1);
  });

  test('"frame" changes by a timer while a hidden page has no frames, and leaves no request behind', () => {
    stubFrames();
    const source = new FakeSource<number>();
    const numbers = collect(source, { every: "frame" });
    const count = countChanges(numbers);
    for (let i = 0; i < 10; i++) {
      source.emit(i);
      vi.advanceTimersByTime(200);
    }
    expect(count.changes).toBe(10);
    expect(numbers.get()).toHaveLength(10);
    expect(cancelled).toBe(frames.length);
  });

  test('"frame" is 16 ms where the platform has no frames', () => {
    const source = new FakeSource<number>();
    const numbers = collect(source, { every: "frame" });
    source.emit(1);
    vi.advanceTimersByTime(15);
    expect(numbers.get()).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(numbers.get()).toEqual([1]);
  });
});

describe("an hour of traffic", () => {
  test("leaves no timer, no listener and no growth behind", () => {
    const source = new FakeSource<string>();
    const last = store(source, "", (_now, message: string) => message, { every: 50 });
    const count = countChanges(last);
    const runUntil = (end: number) => {
      for (; second < end; second++) {
        for (let i = 0; i < 20; i++) source.emit(`${"-".repeat(100)}${second}.${i}`);
        last.subscribe(() => {})();
        vi.advanceTimersByTime(1_000);
      }
    };
    let second = 0;
    runUntil(600);
    const before = liveBytes();
    runUntil(3_600);
    expect(liveBytes() - before).toBeLessThan(MAX_GROWTH_BYTES);
    expect(last.get()).toMatch(/-3599\.19$/);
    expect(count.changes).toBe(3_600);
    expect(vi.getTimerCount()).toBe(0);
    expect(source.listeners).toBe(1);
  });
});

describe("bad input", () => {
  const source = new FakeSource<number>();
  const bad: readonly (readonly [name: string, make: () => unknown, code: string, message: RegExp])[] = [
    [
      "no source",
      () => store(null as never, 0, (now) => now),
      "misuse",
      /source of store\(\) must be a Conn, or an object with on\(\); got null/,
    ],
    ["a source without on()", () => store({} as never, 0, (now) => now), "misuse", /with on\(\)/],
    ["no reducer", () => store(source, 0, undefined as never), "misuse", /reducer/],
    [
      "a signal that is none",
      () => store(source, 0, (now) => now, { signal: 5 as never }),
      "bad-option",
      /^signal must/,
    ],
    [
      "an option that is spelt wrong",
      () => store(source, 0, (now) => now, { everi: 5 } as never),
      "bad-option",
      /use every/,
    ],
    ...[0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, "5", "frames", null].map(
      (every) =>
        [
          `every: ${String(every)}`,
          () => store(source, 0, (now) => now, { every: every as never }),
          "bad-option",
          new RegExp(`^every must be "turn", "frame" or milliseconds above 0; got "?${String(every)}"?.$`),
        ] as const,
    ),
  ];

  test.each(bad)("%s is an error with a code", (_name, make, code, message) => {
    expect(make).toThrow(ConnError);
    expect(make).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
  });

  test("adds no listener to the source", () => {
    expect(source.listeners).toBe(0);
  });
});
