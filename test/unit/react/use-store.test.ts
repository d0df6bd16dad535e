import { createElement, memo, useState } from "react";
import { act } from "react-test-renderer";
import { describe, expect, test, vi } from "vitest";
import { useStore } from "../../../src/react/index.ts";
import { type Store, store } from "../../../src/store/index.ts";
import { liveBytes } from "../../support/heap.ts";
import { FakeSource } from "../store/fake-source.ts";
import { advance, component, render, setUpReact, strict } from "./rendering.ts";

setUpReact();

/** A fourth of what 30,000 messages would take: the rest is the compiler's own. */
const MAX_GROWTH_BYTES = 1024 * 1024;
const messageAt = (second: number, i: number) => `${"-".repeat(100)}${second}.${i}`;

const numbersOf = (source: FakeSource<number>) =>
  store(source, [] as readonly number[], (now, message) => [...now, message]);

const text = (value: unknown) => ({ type: "output", props: {}, children: [JSON.stringify(value)] });

describe("useStore()", () => {
  test("runs without a DOM", () => {
    expect(typeof document).toBe("undefined");
    expect(typeof window).toBe("undefined");
  });

  test("renders the value, and once for the 200 messages of a turn", () => {
    const source = new FakeSource<number>();
    const numbers = numbersOf(source);
    const Shown = component(() => useStore(numbers).length);
    const screen = render(createElement(Shown));
    expect(Shown.renders).toBe(1);
    for (let i = 0; i < 200; i++) source.emit(i);
    advance(0);
    expect(screen.shown).toEqual(text(200));
    expect(Shown.renders).toBe(2);
  });

  test("renders once for each frame with every: 'frame'", () => {
    const source = new FakeSource<number>();
    const sum = store(source, 0, (now, message: number) => now + message, { every: "frame" });
    const Shown = component(() => useStore(sum));
    render(createElement(Shown));
    for (let i = 0; i < 32; i++) {
      source.emit(1);
      advance(1);
    }
    expect(Shown.renders).toBe(3);
  });

  test("does not render when what it selects stays the same", () => {
    const source = new FakeSource<number>();
    const numbers = numbersOf(source);
    const Shown = component(() => useStore(numbers, (all) => all.length > 0));
    const screen = render(createElement(Shown));
    source.emit(1);
    advance(0);
    source.emit(2);
    advance(0);
    expect(screen.shown).toEqual(text(true));
    expect(Shown.renders).toBe(2);
  });

  test("keeps the reference of a selected object that is equal, also when it renders for another reason", () => {
    const source = new FakeSource<number>();
    const numbers = numbersOf(source);
    const parts: unknown[] = [];
    const isEqual = (a: { readonly even: number }, b: { readonly even: number }) => a.even === b.even;
    const Shown = component(() => {
      const part = useStore(numbers, (all) => ({ even: all.filter((n) => n % 2 === 0).length }), isEqual);
      parts.push(part);
      return part;
    });
    const screen = render(createElement(Shown));
    source.emit(1);
    advance(0);
    screen.render(createElement(Shown));
    expect(parts).toHaveLength(2);
    expect(parts[1]).toBe(parts[0]);
    source.emit(2);
    advance(0);
    expect(screen.shown).toEqual(text({ even: 1 }));
    expect(parts[2]).not.toBe(parts[0]);
  });

  test("accepts a selector that makes an object each time, without a render for ever", () => {
    const numbers = numbersOf(new FakeSource<number>());
    const Shown = component(() => useStore(numbers, (all) => ({ count: all.length })));
    expect(render(createElement(Shown)).shown).toEqual(text({ count: 0 }));
    expect(Shown.renders).toBe(1);
  });

  test("uses the selector of the newest render", () => {
    const source = new FakeSource<number>();
    const numbers = numbersOf(source);
    let factor = 1;
    const Shown = component(() => useStore(numbers, (all) => all.length * factor));
    const screen = render(createElement(Shown));
    source.emit(1);
    advance(0);
    factor = 10;
    screen.render(createElement(Shown));
    expect(screen.shown).toEqual(text(10));
    source.emit(1);
    advance(0);
    expect(screen.shown).toEqual(text(20));
  });

  test("follows another store when it is given one, and leaves the first", () => {
    const [a, b] = [new FakeSource<number>(), new FakeSource<number>()];
    const stores: Store<readonly number[]>[] = [numbersOf(a), numbersOf(b)];
    let at = 0;
    const Shown = component(() => useStore(stores[at] as Store<readonly number[]>));
    const screen = render(createElement(Shown));
    at = 1;
    screen.render(createElement(Shown));
    b.emit(7);
    advance(0);
    expect(screen.shown).toEqual(text([7]));
    const before = Shown.renders;
    a.emit(1);
    advance(0);
    expect(Shown.renders).toBe(before);
  });

  test("leaves the store when its component is gone, and listens once under StrictMode", () => {
    const source = new FakeSource<number>();
    const numbers = numbersOf(source);
    let listeners = 0;
    const counted: Store<readonly number[]> = {
      ...numbers,
      onChange(changed) {
        listeners++;
        const off = numbers.onChange(changed);
        return () => {
          listeners--;
          off();
        };
      },
    };
    const Shown = component(() => useStore(counted).length);
    const screen = render(strict(createElement(Shown)));
    expect(listeners).toBe(1);
    screen.unmount();
    expect(listeners).toBe(0);
  });

  test("shows siblings the same value in one commit", () => {
    const source = new FakeSource<number>();
    const numbers = numbersOf(source);
    const commits: string[] = [];
    const Left = memo(component(() => commits.push(`left ${useStore(numbers).length}`)));
    const Right = memo(component(() => commits.push(`right ${useStore(numbers).length}`)));
    render(createElement("main", null, createElement(Left), createElement(Right)));
    commits.length = 0;
    for (const message of [1, 2, 3]) source.emit(message);
    advance(0);
    expect(commits).toEqual(["left 3", "right 3"]);
  });

  test("renders what came between the first render and its effects", () => {
    const source = new FakeSource<number>();
    const numbers = numbersOf(source);
    const Shown = component(() => {
      const { length } = useStore(numbers);
      if (length === 0) {
        source.emit(1);
        vi.advanceTimersByTime(0);
      }
      return length;
    });
    expect(render(createElement(Shown)).shown).toEqual(text(1));
  });

  /** Bytes that remain of 3,000 renders, one a second, each caused by `change`. */
  function growthOf(change: (second: number) => void): number {
    let before = 0;
    for (let second = 1; second <= 3_600; second++) {
      act(() => {
        change(second);
        vi.advanceTimersByTime(1_000);
      });
      if (second === 600) before = liveBytes();
    }
    return liveBytes() - before;
  }

  test("renders once a turn in an hour of traffic, and leaves no more behind than React itself", () => {
    let set: (value: string) => void = () => {};
    const Plain = component(() => {
      const [value, setValue] = useState("");
      set = setValue;
      return value;
    });
    const plain = render(createElement(Plain));
    // React keeps some 300 bytes of each render in development, whatever causes it.
    const own = growthOf((second) => set(messageAt(second, 9)));
    plain.unmount();

    const source = new FakeSource<string>();
    const last = store(source, "", (_now, message: string) => message);
    const Shown = component(() => useStore(last));
    const screen = render(createElement(Shown));
    const growth = growthOf((second) => {
      for (let i = 0; i < 10; i++) source.emit(messageAt(second, i));
    });
    expect(screen.shown).toEqual(text(messageAt(3_600, 9)));
    expect(Shown.renders).toBe(3_601);
    expect(source.listeners).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
    expect(growth - own).toBeLessThan(MAX_GROWTH_BYTES);
  });
});
