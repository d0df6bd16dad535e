import { expect, test, vi } from "vitest";
import { ConnError } from "../../../src/base/errors.ts";
import { openRig, pass, rig, story, tick, told, uncaught, useFakeTime } from "../../support/conn.ts";

useFakeTime();

test.for(["state", "disconnected", "waiting"] as const)("a %s listener may close the Conn", async (name) => {
  const { conn, net, socket } = await openRig();
  conn.on(name, () => void conn.close());
  socket.drop();
  expect(await conn.closed).toMatchObject({ code: 1000, by: "local" });
  await pass(60_000);
  expect(net.sockets).toHaveLength(1);
  expect(vi.getTimerCount()).toBe(0);
});

test.for(["state", "disconnected", "waiting"] as const)("a %s listener may reconnect", async (name) => {
  const { conn, net, socket } = await openRig();
  await pass(250);
  conn.on(name, () => conn.reconnect(), { once: true });
  socket.drop();
  await tick();
  expect(conn.state).toBe("connecting");
  expect(net.sockets).toHaveLength(2);
});

test("what a listener causes is told after what it was told of", async () => {
  const { conn, socket } = await openRig();
  await pass(250);
  const events = story(conn);
  conn.on("disconnected", () => conn.reconnect());
  socket.drop();
  expect(events).toEqual(["open>waiting", "disconnected", "waiting", "waiting>connecting"]);
});

test("an open listener may send, behind what waited", async () => {
  const { conn, net } = rig();
  conn.on("open", () => void conn.send("greeting"));
  conn.send("waited");
  await tick();
  net.last.open();
  await tick();
  expect(net.last.sent).toEqual(["waited", "greeting"]);
});

test("an open listener may close: what waited goes first", async () => {
  const { conn, net } = rig();
  conn.on("open", () => void conn.close());
  conn.send("waited");
  await tick();
  net.last.open();
  expect(await conn.closed).toMatchObject({ by: "local", code: 1000, unsent: [] });
  expect(net.last.sent).toEqual(["waited"]);
});

test("a message listener may close the Conn", async () => {
  const { conn, net, socket } = await openRig();
  net.answersClose = false;
  const heard = told(conn, "message");
  conn.on("message", () => void conn.close(), { once: true });
  socket.message("a");
  expect(heard).toEqual(["a"]);
  await pass(2_000);
  expect(await conn.closed).toMatchObject({ by: "local" });
});

test("a listener that throws is uncaught; the others run and the connection stays", async () => {
  const errors = uncaught();
  const { conn, socket } = await openRig();
  const boom = new Error("boom");
  conn.on("message", () => {
    throw boom;
  });
  const heard = told(conn, "message");
  socket.message("a");
  socket.message("b");
  await tick();
  expect(heard).toEqual(["a", "b"]);
  expect(errors).toEqual([boom, boom]);
  expect(conn.state).toBe("open");
});

test("on() returns its undo", async () => {
  const { conn, socket } = await openRig();
  const heard: unknown[] = [];
  const off = conn.on("message", (value) => heard.push(value));
  socket.message("a");
  off();
  socket.message("b");
  expect(heard).toEqual(["a"]);
  expect(await conn.receive()).toBe("b");
});

test("on() with once hears one event, although it is emitted again meanwhile", async () => {
  const { conn } = rig({ autoConnect: false });
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
  await tick();
  expect(heard).toEqual(["connecting"]);
});

test("on() with a signal hears until it is aborted", async () => {
  const { conn, socket } = await openRig();
  const controller = new AbortController();
  const heard: unknown[] = [];
  conn.on("message", (value) => heard.push(value), { signal: controller.signal });
  socket.message("a");
  controller.abort();
  socket.message("b");
  expect(heard).toEqual(["a"]);
});

test("a listener added while an event is told hears the next one", async () => {
  const { conn, socket } = await openRig();
  const late: unknown[] = [];
  conn.on("message", () => conn.on("message", (value) => late.push(value)), { once: true });
  conn.on("message", () => {});
  socket.message("a");
  socket.message("b");
  expect(late).toEqual(["b"]);
});

test("only a function can listen", async () => {
  const { conn } = await openRig();
  expect(() => conn.on("message", 42 as never)).toThrow(expect.objectContaining({ code: "misuse" }));
});

test("report() emits the error of code that is built on the Conn, and changes nothing else", async () => {
  const { conn } = await openRig();
  const errors = told(conn, "error");
  const events = story(conn);
  const error = new ConnError("provider", "a layer failed");
  conn.report(error);
  expect(errors).toEqual([error]);
  expect(events).toEqual(["error"]);
  expect(conn.state).toBe("open");
});
