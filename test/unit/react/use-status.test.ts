import { createElement } from "react";
import { act } from "react-test-renderer";
import { describe, expect, test, vi } from "vitest";
import { useStatus } from "../../../src/react/index.ts";
import { FakeSource } from "../store/fake-source.ts";
import { component, render, setUpReact, strict } from "./rendering.ts";

setUpReact();

describe("useStatus()", () => {
  test("renders each state, with the retry it waits for", () => {
    vi.setSystemTime(10_000);
    const source = new FakeSource();
    const seen: string[] = [];
    const Shown = component(() => {
      const { state, attempt, retryAt, resumed } = useStatus(source);
      seen.push([state, attempt, retryAt, resumed].join(" "));
    });
    render(createElement(Shown));
    act(() => source.go("connecting"));
    act(() => source.open());
    act(() => source.wait(1, 500));
    act(() => source.go("connecting"));
    act(() => source.open(true));
    expect(seen).toEqual([
      "idle 0  ",
      "connecting 0  ",
      "open 0  false",
      "waiting 1 10500 ",
      "connecting 1  ",
      "open 0  true",
    ]);
  });

  test("shares one store among components and StrictMode's two mounts", () => {
    const source = new FakeSource();
    const A = component(() => useStatus(source).state);
    const B = component(() => useStatus(source).state);
    render(strict(createElement("main", null, createElement(A), createElement(B))));
    expect(source.listeners).toBe(3);
  });

  test("shows an idle Conn where there is none yet, and the Conn once it is there", () => {
    const source = new FakeSource();
    source.state = "open";
    let conn: FakeSource<unknown> | null = null;
    const Shown = component(() => useStatus(conn).state);
    const screen = render(createElement(Shown));
    expect(screen.shown).toMatchObject({ children: ['"idle"'] });
    conn = source;
    screen.render(createElement(Shown));
    expect(screen.shown).toMatchObject({ children: ['"open"'] });
  });
});
