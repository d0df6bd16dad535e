import { createElement, useState } from "react";
import { act } from "react-test-renderer";
import { describe, expect, test } from "vitest";
import { useMessage } from "../../../src/react/index.ts";
import { FakeSource } from "../store/fake-source.ts";
import { component, render, setUpReact, strict } from "./rendering.ts";

setUpReact();

describe("useMessage()", () => {
  test("calls its listener for every message, equal ones too, without a render", () => {
    const source = new FakeSource<number>();
    const seen: number[] = [];
    const Shown = component(() => useMessage(source, (message) => seen.push(message)));
    render(createElement(Shown));
    for (const message of [1, 1, 2]) source.emit(message);
    expect(seen).toEqual([1, 1, 2]);
    expect(Shown.renders).toBe(1);
  });

  test("calls it once under StrictMode", () => {
    const source = new FakeSource<number>();
    const seen: number[] = [];
    const Shown = component(() => useMessage(source, (message) => seen.push(message)));
    render(strict(createElement(Shown)));
    source.emit(1);
    expect(seen).toEqual([1]);
  });

  test("calls the function of the newest render", () => {
    const source = new FakeSource<number>();
    const seen: string[] = [];
    let rename: (name: string) => void = () => {};
    const Shown = component(() => {
      const [name, setName] = useState("old");
      rename = setName;
      useMessage(source, (message) => seen.push(`${name} ${message}`));
    });
    render(createElement(Shown));
    source.emit(1);
    act(() => rename("new"));
    source.emit(2);
    expect(seen).toEqual(["old 1", "new 2"]);
  });

  test("adds one listener to the source for all components, and keeps it, so that nothing piles up in an inbox", () => {
    const source = new FakeSource<number>();
    const seen: string[] = [];
    const A = component(() => useMessage(source, (message) => seen.push(`a ${message}`)));
    const B = component(() => useMessage(source, (message) => seen.push(`b ${message}`)));
    const screen = render(createElement("main", null, createElement(A), createElement(B)));
    source.emit(1);
    screen.render(createElement("main"));
    source.emit(2);
    expect(source.listeners).toBe(1);
    screen.render(createElement("main", null, createElement(A)));
    source.emit(3);
    expect(source.listeners).toBe(1);
    expect(seen).toEqual(["a 1", "b 1", "a 3"]);
  });

  test("follows another source, and does nothing for null", () => {
    const [a, b] = [new FakeSource<number>(), new FakeSource<number>()];
    const seen: number[] = [];
    let source: FakeSource<number> | null = null;
    const Shown = component(() => useMessage(source, (message) => seen.push(message)));
    const screen = render(createElement(Shown));
    for (const next of [a, b]) {
      source = next;
      screen.render(createElement(Shown));
    }
    a.emit(1);
    b.emit(2);
    expect(seen).toEqual([2]);
  });
});
