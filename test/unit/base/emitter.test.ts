import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { Emitter } from "../../../src/base/emitter.ts";
import { settleMicrotasks, uncaught, useFakeTime } from "../../support/conn.ts";

interface Events {
  word: string;
  number: number;
}

useFakeTime();

function heard(emitter: Emitter<Events>): string[] {
  const list: string[] = [];
  emitter.on("word", (word) => list.push(word));
  return list;
}

test("tells each listener of its event, in the order in which they came", () => {
  const emitter = new Emitter<Events>();
  const list: string[] = [];
  emitter.on("word", (word) => list.push(`1 ${word}`));
  emitter.on("word", (word) => list.push(`2 ${word}`));
  emitter.on("number", (number) => list.push(`n ${number}`));
  emitter.emit("word", "a");
  expect(list).toEqual(["1 a", "2 a"]);
});

test("tells a listener that was added twice twice, and undoes one at a time", () => {
  const emitter = new Emitter<Events>();
  const list: string[] = [];
  const listener = (word: string) => list.push(word);
  const off = emitter.on("word", listener);
  emitter.on("word", listener);
  emitter.emit("word", "a");
  off();
  off();
  emitter.emit("word", "b");
  expect(list).toEqual(["a", "a", "b"]);
});

test("tells no listener whose undo was called, though another did it within the telling", () => {
  const emitter = new Emitter<Events>();
  const list: string[] = [];
  const controller = new AbortController();
  emitter.on("word", () => {
    off();
    controller.abort();
  });
  const off = emitter.on("word", (word) => list.push(`1 ${word}`));
  emitter.on("word", (word) => list.push(`2 ${word}`), { signal: controller.signal });
  emitter.on("word", (word) => list.push(`3 ${word}`));
  emitter.emit("word", "a");
  expect(list).toEqual(["3 a"]);
});

test("knows whether anybody listens", () => {
  const emitter = new Emitter<Events>();
  expect(emitter.hasListeners("word")).toBe(false);
  const off = emitter.on("word", () => {});
  expect([emitter.hasListeners("word"), emitter.hasListeners("number")]).toEqual([true, false]);
  off();
  expect(emitter.hasListeners("word")).toBe(false);
});

test("once is once, although the listener emits", () => {
  const emitter = new Emitter<Events>();
  const list: string[] = [];
  emitter.on(
    "word",
    (word) => {
      list.push(word);
      emitter.emit("word", "again");
    },
    { once: true },
  );
  emitter.emit("word", "a");
  emitter.emit("word", "b");
  expect(list).toEqual(["a"]);
});

test("a signal ends the listening; one that is aborted already never starts it", () => {
  const emitter = new Emitter<Events>();
  const controller = new AbortController();
  const list: string[] = [];
  emitter.on("word", (word) => list.push(word), { signal: controller.signal });
  emitter.on("word", (word) => list.push(`never ${word}`), { signal: AbortSignal.abort() });
  emitter.emit("word", "a");
  controller.abort();
  emitter.emit("word", "b");
  expect(list).toEqual(["a"]);
  expect(emitter.hasListeners("word")).toBe(false);
});

test("a listener that throws disturbs neither the others nor the emitter, and is uncaught", async () => {
  const errors = uncaught();
  const emitter = new Emitter<Events>();
  emitter.on("word", () => {
    throw new Error("boom");
  });
  const list = heard(emitter);
  emitter.emit("word", "a");
  expect(list).toEqual(["a"]);
  expect(errors).toEqual([]);
  await settleMicrotasks();
  expect(errors).toMatchObject([{ message: "boom" }]);
});

test("an error event that nobody listens to is neither thrown nor uncaught", async () => {
  const errors = uncaught();
  const emitter = new Emitter<{ error: Error }>();
  emitter.emit("error", new Error("boom"));
  await settleMicrotasks();
  expect(errors).toEqual([]);
});

test("a listener that stops another one during an event is obeyed at the latest for the next", () => {
  const emitter = new Emitter<Events>();
  let off = () => {};
  emitter.on("word", () => off());
  const list: string[] = [];
  off = emitter.on("word", (word) => list.push(word));
  emitter.emit("word", "a");
  emitter.emit("word", "b");
  expect(list).not.toContain("b");
});

test("releaseSignals() removes the listeners that have a signal, and their hold on it", () => {
  const emitter = new Emitter<Events>();
  const { signal } = new AbortController();
  const received: string[] = [];
  emitter.on("word", (word) => received.push(`signalled ${word}`), { signal });
  emitter.on("word", (word) => received.push(word));
  emitter.releaseSignals();
  emitter.emit("word", "a");
  expect(received).toEqual(["a"]);
  expect(getEventListeners(signal, "abort")).toHaveLength(0);
});
