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

describe("the bounds", () => {
  test("refuse a message beyond maxMessages, with the payload", async () => {
    const { conn, net } = createConn({ outbox: { maxMessages: 2 } });
    const dropped = record(conn, "dropped");
    conn.send("a");
    conn.send("b");
    const why = await rejection(conn.send("c"));
    expect(why).toMatchObject({ code: "outbox-full", payload: "c" });
    expect(dropped).toEqual([{ payload: "c", error: why, direction: "out" }]);
    await settleMicrotasks();
    net.last.open();
    await settleMicrotasks();
    expect(net.last.sent).toEqual(["a", "b"]);
  });

  test("refuse a message beyond maxBytes of UTF-8", async () => {
    const { conn } = createConn({ outbox: { maxBytes: 5 } });
    const [first, second, third] = [conn.send("éé"), conn.send("é"), conn.send("x")];
    expect(await rejection(second)).toMatchObject({ code: "outbox-full" });
    expect(await isSettled(Promise.race([first, third]))).toBe(false);
    expect(conn.stats.outbox).toEqual({ messages: 2, bytes: 5 });
  });

  test("have the oldest give way with drop-oldest", async () => {
    const { conn, net } = createConn({ outbox: { maxBytes: 3, overflow: "drop-oldest" } });
    const dropped = record(conn, "dropped");
    const fates = ["a", "b", "c", "dd"].map((value) => conn.send(value));
    expect(await rejection(fates[0] as Promise<void>)).toMatchObject({ code: "outbox-full", payload: "a" });
    expect(dropped.map(({ payload }) => payload)).toEqual(["a", "b"]);
    await settleMicrotasks();
    net.last.open();
    await settleMicrotasks();
    expect(net.last.sent).toEqual(["c", "dd"]);
  });

  test("refuse with drop-oldest what would not fit an empty outbox, and keep the rest", async () => {
    const { conn } = createConn({ outbox: { maxBytes: 3, overflow: "drop-oldest" } });
    conn.send("a");
    expect(await rejection(conn.send("long"))).toMatchObject({ code: "outbox-full", payload: "long" });
    expect(conn.stats.outbox.messages).toBe(1);
  });

  test("do not hold for what the connection takes at once", async () => {
    const { conn, socket } = await openConn({ outbox: { maxBytes: 0, maxMessages: 0 } });
    await conn.send("x");
    expect(socket.sent).toEqual(["x"]);
  });

  test("are free again once a message has left, by whatever way", async () => {
    const { conn, net } = createConn({ outbox: { maxMessages: 1 } });
    const controller = new AbortController();
    conn.send("a", { signal: controller.signal });
    controller.abort();
    conn.send("b", { ttlMs: 10 });
    await advance(10);
    const kept = conn.send("c");
    net.last.open();
    await kept;
    expect(net.last.sent).toEqual(["c"]);
  });
});

describe("ttlMs", () => {
  test("refuses in time what has waited too long", async () => {
    const { conn, net } = createConn();
    const dropped = record(conn, "dropped");
    const sent = conn.send("old", { ttlMs: 100 });
    conn.send("kept");
    await advance(99);
    expect(await isSettled(sent)).toBe(false);
    await advance(1);
    expect(await rejection(sent)).toMatchObject({ code: "expired", payload: "old" });
    expect(dropped).toMatchObject([{ payload: "old", error: { code: "expired" } }]);
    net.last.open();
    await settleMicrotasks();
    expect(net.last.sent).toEqual(["kept"]);
  });

  test("refuses each in its own time, whatever the order", async () => {
    const { conn } = createConn();
    const dropped = record(conn, "dropped");
    for (const ttlMs of [300, 100, 200]) conn.send(String(ttlMs), { ttlMs });
    for (const count of [1, 2, 3]) {
      await advance(100);
      expect(dropped).toHaveLength(count);
    }
    expect(dropped.map(({ payload }) => payload)).toEqual(["100", "200", "300"]);
  });

  test("means nothing to a message that is written", async () => {
    const { conn, socket } = await openConn({ outbox: { highWaterMark: 10 } });
    const dropped = record(conn, "dropped");
    socket.stall(100);
    const sent = conn.send("x", { ttlMs: 10 });
    await advance(1_000);
    socket.stall(0);
    await advance(100);
    await expect(sent).resolves.toBeUndefined();
    expect(dropped).toEqual([]);
  });

  test("may be longer than a platform's timer holds", async () => {
    const { conn } = createConn({ autoConnect: false });
    const sent = conn.send("x", { ttlMs: 2 ** 40 });
    await advance(1_000_000);
    expect(await isSettled(sent)).toBe(false);
  });
});

