import { runInNewContext } from "node:vm";
import { describe, expect, test, vi } from "vitest";
import { advance, createConn, openConn, record, recordAll, settleMicrotasks, useFakeTime } from "../../support/conn.ts";

useFakeTime();

describe("an abandoned socket", () => {
  test("has no effect: its late events reach no listener", async () => {
    const { conn, net, socket } = await openConn();
    net.answersClose = false;
    await advance(250);
    conn.reconnect();
    await settleMicrotasks();
    net.last.open();
    await settleMicrotasks();
    const [events, heard] = [recordAll(conn), record(conn, "message")];
    socket.onopen?.({});
    socket.onmessage?.({ data: "late" });
    socket.onerror?.({ message: "late" });
    socket.onclose?.({ code: 1008, reason: "late", wasClean: true });
    await settleMicrotasks();
    expect(events).toEqual([]);
    expect(heard).toEqual([]);
    expect(conn.state).toBe("open");
  });

  test("keeps its handlers, so that its late error is handled", async () => {
    const { conn, socket } = await openConn();
    conn.reconnect();
    expect(socket.onerror).toBeTypeOf("function");
    const events = recordAll(conn);
    socket.error();
    await settleMicrotasks();
    expect(events).toEqual([]);
  });

  test("of an attempt that timed out can't open", async () => {
    const { conn, net } = createConn();
    net.answersClose = false;
    await advance(10_000);
    expect(conn.state).toBe("waiting");
    expect(net.last.closedWith).toEqual({});
    net.last.onopen?.({});
    net.last.onclose?.({ code: 1006, reason: "", wasClean: false });
    await settleMicrotasks();
    expect(conn.state).toBe("waiting");
  });

  test("is not awaited: there is another one although its close never ends", async () => {
    const { conn, net, socket } = await openConn();
    net.answersClose = false;
    await advance(250);
    conn.reconnect();
    await settleMicrotasks();
    expect(socket.readyState).toBe(2);
    net.last.open();
    await settleMicrotasks();
    expect(conn.state).toBe("open");
  });

  test("may fail again inside its own close(), as Node 22's does", async () => {
    const { conn, net } = createConn();
    await settleMicrotasks();
    const { last } = net;
    let closes = 0;
    last.close = () => {
      closes++;
      last.onerror?.({ message: "late" });
    };
    const events = recordAll(conn);
    last.onerror?.({ message: "refused" });
    await settleMicrotasks();
    expect(closes).toBeGreaterThan(0);
    expect(events.filter((name) => name === "disconnected")).toHaveLength(1);
    expect(conn.state).toBe("waiting");
  });

  test("of another realm brings bytes, and of React Native an end without wasClean or reason", async () => {
    const { conn, socket } = await openConn();
    const lost = record(conn, "disconnected");
    const pull = conn.receive();
    socket.onmessage?.({ data: runInNewContext("new Uint8Array([1, 2]).buffer") });
    expect(await pull).toEqual(Uint8Array.of(1, 2));
    socket.onclose?.({ code: 1001, reason: null, wasClean: undefined } as never);
    await settleMicrotasks();
    expect(lost).toEqual([{ code: 1001, reason: "", clean: true, wasOpen: true, willRetry: true }]);
  });

  test("says nothing after its close", async () => {
    const { conn, socket } = await openConn();
    socket.drop();
    const events = recordAll(conn);
    socket.drop();
    socket.error();
    expect(events).toEqual([]);
  });
});

describe("the end of a socket", () => {
  test("is an error before open, although no close comes", async () => {
    const { conn, net } = createConn();
    const lost = record(conn, "disconnected");
    await settleMicrotasks();
    net.last.error("refused");
    expect(lost).toMatchObject([{ code: 1006, clean: false, wasOpen: false, willRetry: true }]);
    await advance(1_000);
    expect(net.sockets).toHaveLength(2);
  });

  test("is reported once where error and close both come", async () => {
    const { conn, net } = createConn();
    const events = recordAll(conn);
    await settleMicrotasks();
    net.last.refuse();
    expect(events).toEqual(["idle>connecting", "connecting>waiting", "disconnected", "waiting"]);
  });

  test("is not an error while open: close follows, with the code", async () => {
    const { conn, socket } = await openConn();
    const lost = record(conn, "disconnected");
    socket.error();
    expect(conn.state).toBe("open");
    socket.drop(1011, "why", true);
    expect(lost).toMatchObject([{ code: 1011, reason: "why", clean: true }]);
  });

  test("with Deno's code 0 is 1006", async () => {
    const { conn, socket } = await openConn();
    const lost = record(conn, "disconnected");
    socket.drop(0);
    expect(lost).toMatchObject([{ code: 1006, clean: false }]);
  });

  test("is reported as plain objects", async () => {
    const { conn, socket } = await openConn();
    const [lost, waiting] = [record(conn, "disconnected"), record(conn, "waiting")];
    socket.drop();
    for (const event of [lost[0], waiting[0]]) expect(Object.getPrototypeOf(event)).toBe(Object.prototype);
  });
});

describe("an attempt", () => {
  test("fails when none of the offered protocols is selected", async () => {
    const { conn, net } = createConn({ protocols: "a" });
    const [lost, opens] = [record(conn, "disconnected"), record(conn, "open")];
    await settleMicrotasks();
    net.last.open();
    await advance(100);
    expect(opens).toEqual([]);
    expect(lost).toMatchObject([{ wasOpen: false, willRetry: true, cause: { code: "refused" } }]);
    expect(net.last.closedWith).toEqual({});
  });

  test("fails when a protocol is selected that was not offered", async () => {
    const { conn, net } = createConn({ protocols: ["a", "b"] });
    await settleMicrotasks();
    net.last.open({ protocol: "c" });
    await advance(100);
    expect(conn.state).toBe("waiting");
  });

  test("may end with no answer at all, after connectTimeoutMs", async () => {
    const { conn, net } = createConn({ connectTimeoutMs: 3_000 });
    const lost = record(conn, "disconnected");
    await advance(2_999);
    expect(conn.state).toBe("connecting");
    await advance(1);
    expect(lost).toMatchObject([{ code: 1006, wasOpen: false, cause: { code: "timeout" } }]);
    expect(net.last.closedWith).toEqual({});
  });

  test("fails when the WebSocket class throws", async () => {
    const boom = new Error("boom");
    const WebSocket = class {
      constructor() {
        throw boom;
      }
    };
    const { conn } = createConn({ WebSocket: WebSocket as never });
    const lost = record(conn, "disconnected");
    await settleMicrotasks();
    expect(lost).toMatchObject([{ code: 1006, wasOpen: false, willRetry: true, cause: boom }]);
  });

  test("keeps no two live sockets", async () => {
    const { conn, net } = createConn({ connectTimeoutMs: 1_000 });
    let most = 0;
    net.onDial = () => {
      most = Math.max(most, net.sockets.filter(({ readyState }) => readyState < 2).length);
    };
    for (let i = 0; i < 20; i++) {
      await advance(700);
      if (i % 3 === 0) conn.reconnect();
      else if (net.last.readyState === 0) net.last.open();
    }
    expect(net.sockets.length).toBeGreaterThan(5);
    expect(most).toBe(1);
    await conn.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("sees http: URLs as ws:", async () => {
    const { net } = createConn({}, "https://x.test/path?query");
    await settleMicrotasks();
    expect(net.last.url).toBe("wss://x.test/path?query");
  });
});
