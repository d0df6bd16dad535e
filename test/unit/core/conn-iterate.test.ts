import { describe, expect, test, vi } from "vitest";
import { json, message } from "../../../src/index.ts";
import { advance, openConn, record, rejection, settleMicrotasks, useFakeTime } from "../../support/conn.ts";

useFakeTime();

describe("push and pull", () => {
  test("exclude each other: a pull rejects while a listener is attached", async () => {
    const { conn, socket } = await openConn();
    const off = conn.on("message", () => {});
    for (const pull of [conn.receive(), conn.read(), conn[Symbol.asyncIterator]().next()]) {
      expect(await rejection(pull)).toMatchObject({ code: "misuse" });
    }
    off();
    const received = conn.receive();
    socket.message("a");
    expect(await received).toBe("a");
  });

  test("exclude each other: a listener turns away the pulls that wait", async () => {
    const { conn, socket } = await openConn();
    const received = conn.receive();
    const heard = record(conn, "message");
    socket.message("a");
    expect(await rejection(received)).toMatchObject({ code: "misuse" });
    expect(heard).toEqual(["a"]);
  });
});

describe("iteration", () => {
  test("yields every message and ends after close()", async () => {
    const { conn, socket } = await openConn();
    socket.message("a");
    const values: unknown[] = [];
    const loop = (async () => {
      for await (const value of conn) values.push(value);
    })();
    await settleMicrotasks();
    socket.message("b");
    await settleMicrotasks();
    await conn.close();
    await loop;
    expect(values).toEqual(["a", "b"]);
  });

  test("yields what came before the peer's 1000, then ends", async () => {
    const { conn, socket } = await openConn();
    socket.message("a");
    socket.message("b");
    socket.drop(1000, "", true);
    const values: unknown[] = [];
    for await (const value of conn) values.push(value);
    expect(values).toEqual(["a", "b"]);
  });

  test("throws the error of a Conn that ended by policy", async () => {
    const { conn, socket } = await openConn();
    const next = conn[Symbol.asyncIterator]().next();
    socket.drop(1008, "why", true);
    expect(await rejection(next)).toBe((await conn.closed).error);
  });

  test("throws the signal's reason when it ended the Conn", async () => {
    const controller = new AbortController();
    const { conn } = await openConn({ signal: controller.signal });
    const next = conn[Symbol.asyncIterator]().next();
    controller.abort("why");
    expect(await rejection(next)).toMatchObject({ code: "aborted", cause: "why" });
  });

  test("goes on across a reconnection", async () => {
    const { conn, net, socket } = await openConn();
    const iterator = conn[Symbol.asyncIterator]();
    socket.message("a");
    expect(await iterator.next()).toEqual({ done: false, value: "a" });
    const next = iterator.next();
    socket.drop();
    await advance(1_000);
    net.last.open();
    await settleMicrotasks();
    net.last.message("b");
    expect(await next).toEqual({ done: false, value: "b" });
  });

  test("lets go on break: the Conn stays open, and the next message is for the next receive", async () => {
    const { conn, socket } = await openConn();
    socket.message("a");
    for await (const value of conn) {
      expect(value).toBe("a");
      break;
    }
    expect(conn.state).toBe("open");
    const received = conn.receive();
    socket.message("b");
    expect(await received).toBe("b");
  });

  test("withdraws a pull that waits when it is let go", async () => {
    const { conn, socket } = await openConn();
    const iterator = conn[Symbol.asyncIterator]();
    const next = iterator.next();
    expect(await iterator.return?.()).toEqual({ done: true, value: undefined });
    expect(await next).toEqual({ done: true, value: undefined });
    socket.message("a");
    expect(await conn.receive()).toBe("a");
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
  });

  test("skips messages that can't be decoded, and emits an error for each", async () => {
    const { conn, socket } = await openConn({ codec: json() });
    const errors = record(conn, "error");
    for (const text of ["{", "}", "2"]) socket.message(text);
    expect(await conn[Symbol.asyncIterator]().next()).toEqual({ done: false, value: 2 });
    expect(errors).toMatchObject(["{", "}"].map((payload) => ({ code: "unmarshal", payload })));
  });

  test("by two loops shares the messages, each to one", async () => {
    const { conn, socket } = await openConn();
    const [one, two] = [conn[Symbol.asyncIterator](), conn[Symbol.asyncIterator]()];
    const all = Promise.all([one.next(), two.next(), one.next()]);
    for (const value of ["a", "b", "c"]) socket.message(value);
    expect((await all).map(({ value }) => value)).toEqual(["a", "b", "c"]);
  });
});

test("a loop that ended by throwing leaves no listener on the signal", async () => {
  const controller = new AbortController();
  const added = vi.spyOn(controller.signal, "addEventListener");
  const removed = vi.spyOn(controller.signal, "removeEventListener");
  const { conn, socket } = await openConn();
  const next = message.messages(conn, { signal: controller.signal }).next();
  message.messages(conn, { signal: controller.signal });
  socket.drop(1008, "", true);
  expect(await rejection(next)).toMatchObject({ code: "closed" });
  expect(added).toHaveBeenCalledTimes(1);
  expect(removed).toHaveBeenCalledTimes(1);
});
