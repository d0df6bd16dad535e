import { describe, expect, test } from "vitest";
import { bytes, json, text } from "../../../src/index.ts";
import { advance, openConn, record, rejection, settleMicrotasks, useFakeTime } from "../../support/conn.ts";

useFakeTime();

/** Room for two messages of 36 bytes: each weighs 64 more. */
const TWO = 200;
const long = (name: string) => name.repeat(36);

describe("the inbox", () => {
  test("counts what waits, each message with an overhead", async () => {
    const { conn, socket } = await openConn();
    socket.message("é");
    socket.message("");
    expect(conn.stats.inbox).toEqual({ messages: 2, bytes: 2 * 64 + 2 });
    await conn.receive();
    expect(conn.stats.inbox).toEqual({ messages: 1, bytes: 64 });
  });

  test("counts more for a binary message, which has a buffer of its own", async () => {
    const { conn, socket } = await openConn();
    socket.message(Uint8Array.of(1, 2, 3));
    expect(conn.stats.inbox).toEqual({ messages: 1, bytes: 256 + 3 });
    await conn.receive();
    expect(conn.stats.inbox).toEqual({ messages: 0, bytes: 0 });
  });

  test("at its bound ends the Conn by default, and announces what it could not keep", async () => {
    const { conn, socket } = await openConn({ inbox: { maxBytes: TWO } });
    const dropped = record(conn, "dropped");
    for (const name of ["a", "b", "c"]) socket.message(long(name));
    const info = await conn.closed;
    expect(info).toMatchObject({ by: "local", error: { cause: { code: "inbox-full" } } });
    expect(dropped).toMatchObject([{ payload: long("c"), error: { code: "inbox-full" }, direction: "in" }]);
    expect([await conn.receive(), await conn.receive()]).toEqual([long("a"), long("b")]);
    expect(await rejection(conn.receive())).toBe(info.error);
    expect(socket.closedWith).toEqual({ code: 4413 });
  });

  test("at its bound drops the oldest with drop-oldest, announced", async () => {
    const { conn, socket } = await openConn({ inbox: { maxBytes: TWO, overflow: "drop-oldest" } });
    const dropped = record(conn, "dropped");
    for (const name of ["a", "b", "c"]) socket.message(long(name));
    await settleMicrotasks();
    expect(dropped).toMatchObject([{ payload: long("a"), error: { code: "inbox-full" }, direction: "in" }]);
    expect([await conn.receive(), await conn.receive()]).toEqual([long("b"), long("c")]);
    expect(conn.state).toBe("open");
  });

  test("at its bound drops the newest with drop-newest, announced", async () => {
    const { conn, socket } = await openConn({ inbox: { maxBytes: TWO, overflow: "drop-newest" } });
    const dropped = record(conn, "dropped");
    for (const name of ["a", "b", "c"]) socket.message(long(name));
    await settleMicrotasks();
    expect(dropped.map(({ payload }) => payload)).toEqual([long("c")]);
    expect([await conn.receive(), await conn.receive()]).toEqual([long("a"), long("b")]);
  });

  test("with drop-oldest keeps what waits rather than a message that never fits", async () => {
    const { conn, socket } = await openConn({ inbox: { maxBytes: TWO, overflow: "drop-oldest" } });
    const dropped = record(conn, "dropped");
    socket.message("a");
    socket.message("x".repeat(TWO));
    await settleMicrotasks();
    expect(dropped.map(({ payload }) => payload)).toEqual(["x".repeat(TWO)]);
    expect(await conn.receive()).toBe("a");
  });

  test("holds to no bound what somebody waits for", async () => {
    const { conn, socket } = await openConn({ inbox: { maxBytes: 1 } });
    const received = conn.receive();
    socket.message("long");
    expect(await received).toBe("long");
  });

  test("as false throws away what nobody waits for, and counts it", async () => {
    const { conn, socket } = await openConn({ inbox: false });
    socket.message("a");
    const received = conn.receive();
    socket.message("b");
    socket.message("c");
    expect(await received).toBe("b");
    expect(conn.stats).toMatchObject({ received: 3, discarded: 2, inbox: { messages: 0, bytes: 0 } });
  });
});

