import { describe, expect, test } from "vitest";
import { json } from "../../../src/index.ts";
import {
  advance,
  createConn,
  isSettled,
  openConn,
  record,
  rejection,
  settleMicrotasks,
  useFakeTime,
} from "../../support/conn.ts";

useFakeTime();

describe("a listener", () => {
  test("gets every message, decoded", async () => {
    const { conn, socket } = await openConn({ codec: json<number>() });
    const heard = record(conn, "message");
    socket.message("1");
    socket.message(new TextEncoder().encode("2"));
    expect(heard).toEqual([1, 2]);
    expect(conn.stats.received).toBe(2);
  });

  test("gets what came before it, first and in order", async () => {
    const { conn, socket } = await openConn();
    socket.message("a");
    socket.message("b");
    const heard = record(conn, "message");
    socket.message("c");
    await settleMicrotasks();
    expect(heard).toEqual(["a", "b", "c"]);
  });

  test("for one message leaves the others to whoever comes next", async () => {
    const { conn, socket } = await openConn();
    for (const value of ["a", "b", "c"]) socket.message(value);
    const heard: unknown[] = [];
    conn.on("message", (value) => heard.push(value), { once: true });
    await settleMicrotasks();
    expect(heard).toEqual(["a"]);
    expect(await conn.receive()).toBe("b");
  });

  test("receives bytes as a Uint8Array", async () => {
    const { conn, socket } = await openConn();
    const heard = record(conn, "message");
    socket.message(new Uint8Array([1, 2]));
    expect(heard).toEqual([new Uint8Array([1, 2])]);
  });

  test("gets no message that can't be decoded, and the Conn emits an error", async () => {
    const { conn, socket } = await openConn({ codec: json() });
    const [heard, errors] = [record(conn, "message"), record(conn, "error")];
    for (const text of ["1", "{", "2"]) socket.message(text);
    expect(heard).toEqual([1, 2]);
    expect(errors).toMatchObject([{ code: "unmarshal", payload: "{" }]);
    expect(conn.state).toBe("open");
  });
});

describe("receive()", () => {
  test("waits for the next message", async () => {
    const { conn, net } = createConn();
    const received = conn.receive();
    await settleMicrotasks();
    net.last.open();
    await settleMicrotasks();
    net.last.message("a");
    expect(await received).toBe("a");
  });

  test("is served first in, first out", async () => {
    const { conn, socket } = await openConn();
    socket.message("a");
    const all = Promise.all([conn.receive(), conn.read(), conn.receive()]);
    socket.message("b");
    socket.message("c");
    expect(await all).toEqual(["a", "b", "c"]);
  });

  test("that is aborted loses no message", async () => {
    const { conn, socket } = await openConn();
    const controller = new AbortController();
    const [first, second] = [conn.receive({ signal: controller.signal }), conn.receive()];
    controller.abort("why");
    socket.message("a");
    socket.message("b");
    expect(await rejection(first)).toMatchObject({ code: "aborted", cause: "why" });
    expect([await second, await conn.receive()]).toEqual(["a", "b"]);
  });

  test("with an aborted signal takes nothing", async () => {
    const { conn, socket } = await openConn();
    socket.message("a");
    expect(await rejection(conn.receive({ signal: AbortSignal.abort() }))).toMatchObject({ code: "aborted" });
    expect(await conn.receive()).toBe("a");
  });

  test("keeps its message although its signal is aborted right after", async () => {
    const { conn, socket } = await openConn();
    const controller = new AbortController();
    const received = conn.receive({ signal: controller.signal });
    socket.message("a");
    controller.abort();
    expect(await received).toBe("a");
  });

  test("rejects with what can't be decoded, and the one after it is next", async () => {
    const { conn, socket } = await openConn({ codec: json() });
    const errors = record(conn, "error");
    const [first, second] = [conn.receive(), conn.receive()];
    socket.message("{");
    socket.message("2");
    expect(await rejection(first)).toMatchObject({ code: "unmarshal", payload: "{" });
    expect(await second).toBe(2);
    expect(errors).toMatchObject([{ code: "unmarshal", payload: "{" }]);
  });

  test("sees nothing of a reconnection", async () => {
    const { conn, net, socket } = await openConn();
    const received = conn.receive();
    socket.drop();
    await advance(1_000);
    net.last.open();
    await settleMicrotasks();
    net.last.message("a");
    expect(await received).toBe("a");
  });

  test("reads on after the end what came before it", async () => {
    const { conn, socket } = await openConn();
    socket.message("a");
    socket.message("b");
    socket.drop(1000, "", true);
    expect([await conn.receive(), await conn.receive()]).toEqual(["a", "b"]);
    expect(await rejection(conn.receive())).toMatchObject({ code: "closed" });
  });

  test("rejects when the Conn ends, with why", async () => {
    const { conn, socket } = await openConn();
    const received = conn.receive();
    socket.drop(1008, "why", true);
    const { error } = await conn.closed;
    expect(error).toMatchObject({ code: "closed" });
    expect(await rejection(received)).toBe(error);
  });
});

test("read() gives the payload as it came, past the codec", async () => {
  const { conn, socket } = await openConn({ codec: json() });
  socket.message("{raw");
  socket.message(new Uint8Array([1]));
  expect([await conn.read(), await conn.read()]).toEqual(["{raw", new Uint8Array([1])]);
});

test("receive() does not settle while no message comes", async () => {
  const { conn } = await openConn();
  expect(await isSettled(conn.receive())).toBe(false);
});