describe("key", () => {
  test("has a later message replace the one that waits", async () => {
    const { conn, net } = createConn();
    const dropped = record(conn, "dropped");
    const [first] = [conn.send("1", { key: "k" }), conn.send("other", { key: "o" }), conn.send("2", { key: "k" })];
    expect(await rejection(first)).toMatchObject({ code: "replaced", payload: "1" });
    expect(dropped).toMatchObject([{ payload: "1", error: { code: "replaced" } }]);
    await settleMicrotasks();
    net.last.open();
    await settleMicrotasks();
    expect(net.last.sent).toEqual(["other", "2"]);
  });

  test("makes room in a full outbox", async () => {
    const { conn, net } = createConn({ outbox: { maxMessages: 1 } });
    conn.send("1", { key: "k" });
    const kept = conn.send("2", { key: "k" });
    await settleMicrotasks();
    net.last.open();
    await kept;
    expect(net.last.sent).toEqual(["2"]);
  });

  test("does not replace what is written", async () => {
    const { conn, socket } = await openConn();
    await conn.send("1", { key: "k" });
    await conn.send("2", { key: "k" });
    expect(socket.sent).toEqual(["1", "2"]);
  });
});

describe("volatile", () => {
  test("is written at once or refused", async () => {
    const { conn, net } = createConn();
    const dropped = record(conn, "dropped");
    expect(await rejection(conn.send("early", { volatile: true }))).toMatchObject({ code: "not-writable" });
    await settleMicrotasks();
    net.last.open();
    await settleMicrotasks();
    await conn.send("now", { volatile: true });
    expect(net.last.sent).toEqual(["now"]);
    expect(dropped).toMatchObject([{ payload: "early", error: { code: "not-writable" } }]);
  });

  test("is refused above the high-water mark", async () => {
    const { conn, socket } = await openConn({ outbox: { highWaterMark: 10 } });
    socket.stall(100);
    conn.send("x");
    expect(await rejection(conn.send("y", { volatile: true }))).toMatchObject({ code: "not-writable" });
    expect(socket.sent).toEqual(["x"]);
  });

  test("is refused by a connection that has died unnoticed", async () => {
    const { conn, net, socket } = await openConn();
    socket.die();
    expect(await rejection(conn.send("x", { volatile: true }))).toMatchObject({ code: "not-writable" });
    socket.drop();
    await advance(1_000);
    net.last.open();
    await settleMicrotasks();
    expect(net.last.sent).toEqual([]);
  });
});

describe("the signal of a send", () => {
  test("takes back what waits", async () => {
    const { conn, net } = createConn();
    const dropped = record(conn, "dropped");
    const controller = new AbortController();
    const sent = conn.send("x", { signal: controller.signal });
    controller.abort("why");
    expect(await rejection(sent)).toMatchObject({ code: "aborted", cause: "why" });
    expect(dropped).toMatchObject([{ payload: "x", error: { code: "aborted", cause: "why" } }]);
    await settleMicrotasks();
    net.last.open();
    await settleMicrotasks();
    expect(net.last.sent).toEqual([]);
  });

  test("that is aborted already refuses, also while open", async () => {
    const { conn, socket } = await openConn();
    expect(await rejection(conn.send("x", { signal: AbortSignal.abort() }))).toMatchObject({ code: "aborted" });
    expect(socket.sent).toEqual([]);
  });

  test("means nothing to a message that is written", async () => {
    const { conn, net } = createConn();
    const dropped = record(conn, "dropped");
    const controller = new AbortController();
    const sent = conn.send("x", { signal: controller.signal });
    await settleMicrotasks();
    net.last.open();
    await sent;
    controller.abort();
    await settleMicrotasks();
    expect(dropped).toEqual([]);
  });
});

test("a message that does not fit leaves the one of its key in place", async () => {
  const { conn } = createConn({ outbox: { maxBytes: 10 } });
  const dropped = record(conn, "dropped");
  conn.send("old", { key: "k" });
  const sent = conn.send("far too long", { key: "k" });
  expect(await rejection(sent)).toMatchObject({ code: "outbox-full" });
  await settleMicrotasks();
  expect(dropped.map(({ payload }) => payload)).toEqual(["far too long"]);
  expect((await conn.close()).unsent).toEqual(["old"]);
});

test("a message that fits in the place of the one of its key takes it", async () => {
  const { conn } = createConn({ outbox: { maxBytes: 4, maxMessages: 1 } });
  conn.send("old", { key: "k" });
  conn.send("new!", { key: "k" });
  expect((await conn.close()).unsent).toEqual(["new!"]);
});

test("empty messages are bounded in number", async () => {
  const { conn } = createConn({ outbox: { maxBytes: 768 * 2_000 } });
  for (let n = 0; n < 2_000; n++) conn.send("");
  expect(conn.stats.outbox.messages).toBe(2_000);
  expect(await rejection(conn.send(""))).toMatchObject({ code: "outbox-full" });
});
