import { describe, expect, test } from "vitest";
import { type ConnError, json, type SendOutcome } from "../../../src/index.ts";
import { advance, createConn, openConn, settleMicrotasks, thrown, uncaught, useFakeTime } from "../../support/conn.ts";

useFakeTime();

/** A listener, and the outcomes that it was called with. */
function outcomes() {
  const list: string[] = [];
  const onOutcome = (outcome: SendOutcome, error: ConnError | undefined) =>
    list.push(error ? `${outcome}: ${error.code}` : outcome);
  return { list, onOutcome };
}

describe("onOutcome", () => {
  test("is called within send() when the message is written at once", async () => {
    const { conn } = await openConn();
    const { list, onOutcome } = outcomes();
    conn.send("a", { onOutcome });
    expect(list).toEqual(["written"]);
    await advance(60_000);
    expect(list).toEqual(["written"]);
  });

  test("is called when a message that waited has been written", async () => {
    const { conn, net } = createConn();
    const { list, onOutcome } = outcomes();
    conn.send("a", { onOutcome });
    await settleMicrotasks();
    expect(list).toEqual([]);
    net.last.open();
    await settleMicrotasks();
    expect(list).toEqual(["written"]);
  });

  test.each([
    ["expired", { ttlMs: 50 }],
    ["aborted", { signal: AbortSignal.abort() }],
    ["not-writable", { volatile: true }],
    ["replaced", { key: "k" }],
  ])("says that a message was refused: %s", async (code, options) => {
    const { conn } = createConn();
    const { list, onOutcome } = outcomes();
    conn.send("a", { ...options, onOutcome });
    conn.send("b", { key: "k" });
    await advance(50);
    expect(list).toEqual([`refused: ${code}`]);
  });

  test("says that what waits at the end is refused", async () => {
    const { conn } = createConn();
    const { list, onOutcome } = outcomes();
    conn.send("a", { onOutcome });
    conn.close();
    await advance(3_000);
    expect(list).toEqual(["refused: closed"]);
  });

  test("comes before the events that follow, and after those that came before", async () => {
    const { conn, net } = createConn();
    const list: string[] = [];
    for (const name of ["open", "disconnected"] as const) conn.on(name, () => list.push(name));
    conn.send("a", { onOutcome: (outcome) => list.push(outcome) });
    await settleMicrotasks();
    net.last.open();
    await settleMicrotasks();
    net.last.drop();
    await settleMicrotasks();
    expect(list).toEqual(["open", "written", "disconnected"]);
  });

  test("that throws is reported as uncaught, and the message is on its way", async () => {
    const { conn, socket } = await openConn();
    const list = uncaught();
    const failure = new Error("mine");
    const sent = conn.send("a", {
      onOutcome: () => {
        throw failure;
      },
    });
    await settleMicrotasks();
    expect(list).toEqual([failure]);
    expect(socket.sent).toEqual(["a"]);
    await expect(sent).resolves.toBeUndefined();
  });

  test("may send and close", async () => {
    const { conn, socket } = await openConn();
    conn.send("a", {
      onOutcome: () => {
        conn.send("b");
        conn.close();
      },
    });
    await settleMicrotasks();
    expect(socket.sent).toEqual(["a", "b"]);
    expect(conn.state).toBe("closed");
  });

  test("is not nested: the outcome of a message that it sends comes after it, for any number of messages", async () => {
    const { conn, socket } = await openConn();
    const list: string[] = [];
    let left = 20_000;
    const onOutcome = () => {
      list.push("in");
      if (--left > 0) conn.send("a", { onOutcome });
      list.push("out");
    };
    conn.send("a", { onOutcome });
    expect(list).toEqual(["in", "out"]);
    await settleMicrotasks();
    expect(socket.sent).toHaveLength(20_000);
    expect(list.slice(2, 6)).toEqual(["in", "out", "in", "out"]);
  });

  test("is a function", async () => {
    const { conn } = await openConn();
    expect(thrown(() => conn.send("a", { onOutcome: 5 as never }))).toMatchObject({ code: "bad-option" });
  });
});

