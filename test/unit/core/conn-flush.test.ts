import { describe, expect, test } from "vitest";
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

describe("flush()", () => {
  test("resolves at once when nothing is pending, in any state", async () => {
    const { conn, net } = createConn();
    const states: string[] = [];
    const flushes = async () => {
      states.push(conn.state);
      expect(await isSettled(conn.flush()), conn.state).toBe(true);
    };
    await flushes();
    await flushes();
    net.last.open();
    await conn.send("x");
    await flushes();
    net.last.drop();
    await flushes();
    net.answersClose = false;
    await advance(1_000);
    net.last.open();
    await settleMicrotasks();
    conn.close();
    await flushes();
    await advance(2_000);
    await flushes();
    expect(states).toEqual(["idle", "connecting", "open", "waiting", "closing", "closed"]);
  });

  test("waits until all sent so far is out", async () => {
    const { conn, net } = await openConn();
    net.last.drop();
    conn.send("a");
    const flushed = conn.flush();
    expect(await isSettled(flushed)).toBe(false);
    await advance(1_000);
    net.last.open();
    await flushed;
    expect(net.last.sent).toEqual(["a"]);
  });

  test("waits until the connection has handed its buffer to the network", async () => {
    const { conn, socket } = await openConn();
    socket.stall(1);
    conn.send("x");
    const flushed = conn.flush();
    await advance(1_000);
    expect(await isSettled(flushed)).toBe(false);
    socket.stall(0);
    await advance(1_000);
    expect(await isSettled(flushed)).toBe(true);
  });

  test("resolves when the connection that took all has ended, and waits for nothing sent later", async () => {
    const { conn, socket } = await openConn({ outbox: { highWaterMark: 10 } });
    socket.stall(100);
    conn.send("x");
    const flushed = conn.flush();
    conn.send("later");
    socket.drop();
    expect(await isSettled(flushed)).toBe(true);
    expect(conn.stats.outbox.messages).toBe(1);
  });

  test("rejects with closed when the Conn ends before", async () => {
    const { conn } = createConn();
    conn.send("x");
    const flushed = conn.flush();
    conn.close();
    expect(await rejection(flushed)).toMatchObject({ code: "closed" });
  });

  test("waits for the messages before the newest, where the newest is dropped", async () => {
    const { conn, net } = createConn();
    conn.send("a");
    conn.send("b", { ttlMs: 100 });
    const flushed = conn.flush();
    conn.send("c");
    await advance(1_000);
    expect(await isSettled(flushed)).toBe(false);
    net.last.open();
    await flushed;
    expect(net.last.sent).toEqual(["a", "c"]);
  });

  test("rejects with closed when the Conn ends after the newest message was dropped", async () => {
    const { conn } = createConn();
    conn.send("a");
    conn.send("b", { ttlMs: 100 });
    const flushed = conn.flush();
    await advance(1_000);
    conn.close();
    expect(await rejection(flushed)).toMatchObject({ code: "closed" });
  });

  test("waits for nothing sent later, where all that it covers is dropped", async () => {
    const { conn } = createConn();
    conn.send("a", { key: "k" });
    const flushed = conn.flush();
    conn.send("b", { key: "k" });
    expect(await isSettled(flushed)).toBe(true);
  });

  test("rejects once its signal is aborted, and the message stays", async () => {
    const { conn, net } = createConn();
    const controller = new AbortController();
    conn.send("x");
    const flushed = conn.flush({ signal: controller.signal });
    controller.abort("why");
    expect(await rejection(flushed)).toMatchObject({ code: "aborted", cause: "why" });
    await settleMicrotasks();
    net.last.open();
    await settleMicrotasks();
    expect(net.last.sent).toEqual(["x"]);
  });
});

describe("close()", () => {
  test("sends a burst before the close frame", async () => {
    const { conn, socket } = await openConn();
    const values = Array.from({ length: 1_000 }, (_, i) => `m${i}`);
    for (const value of values) conn.send(value);
    const { unsent } = await conn.close();
    expect(socket.sent).toEqual(values);
    expect(unsent).toEqual([]);
  });

  test("waits for messages above the high-water mark before the close frame", async () => {
    const { conn, socket } = await openConn({ outbox: { highWaterMark: 10 } });
    socket.stall(100);
    conn.send("a");
    conn.send("b");
    const closed = conn.close();
    await advance(100);
    expect(socket.closedWith).toBeUndefined();
    socket.stall(0);
    await advance(100);
    expect(socket.sent).toEqual(["a", "b"]);
    expect(await closed).toMatchObject({ code: 1000, clean: true, unsent: [] });
  });

  test("gives back what no connection took, in order, and refuses it", async () => {
    const { conn } = createConn();
    const dropped = record(conn, "dropped");
    const bytes = new Uint8Array([1]);
    const fates = [conn.send("a"), conn.send(bytes)];
    expect(await conn.close()).toMatchObject({ unsent: ["a", bytes], inDoubt: [] });
    for (const fate of fates) expect(await rejection(fate)).toMatchObject({ code: "closed" });
    expect(dropped).toMatchObject([
      { payload: "a", error: { code: "closed", payload: "a" }, direction: "out" },
      { payload: bytes, error: { code: "closed" }, direction: "out" },
    ]);
  });
});
