import { getEventListeners } from "node:events";
import { afterEach, expect, test } from "vitest";
import { createConn, openConn, rejection, settleMicrotasks, useFakeTime } from "../../support/conn.ts";

useFakeTime();

const warnings: string[] = [];
const onWarning = (warning: Error) => warnings.push(warning.name);
process.on("warning", onWarning);
afterEach(() => warnings.splice(0));

/** Native listeners that a signal has. */
const count = (signal: AbortSignal) => getEventListeners(signal, "abort").length;

test("a closed Conn leaves nothing on a signal that lives on, whatever it was given for", async () => {
  const { signal } = new AbortController();
  const { conn } = await openConn({ signal });
  conn.on("open", () => {}, { signal });
  conn.on("message", () => {}, { signal, once: true });
  conn.flush({ signal });
  conn.ready({ signal });
  conn.close(1000, "", { signal });
  await conn.closed;
  await settleMicrotasks();
  expect(count(signal)).toBe(0);
});

test("pulls and iterations of a closed Conn leave nothing on a signal that lives on", async () => {
  const { signal } = new AbortController();
  const { conn } = await openConn();
  const pull = conn.receive({ signal });
  const iterator = conn[Symbol.asyncIterator]();
  const next = iterator.next();
  await conn.close();
  await rejection(pull);
  await next;
  expect(count(signal)).toBe(0);
});

test("any number of Conns and sends on one signal warn of no leak", async () => {
  const { signal } = new AbortController();
  const conns = Array.from({ length: 20 }, () => createConn({ signal, autoConnect: false }).conn);
  for (const conn of conns) for (let n = 0; n < 20; n++) conn.send("x", { signal });
  await settleMicrotasks();
  await new Promise(process.nextTick);
  expect(count(signal)).toBe(1);
  expect(warnings).toEqual([]);
});

test("an abort withdraws every send that was given the signal", async () => {
  const controller = new AbortController();
  const { conn } = createConn({ autoConnect: false });
  const sends = Array.from({ length: 5 }, (_, n) => conn.send(String(n), { signal: controller.signal }));
  conn.send("stays");
  controller.abort("enough");
  for (const send of sends) expect(await rejection(send)).toMatchObject({ code: "aborted", cause: "enough" });
  expect(conn.stats.outbox).toEqual({ messages: 1, bytes: 5 });
});