describe("trySend()", () => {
  test("writes now, and says so", async () => {
    const { conn, socket } = await openConn({ codec: json() });
    expect(conn.trySend({ a: 1 })).toBe(true);
    expect(socket.sent).toEqual(['{"a":1}']);
    expect(conn.stats).toMatchObject({ sent: 1, outbox: { messages: 0 } });
  });

  test("writes nothing while there is no connection, without an event", async () => {
    const { conn, net } = createConn({ codec: json() });
    const dropped: unknown[] = [];
    conn.on("dropped", (info) => dropped.push(info));
    expect(conn.trySend(1)).toBe(false);
    await settleMicrotasks();
    net.last.open();
    await settleMicrotasks();
    expect(net.last.sent).toEqual([]);
    expect(dropped).toEqual([]);
    expect(conn.trySend(2)).toBe(true);
  });

  test("writes nothing above the high-water mark, or while messages wait", async () => {
    const { conn, socket } = await openConn({ outbox: { highWaterMark: 10 } });
    socket.stall(100);
    expect(conn.trySend("a")).toBe(true);
    expect(conn.trySend("b")).toBe(false);
    conn.send("waits");
    expect(conn.trySend("c")).toBe(false);
    socket.stall(0);
    await advance(1_000);
    expect(socket.sent).toEqual(["a", "waits"]);
    expect(conn.trySend("d")).toBe(true);
  });

  test("writes nothing once the Conn is closing or closed", async () => {
    const { conn, socket } = await openConn();
    socket.stall(100);
    conn.close();
    expect(conn.trySend("a")).toBe(false);
    await advance(5_000);
    expect(conn.trySend("a")).toBe(false);
    expect(socket.sent).toEqual([]);
  });

  test("throws for the caller's own mistakes, whatever the state", () => {
    const { conn } = createConn({ codec: json(), maxSendBytes: 10 });
    expect(thrown(() => conn.trySend(undefined))).toMatchObject({ code: "marshal" });
    expect(thrown(() => conn.trySend("x".repeat(20)))).toMatchObject({ code: "too-large" });
  });
});

describe("tryWrite() and write()", () => {
  test("frame bytes as payloadType says, or as the option says", async () => {
    const { conn, socket } = await openConn();
    const hi = new TextEncoder().encode("hi");
    conn.tryWrite(hi);
    conn.tryWrite(hi, { as: "text" });
    conn.write(hi, { as: "text" });
    conn.payloadType = "text";
    conn.tryWrite(hi);
    conn.write(hi, { as: "binary" });
    expect(socket.sent).toEqual([hi, "hi", "hi", "hi", hi]);
  });

  test("refuse what is no payload, no UTF-8, or no kind of frame", async () => {
    const { conn } = await openConn();
    for (const method of ["tryWrite", "write"] as const) {
      expect(thrown(() => conn[method](5 as never))).toMatchObject({ code: "marshal" });
      expect(thrown(() => conn[method](new Uint8Array([255]), { as: "text" }))).toMatchObject({ code: "marshal" });
      expect(thrown(() => conn[method]("x", { as: "utf8" as never }))).toMatchObject({ code: "bad-option" });
    }
  });
});

describe("bufferedAmount", () => {
  test("is what the connection has not handed to the network, and 0 without one", async () => {
    const { conn, net } = createConn();
    expect(conn.bufferedAmount).toBe(0);
    await settleMicrotasks();
    net.last.open();
    await settleMicrotasks();
    net.last.stall(77);
    expect(conn.bufferedAmount).toBe(77);
    expect(conn.stats.bufferedAmount).toBe(77);
    net.last.drop();
    expect(conn.bufferedAmount).toBe(0);
  });
});

describe("hasSession", () => {
  test("is false without resume", async () => {
    const { conn, socket } = await openConn();
    expect(conn.hasSession).toBe(false);
    socket.drop();
    expect(conn.hasSession).toBe(false);
  });
});
