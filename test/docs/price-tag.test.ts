// @vitest-environment happy-dom
import { act, createElement, StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { json } from "tautline";
import { fakeServer } from "tautline/testing/fake";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { PriceTag } from "./price-tag.ts";

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
});
afterEach(() => {
  vi.useRealTimers();
});

test("a price tag follows its connection through a drop, and leaves none behind", async () => {
  const server = fakeServer({ codec: json<unknown, number>() });
  const prices: number[] = [];
  const page = document.createElement("div");
  const root = createRoot(page);
  const tag = createElement(PriceTag, {
    symbol: "ROPE",
    options: { WebSocket: server.WebSocket },
    onPrice: (price) => prices.push(price),
  });
  await act(async () => root.render(createElement(StrictMode, null, tag)));
  const connection = await server.next();
  await act(() => vi.advanceTimersByTimeAsync(0));
  expect(page.textContent).toBe("ROPE: open");

  connection.send(12.5);
  await act(() => vi.advanceTimersByTimeAsync(0));
  expect(prices).toEqual([12.5]);

  await act(async () => connection.drop());
  expect(page.textContent).toBe("ROPE: waiting");
  await act(() => vi.advanceTimersByTimeAsync(2_000));
  expect(page.textContent).toBe("ROPE: open");

  await act(async () => root.unmount());
  await vi.advanceTimersByTimeAsync(2_000);
  expect(server.connections.map(({ isOpen }) => isOpen)).toEqual([false, false]);
});
