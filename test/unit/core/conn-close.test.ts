import { getEventListeners } from "node:events";
import { describe, expect, test, vi } from "vitest";
import type { Conn } from "../../../src/index.ts";
import {
  advance,
  createConn,
  isSettled,
  openConn,
  record,
  recordAll,
  rejection,
  settleMicrotasks,
  thrown,
  useFakeTime,
} from "../../support/conn.ts";
import type { FakeNet } from "../../support/fake-socket.ts";

useFakeTime();

/** A Conn in each state but closed, and how many sockets it has made by then. */
const STATES = {
  idle: async (options: object = {}) => ({ ...createConn({ autoConnect: false, ...options }), dials: 0 }),
  connecting: async (options: object = {}) => {
    const made = createConn(options);
    await settleMicrotasks();
    return { ...made, dials: 1 };
  },
  open: async (options: object = {}) => ({ ...(await openConn(options)), dials: 1 }),
  waiting: async (options: object = {}) => {
    const made = await openConn(options);
    made.socket.drop();
    return { ...made, dials: 1 };
  },
  closing: async (options: object = {}) => {
    const made = await openConn(options);
    made.net.answersClose = false;
    made.conn.close();
    return { ...made, dials: 1 };
  },
} satisfies Record<string, (options?: object) => Promise<{ conn: Conn; net: FakeNet; dials: number }>>;

const NAMES = Object.keys(STATES) as (keyof typeof STATES)[];

