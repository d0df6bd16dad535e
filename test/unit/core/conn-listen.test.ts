import { expect, test, vi } from "vitest";
import { ConnError } from "../../../src/base/errors.ts";
import {
  advance,
  createConn,
  openConn,
  record,
  recordAll,
  settleMicrotasks,
  uncaught,
  useFakeTime,
} from "../../support/conn.ts";

useFakeTime();

test.for(["state", "disconnected", "waiting"] as const)("a %s listener may close the Conn", async (name) => {
  const { conn, net, socket } = await openConn();
  conn.on(name, () => void conn.close());
  socket.drop();
  expect(await conn.closed).toMatchObject({ code: 1000, by: "local" });
  await advance(60_000);
  expect(net.sockets).toHaveLength(1);
  expect(vi.getTimerCount()).toBe(0);
});

test.for(["state", "disconnected", "waiting"] as const)("a %s listener may reconnect", async (name) => {
  const { conn, net, socket } = await openConn();
  await advance(250);
  conn.on(name, () => conn.reconnect(), { once: true });
  socket.drop();
  await settleMicrotasks();
  expect(conn.state).toBe("connecting");
  expect(net.sockets).toHaveLength(2);
});

test("events that a listener causes are emitted after the event that it received", async () => {
  const { conn, socket } = await openConn();
  await advance(250);
  const events = recordAll(conn);
  conn.on("disconnected", () => conn.reconnect());
  socket.drop();
  expect(events).toEqual(["open>waiting", "disconnected", "waiting", "waiting>connecting"]);
});

test("an open listener may send, behind what waited", async () => {
  const { conn, net } = createConn();
  conn.on("open", () => void conn.send("greeting"));
  conn.send("waited");
  await settleMicrotasks();
  net.last.open();
  await settleMicrotasks();
  expect(net.last.sent).toEqual(["waited", "greeting"]);
});

test("an open listener may close: what waited goes first", async () => {
  const { conn, net } = createConn();
  conn.on("open", () => void conn.close());
  conn.send("waited");
  await settleMicrotasks();
  net.last.open();
  expect(await conn.closed).toMatchObject({ by: "local", code: 1000, unsent: [] });
  expect(net.last.sent).toEqual(["waited"]);
});

test("a message listener may close the Conn", async () => {
  const { conn, net, socket } = await openConn();
  net.answersClose = false;
  const heard = record(conn, "message");
  conn.on("message", () => void conn.close(), { once: true });
  socket.message("a");
  expect(heard).toEqual(["a"]);
  await advance(2_000);
  expect(await conn.closed).toMatchObject({ by: "local" });
});

test("a listener that throws is uncaught; the others run and the connection stays", async () => {
  const errors = uncaught();
  const { conn, socket } = await openConn();
  const boom = new Error("boom");
  conn.on("message", () => {
    throw boom;
  });
  const heard = record(conn, "message");
  socket.message("a");
  socket.message("b");
  await settleMicrotasks();
  expect(heard).toEqual(["a", "b"]);
  expect(errors).toEqual([boom, boom]);
  expect(conn.state).toBe("open");
});

test("on() returns its undo", async () => {
  const { conn, socket } = await openConn();
  const heard: unknown[] = [];
  const off = conn.on("message", (value) => heard.push(value));
  socket.message("a");
  off();
  socket.message("b");
  expect(heard).toEqual(["a"]);
  expect(await conn.receive()).toBe("b");
});

test("on() with once receives one event, although it is emitted again meanwhile", async () => {
  const { conn } = createConn({ autoConnect: false });
  const heard: string[] = [];
  conn.on(
    "state",
    ({ to }) => {
      heard.push(to);
      void conn.close();
    },
    { once: true },
  );
  conn.connect();
  await settleMicrotasks();
  expect(heard).toEqual(["connecting"]);
});

test("on() with a signal receives events until it is aborted", async () => {
  const { conn, socket } = await openConn();
  const controller = new AbortController();
  const heard: unknown[] = [];
  conn.on("message", (value) => heard.push(value), { signal: controller.signal });
  socket.message("a");
  controller.abort();
  socket.message("b");
  expect(heard).toEqual(["a"]);
});

test("a listener added while an event is emitted receives the next one", async () => {
  const { conn, socket } = await openConn();
  const late: unknown[] = [];
  conn.on("message", () => conn.on("message", (value) => late.push(value)), { once: true });
  conn.on("message", () => {});
  socket.message("a");
  socket.message("b");
  expect(late).toEqual(["b"]);
});

test("only a function can listen", async () => {
  const { conn } = await openConn();
  expect(() => conn.on("message", 42 as never)).toThrow(expect.objectContaining({ code: "misuse" }));
});

test("report() emits the error of code that is built on the Conn, and changes nothing else", async () => {
  const { conn } = await openConn();
  const errors = record(conn, "error");
  const events = recordAll(conn);
  const error = new ConnError("provider", "a layer failed");
  conn.report(error);
  expect(errors).toEqual([error]);
  expect(events).toEqual(["error"]);
  expect(conn.state).toBe("open");
});