describe("a message over maxPayloadBytes", () => {
  test("ends the Conn with 1009, by us", async () => {
    const { conn, net, socket } = await openConn({ maxPayloadBytes: 4 });
    expect(conn.maxPayloadBytes).toBe(4);
    const heard = record(conn, "message");
    socket.message("éé");
    socket.message("ééx");
    expect(heard).toEqual(["éé"]);
    expect(await conn.closed).toMatchObject({ code: 1009, by: "local", error: { cause: { code: "too-large" } } });
    expect(socket.closedWith).toEqual({ code: 4009 });
    await advance(60_000);
    expect(net.sockets).toHaveLength(1);
  });

  test("is counted in bytes where it is binary", async () => {
    const { conn, socket } = await openConn({ maxPayloadBytes: 4 });
    socket.message(new Uint8Array(4));
    expect(conn.state).toBe("open");
    socket.message(new Uint8Array(5));
    expect(conn.state).toBe("closed");
  });

  test("ends only the connection where shouldRetry thinks so", async () => {
    const { conn, net, socket } = await openConn({ maxPayloadBytes: 4, shouldRetry: () => true });
    const lost = record(conn, "disconnected");
    socket.message("12345");
    expect(lost).toMatchObject([{ code: 1009, willRetry: true, cause: { code: "too-large" } }]);
    await advance(1_000);
    expect(net.sockets).toHaveLength(2);
  });
});

describe("a codec on a Conn that has another", () => {
  test("sends in its own form", async () => {
    const { conn, socket } = await openConn({ codec: text });
    await json().send(conn, { a: 1 });
    await bytes.send(conn, new Uint8Array([1]));
    await conn.send("plain");
    expect(socket.sent).toEqual(['{"a":1}', new Uint8Array([1]), "plain"]);
  });

  test("passes on what is said of a send", async () => {
    const { conn, socket } = await openConn();
    socket.drop();
    const why = await rejection(json().send(conn, 1, { volatile: true }));
    expect(why).toMatchObject({ code: "not-writable", payload: "1" });
  });

  test("receives in its own form", async () => {
    const { conn, socket } = await openConn({ codec: text });
    socket.message('{"a":1}');
    socket.message("{");
    socket.message("é");
    expect(await json().receive(conn)).toEqual({ a: 1 });
    expect(await rejection(json().receive(conn))).toMatchObject({ code: "unmarshal", payload: "{" });
    expect(await bytes.receive(conn)).toEqual(new TextEncoder().encode("é"));
  });

  test("gives up a receive by its signal", async () => {
    const { conn, socket } = await openConn();
    const controller = new AbortController();
    const received = json().receive(conn, { signal: controller.signal });
    controller.abort("why");
    expect(await rejection(received)).toMatchObject({ code: "aborted", cause: "why" });
    socket.message("1");
    expect(await conn.receive()).toBe("1");
  });

  test("iterates in its own form, skips what it can't decode, and ends with the Conn", async () => {
    const { conn, socket } = await openConn({ codec: text });
    for (const value of ["1", "{", "2"]) socket.message(value);
    socket.drop(1000, "", true);
    const values: unknown[] = [];
    for await (const value of json().messages(conn)) values.push(value);
    expect(values).toEqual([1, 2]);
  });

  test("takes no message for an iteration whose signal is aborted already", async () => {
    const { conn, socket } = await openConn();
    socket.message("1");
    const next = json()
      .messages(conn, { signal: AbortSignal.abort("why") })
      .next();
    expect(await rejection(next)).toMatchObject({ code: "aborted", cause: "why" });
    expect(await conn.receive()).toBe("1");
  });

  test("throws from iteration when its signal is aborted", async () => {
    const { conn } = await openConn();
    const controller = new AbortController();
    const next = json().messages(conn, { signal: controller.signal }).next();
    controller.abort("why");
    expect(await rejection(next)).toMatchObject({ code: "aborted", cause: "why" });
    expect(conn.state).toBe("open");
  });
});
