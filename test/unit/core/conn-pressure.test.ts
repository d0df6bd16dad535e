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

test("a message that was just written is not dropped by its signal", async () => {
  const { conn, net } = createConn();
  const dropped = record(conn, "dropped");
  const controller = new AbortController();
  conn.on("open", () => controller.abort());
  const sent = conn.send("x", { signal: controller.signal });
  await settleMicrotasks();
  net.last.open();
  await sent;
  expect(net.last.sent).toEqual(["x"]);
  await settleMicrotasks();
  expect(dropped).toEqual([]);
});

test("a message has one outcome, whatever comes together", async () => {
  const { conn } = createConn({ outbox: { maxMessages: 1, overflow: "drop-oldest" } });
  const dropped = record(conn, "dropped");
  const controller = new AbortController();
  const sent = conn.send("x", { signal: controller.signal, ttlMs: 10, key: "k" });
  conn.send("y", { key: "k" });
  controller.abort();
  await advance(10);
  const { unsent } = await conn.close();
  expect(await rejection(sent)).toMatchObject({ code: "replaced" });
  expect(dropped.map(({ payload, error }) => [payload, error.code])).toEqual([
    ["x", "replaced"],
    ["y", "closed"],
  ]);
  expect(unsent).toEqual(["y"]);
});

describe("backpressure", () => {
  test("holds send() while the connection buffers more than the high-water mark", async () => {
    const { conn, socket } = await openConn({ outbox: { highWaterMark: 10 } });
    const drained = record(conn, "drained");
    socket.stall(100);
    const [taken, waits] = [conn.send("a"), conn.send("b")];
    await advance(1_000);
    expect(socket.sent).toEqual(["a"]);
    expect(conn.stats).toMatchObject({ outbox: { messages: 1 }, bufferedAmount: 101 });
    expect(await isSettled(Promise.race([taken, waits]))).toBe(false);
    socket.stall(0);
    await advance(100);
    await Promise.all([taken, waits]);
    expect(socket.sent).toEqual(["a", "b"]);
    expect(drained).toHaveLength(1);
  });

  test("holds again when what waited fills the buffer again", async () => {
    const { conn, socket } = await openConn({ outbox: { highWaterMark: 10 } });
    const drained = record(conn, "drained");
    socket.stall(100);
    for (const value of ["a", "b", "c"]) conn.send(value);
    socket.onSend = () => socket.stall(100);
    for (const count of [2, 3]) {
      socket.stall(0);
      await advance(100);
      expect(socket.sent).toHaveLength(count);
      expect(drained).toEqual([]);
    }
    socket.stall(0);
    await advance(100);
    expect(drained).toHaveLength(1);
  });

  test("that ended with its connection emits no drained", async () => {
    const { conn, socket } = await openConn({ outbox: { highWaterMark: 10 } });
    const drained = record(conn, "drained");
    socket.stall(100);
    conn.send("a");
    socket.drop();
    await advance(100);
    expect(drained).toEqual([]);
  });

  test("ends with the connection: what it took counts as handed over, the rest waits", async () => {
    const { conn, net, socket } = await openConn({ outbox: { highWaterMark: 10 } });
    socket.stall(100);
    const [taken, waits] = [conn.send("a"), conn.send("b")];
    socket.drop();
    expect(await isSettled(taken)).toBe(true);
    expect(await isSettled(waits)).toBe(false);
    await advance(1_000);
    net.last.open();
    await waits;
    expect(net.last.sent).toEqual(["b"]);
  });
});
