import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { useConn, useMessage, useStatus, useStore } from "../../../src/react/index.ts";
import { status, store } from "../../../src/store/index.ts";
import { FakeSource } from "../store/fake-source.ts";
import { FakeConn } from "./rendering.ts";

beforeEach(() => {
  vi.useFakeTimers();
  FakeConn.reset();
  vi.spyOn(console, "error").mockImplementation((message: unknown) => {
    throw new Error(`React says: ${message}`);
  });
});
afterEach(() => {
  vi.useRealTimers();
});

test("renderToString dials nothing, starts no timer, and shows the initial values", () => {
  const source = new FakeSource<number>();
  const numbers = store(source, [1, 2], (now, message: number) => [...now, message]);
  function Page() {
    const conn = useConn("a", (key) => new FakeConn(key));
    useMessage(conn, () => {});
    const { state, attempt, since } = useStatus(source);
    return createElement("p", null, `${conn} ${useStore(numbers)} ${state} ${attempt} ${since}`);
  }
  expect(renderToString(createElement(Page))).toBe("<p>null 1,2 idle 0 0</p>");
  expect(FakeConn.made).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});

test("renderToString shows the initial values where the source is ahead of them, so that the page's first render fits", () => {
  const source = new FakeSource<number>();
  const numbers = store(source, 0, (_now, message: number) => message);
  source.emit(5);
  vi.runAllTimers();
  source.open();
  expect([numbers.get(), status(source).get().state]).toEqual([5, "open"]);
  const Page = () => createElement("p", null, `${useStore(numbers)} ${useStatus(source).state}`);
  expect(renderToString(createElement(Page))).toBe("<p>0 idle</p>");
});