describe("close()", () => {
  test.for(NAMES)("ends a Conn that is %s, and leaves no timer", async (name) => {
    const { conn, net, dials } = await STATES[name]();
    expect(conn.state).toBe(name);
    conn.close();
    await advance(2_000);
    expect(conn.state).toBe("closed");
    expect(await conn.closed).toMatchObject({ by: "local", unsent: [], inDoubt: [] });
    expect(vi.getTimerCount()).toBe(0);
    await advance(60_000);
    expect(net.sockets).toHaveLength(dials);
  });

  test.for(["idle", "connecting", "waiting"] as const)("of a Conn that is %s ends it at once", async (name) => {
    const { conn } = await STATES[name]();
    conn.close(4000, "bye");
    expect(conn.state).toBe("closed");
    expect(await conn.closed).toEqual({ code: 4000, reason: "bye", clean: true, by: "local", unsent: [], inDoubt: [] });
  });

  test("in the turn of construction never dials", async () => {
    const { conn, net } = createConn();
    await conn.close();
    await advance(60_000);
    expect(net.sockets).toHaveLength(0);
  });

  test("sends a close frame and reports the peer's answer", async () => {
    const { conn, socket } = await openConn();
    const info = await conn.close(4001, "bye");
    expect(socket.closedWith).toEqual({ code: 4001, reason: "bye" });
    expect(info).toMatchObject({ code: 4001, reason: "bye", clean: true, by: "local" });
    expect(info.error).toBeUndefined();
  });

  test("in setup is not clean: the Conn does not wait for the answer to its close frame", async () => {
    const { conn, net } = createConn({ setup: () => new Promise<never>(() => {}) });
    await settleMicrotasks();
    net.last.open();
    await settleMicrotasks();
    expect(await conn.close(4001, "bye")).toMatchObject({ code: 4001, reason: "bye", clean: false, by: "local" });
    expect(net.last.closedWith).toEqual({ code: 4001, reason: "bye" });
  });

  test("gives the same promise and the same object every time", async () => {
    const { conn } = await openConn();
    const closed = record(conn, "closed");
    const [first, second] = [conn.close(), conn.close(4000)];
    const info = await first;
    expect(await second).toBe(info);
    expect(await conn.closed).toBe(info);
    expect(await conn.close()).toBe(info);
    expect(closed).toEqual([info]);
  });

  test("without an answer ends within closeTimeoutMs, as 1006", async () => {
    const { conn, net } = await openConn({ closeTimeoutMs: 700 });
    net.answersClose = false;
    const closed = conn.close();
    await advance(699);
    expect(conn.state).toBe("closing");
    await advance(1);
    expect(await closed).toMatchObject({ code: 1006, clean: false, by: "local" });
    expect(vi.getTimerCount()).toBe(0);
  });

  test("flushes and sends a close frame within one closeTimeoutMs", async () => {
    const { conn, net, socket } = await openConn({ closeTimeoutMs: 700, outbox: { highWaterMark: 10 } });
    net.answersClose = false;
    socket.stall(1_000);
    conn.send("x");
    conn.close();
    await advance(600);
    expect(socket.closedWith).toBeUndefined();
    socket.stall(0);
    await advance(99);
    expect(socket.closedWith).toEqual({ code: 1000 });
    await advance(1);
    expect(conn.state).toBe("closed");
  });

  test("is hurried by its signal", async () => {
    const { conn, net } = await openConn();
    net.answersClose = false;
    const controller = new AbortController();
    const closed = conn.close(1000, "", { signal: controller.signal });
    expect(await isSettled(closed)).toBe(false);
    controller.abort();
    expect(await closed).toMatchObject({ by: "local", clean: false });
    expect(vi.getTimerCount()).toBe(0);
  });

  test("that the connection cuts short is over all the same", async () => {
    const { conn, net, socket } = await openConn();
    net.answersClose = false;
    const closed = conn.close();
    socket.drop();
    expect(await closed).toMatchObject({ code: 1006, by: "local" });
    await advance(60_000);
    expect(net.sockets).toHaveLength(1);
  });

  test.for([999, 1001, 1005, 1006, 1011, 2999, 5000, 3000.5, Number.NaN])("refuses the code %s", async (code) => {
    const { conn } = await openConn();
    expect(thrown(() => conn.close(code))).toMatchObject({ code: "bad-option" });
    expect(conn.state).toBe("open");
  });

  test.for([1000, 3000, 4999])("says the code %i", async (code) => {
    const { conn, socket } = await openConn();
    await conn.close(code);
    expect(socket.closedWith).toEqual({ code });
  });

  test("cuts a reason at 123 bytes, between characters", async () => {
    const { conn, socket } = await openConn();
    await conn.close(1000, "é".repeat(100));
    expect(socket.closedWith?.reason).toBe("é".repeat(61));
  });

  test("cuts no surrogate pair in two", async () => {
    const { conn, socket } = await openConn();
    await conn.close(1000, `${"x".repeat(121)}😀`);
    expect(socket.closedWith?.reason).toBe("x".repeat(121));
  });

  test("comes of await using, where the runtime knows it", async () => {
    const { conn } = await openConn();
    await conn[Symbol.asyncDispose]();
    expect(conn.state).toBe("closed");
  });

  test("leaves no timer of heartbeat, stability or ttl", async () => {
    const heartbeat = { ping: () => "ping", isPong: (payload: unknown) => payload === "pong" };
    const { conn, socket } = await openConn({ heartbeat, outbox: { highWaterMark: 10 } });
    socket.stall(1_000);
    conn.send("x");
    conn.send("y", { ttlMs: 60_000 });
    conn.close();
    await advance(2_000);
    expect((await conn.closed).unsent).toEqual(["y"]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("the signal", () => {
  test.for(NAMES)("ends a Conn that is %s at once, and leaves no timer", async (name) => {
    const controller = new AbortController();
    const { conn, net, dials } = await STATES[name]({ signal: controller.signal });
    controller.abort("why");
    expect(conn.state).toBe("closed");
    expect(await conn.closed).toMatchObject({ by: "signal", clean: false, error: { code: "aborted", cause: "why" } });
    await settleMicrotasks();
    expect(vi.getTimerCount()).toBe(0);
    await advance(60_000);
    expect(net.sockets).toHaveLength(dials);
  });

  test("aborted before construction ends the Conn before it dials", async () => {
    const { conn, net } = createConn({ signal: AbortSignal.abort("why") });
    expect(await conn.closed).toMatchObject({ by: "signal", error: { cause: "why" } });
    expect(net.sockets).toHaveLength(0);
  });

  const CALLS: Record<string, (conn: Conn) => Promise<unknown>> = {
    send: (conn) => conn.send("x"),
    flush: (conn) => {
      conn.send("x");
      return conn.flush();
    },
    receive: (conn) => conn.receive(),
    read: (conn) => conn.read(),
    ready: (conn) => conn.ready(),
  };

  test.for(Object.keys(CALLS))("rejects a pending %s() with its reason", async (name) => {
    const controller = new AbortController();
    const { conn } = createConn({ signal: controller.signal });
    const call = CALLS[name]?.(conn) as Promise<unknown>;
    controller.abort("why");
    expect(await rejection(call)).toMatchObject({ code: "aborted", cause: "why" });
  });

  test("gives back what was not sent", async () => {
    const controller = new AbortController();
    const { conn } = createConn({ signal: controller.signal });
    conn.send("x");
    controller.abort();
    expect((await conn.closed).unsent).toEqual(["x"]);
  });

  test("is listened to no more once the Conn is closed, nor for calls that have settled", async () => {
    const { signal } = new AbortController();
    const { conn, socket } = await openConn({ signal });
    const calls = [
      conn.send("x", { signal }),
      conn.flush({ signal }),
      conn.receive({ signal }),
      conn.ready({ signal }),
    ];
    socket.message("a");
    await Promise.all(calls);
    await conn.close(1000, "", { signal });
    await settleMicrotasks();
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  test("means nothing to a Conn that is closed", async () => {
    const controller = new AbortController();
    const { conn } = await openConn({ signal: controller.signal });
    await conn.close();
    const events = recordAll(conn);
    controller.abort();
    expect(events).toEqual([]);
    expect(await conn.closed).toMatchObject({ by: "local" });
  });
});
