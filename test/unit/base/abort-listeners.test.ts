import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { addAbortListener } from "../../../src/base/abort-listeners.ts";

test("all listeners of a signal are called once, in order, when it is aborted", () => {
  const controller = new AbortController();
  const called: number[] = [];
  for (const n of [1, 2, 3]) addAbortListener(controller.signal, () => called.push(n));
  controller.abort();
  controller.abort();
  expect(called).toEqual([1, 2, 3]);
});

test("a listener that was removed is not called, and the others are", () => {
  const controller = new AbortController();
  const called: number[] = [];
  const [, removeSecond] = [1, 2, 3].map((n) => addAbortListener(controller.signal, () => called.push(n)));
  removeSecond?.();
  removeSecond?.();
  controller.abort();
  expect(called).toEqual([1, 3]);
});

test("a listener that another one removes during the abort is not called", () => {
  const controller = new AbortController();
  const called: number[] = [];
  addAbortListener(controller.signal, () => removeSecond());
  const removeSecond = addAbortListener(controller.signal, () => called.push(2));
  controller.abort();
  expect(called).toEqual([]);
});

test("the same function can be added twice, and each is removed alone", () => {
  const controller = new AbortController();
  let calls = 0;
  const count = () => calls++;
  addAbortListener(controller.signal, count);
  addAbortListener(controller.signal, count)();
  controller.abort();
  expect(calls).toBe(1);
});

test("a signal has one native listener, however many are added, and none after the last removal", () => {
  const { signal } = new AbortController();
  const removals = Array.from({ length: 100 }, () => addAbortListener(signal, () => {}));
  expect(getEventListeners(signal, "abort")).toHaveLength(1);
  for (const remove of removals) remove();
  expect(getEventListeners(signal, "abort")).toHaveLength(0);
  addAbortListener(signal, () => {});
  expect(getEventListeners(signal, "abort")).toHaveLength(1);
});
