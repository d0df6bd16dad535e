import { describe, expect, test, vi } from "vitest";
import type { ConnOptions, HeartbeatOptions, Payload } from "../../../src/index.ts";
import { advance, createConn, openConn, record, recordAll, settleMicrotasks, useFakeTime } from "../../support/conn.ts";
import { FakeLifecycle } from "../../support/fake-lifecycle.ts";
import { usePage } from "../../support/fake-page.ts";

useFakeTime();

const PROBE_MS = 2_000;
const FLOOR_MS = 250;
const STABLE_MS = 5_000;
/** How long a Conn waits for a platform that says it is offline. */
const OFFLINE_MS = 30_000;

const BEAT: HeartbeatOptions = {
  intervalMs: 600_000,
  timeoutMs: 600_000,
  ping: () => "ping",
  isPong: (payload: Payload) => payload === "pong",
};

const DOUBTS = ["online", "visible", "wake"] as const;

/** An open Conn whose connection is stable, so that no timer but a heartbeat's runs. */
async function living(options: ConnOptions = {}) {
  const lifecycle = new FakeLifecycle();
  const all = await openConn({ lifecycle, ...options });
  await advance(STABLE_MS);
  return { ...all, lifecycle };
}

/** The same, once its connection is lost and it waits. */
async function waiting(options: ConnOptions = {}) {
  const all = await living({ backoff: () => 10_000, ...options });
  all.socket.drop();
  return all;
}

describe("a doubt about an open connection with a heartbeat", () => {
  test.for(DOUBTS)("is pinged at once on %s, and stays if it answers", async (signal) => {
    const { conn, net, socket, lifecycle } = await living({ heartbeat: BEAT });
    lifecycle.emit(signal);
    expect(socket.sent).toEqual(["ping"]);
    await advance(PROBE_MS - 1);
    socket.message("pong");
    await advance(60_000);
    expect(conn.state).toBe("open");
    expect(net.sockets).toHaveLength(1);
    expect(socket.sent).toEqual(["ping"]);
  });

  test.for(DOUBTS)("is left 2 s after %s if it stays silent", async (signal) => {
    const { conn, net, socket, lifecycle } = await living({ heartbeat: BEAT });
    const lost = record(conn, "disconnected");
    await advance(60_000);
    lifecycle.emit(signal);
    await advance(PROBE_MS - 1);
    expect(conn.state).toBe("open");
    await advance(1);
    expect(conn.state).toBe("waiting");
    expect(lost).toMatchObject([{ code: 1006, wasOpen: true, willRetry: true, cause: { code: "timeout" } }]);
    expect(socket.closedWith).toEqual({});
    await advance(1_000);
    expect(net.sockets).toHaveLength(2);
  });

  test.for(["a message", "a buffer that empties"])("takes %s as an answer", async (sign) => {
    const { conn, socket, lifecycle } = await living({ heartbeat: BEAT });
    socket.stall(1_000);
    lifecycle.emit("online");
    await advance(1_000);
    if (sign === "a message") socket.message("news");
    else socket.stall(500);
    await advance(60_000);
    expect(conn.state).toBe("open");
  });

  test("is not raised by offline: the word of the platform is a hint", async () => {
    const { conn, socket, lifecycle } = await living({ heartbeat: BEAT });
    lifecycle.emit("offline");
    await advance(60_000);
    expect(socket.sent).toEqual([]);
    expect(conn.state).toBe("open");
  });
});

describe("an open connection that can't be asked", () => {
  test.for(["online", "wake"] as const)("is replaced on %s", async (signal) => {
    const { conn, net, socket, lifecycle } = await living();
    const events = recordAll(conn);
    lifecycle.emit(signal);
    await settleMicrotasks();
    expect(socket.closedWith).toEqual({ code: 4001 });
    expect(net.sockets).toHaveLength(2);
    net.last.open();
    await settleMicrotasks();
    expect(events).toEqual(["open>connecting", "connecting>open", "open"]);
  });

  test.for(["visible", "offline"] as const)("stays on %s", async (signal) => {
    const { conn, net, lifecycle } = await living();
    lifecycle.emit(signal);
    await advance(600_000);
    expect(conn.state).toBe("open");
    expect(net.sockets).toHaveLength(1);
  });

  test("is replaced by a heartbeat that was turned off as well", async () => {
    const { net, lifecycle } = await living({ heartbeat: false });
    lifecycle.emit("online");
    await settleMicrotasks();
    expect(net.sockets).toHaveLength(2);
  });

  test("is replaced without losing or repeating what is sent meanwhile", async () => {
    const { conn, net, socket, lifecycle } = await living();
    conn.send("before");
    await settleMicrotasks();
    lifecycle.emit("online");
    conn.send("meanwhile");
    await settleMicrotasks();
    net.last.open();
    await settleMicrotasks();
    expect([socket.sent, net.last.sent]).toEqual([["before"], ["meanwhile"]]);
  });
});

describe("a wait", () => {
  test.for(DOUBTS)("of the backoff is cut by %s", async (signal) => {
    const { conn, net, lifecycle } = await waiting();
    await advance(3_000);
    expect(net.sockets).toHaveLength(1);
    lifecycle.emit(signal);
    expect(conn.state).toBe("connecting");
    await settleMicrotasks();
    expect(net.sockets).toHaveLength(2);
  });

  test.for(DOUBTS)("for the network is cut by %s", async (signal) => {
    const { conn, net, lifecycle, socket } = await living();
    lifecycle.emit("offline");
    socket.drop();
    await advance(3_000);
    expect(conn.state).toBe("waiting");
    lifecycle.emit(signal);
    await settleMicrotasks();
    expect(net.sockets).toHaveLength(2);
  });

  test.for(DOUBTS)("that a server asked for is not cut by %s", async (signal) => {
    const { conn, net, socket, lifecycle } = await living();
    socket.drop(1013, "retry=20000-20000", true);
    lifecycle.emit(signal);
    await advance(19_999);
    expect(conn.state).toBe("waiting");
    expect(net.sockets).toHaveLength(1);
  });

  test("that a server asked for lasts as long while the platform is offline", async () => {
    const { conn, socket, lifecycle } = await living();
    const waits = record(conn, "waiting");
    lifecycle.emit("offline");
    socket.drop(1013, "retry=40000-40000", true);
    lifecycle.emit("online");
    expect(waits).toMatchObject([{ reason: "server" }]);
    await advance(39_999);
    expect(conn.state).toBe("waiting");
  });

  test.for(DOUBTS)("is not cut by %s until 250 ms after the last dial", async (signal) => {
    const { conn, net, lifecycle } = await waiting();
    const waits = record(conn, "waiting");
    lifecycle.emit(signal);
    await advance(100);
    net.last.refuse();
    for (let i = 0; i < 5; i++) lifecycle.emit(signal);
    await advance(FLOOR_MS - 101);
    expect(net.sockets).toHaveLength(2);
    expect(conn.state).toBe("waiting");
    await advance(1);
    expect(net.sockets).toHaveLength(3);
    expect(waits.slice(0, 2)).toMatchObject([
      { attempt: 2, delayMs: 10_000, reason: "backoff" },
      { attempt: 2, delayMs: FLOOR_MS - 100, reason: "backoff" },
    ]);
  });

  test("is dialed at most every 250 ms by a platform that flaps", async () => {
    const { net, lifecycle } = await waiting();
    net.onDial = (socket) => queueMicrotask(() => socket.refuse());
    for (let ms = 0; ms < 2_500; ms += 10) {
      lifecycle.emit(ms % 20 ? "offline" : "online");
      await advance(10);
    }
    expect(net.sockets.length).toBeGreaterThan(5);
    expect(net.sockets.length).toBeLessThanOrEqual(1 + 1 + 2_500 / FLOOR_MS);
  });

  test("that was cut goes on growing when the attempt fails", async () => {
    const { conn, net, lifecycle, socket } = await living();
    const waits = record(conn, "waiting");
    socket.drop();
    for (let i = 0; i < 3; i++) {
      await advance(FLOOR_MS);
      lifecycle.emit("online");
      await settleMicrotasks();
      net.last.refuse();
    }
    expect(waits.map(({ delayMs }) => delayMs)).toEqual([1_000, 2_000, 4_000, 8_000]);
  });

  test("is not cut by offline", async () => {
    const { conn, net, lifecycle } = await waiting();
    lifecycle.emit("offline");
    await advance(9_999);
    expect([conn.state, net.sockets.length]).toEqual(["waiting", 1]);
    await advance(1);
    expect(net.sockets).toHaveLength(2);
  });

  test("ends for an attempt that no signal disturbs", async () => {
    const { net, lifecycle } = await waiting();
    await advance(10_000);
    for (const signal of [...DOUBTS, "offline"] as const) lifecycle.emit(signal);
    await advance(1_000);
    expect(net.sockets).toHaveLength(2);
    expect(net.last.closedWith).toBeUndefined();
  });
});

describe("while the platform is offline", () => {
  test("a lost connection waits 30 s for the network, then tries anyway", async () => {
    const { conn, net, socket, lifecycle } = await living();
    const waits = record(conn, "waiting");
    lifecycle.emit("offline");
    socket.drop();
    expect(waits).toEqual([{ attempt: 1, delayMs: OFFLINE_MS, reason: "offline" }]);
    await advance(OFFLINE_MS - 1);
    expect(net.sockets).toHaveLength(1);
    await advance(1);
    expect(net.sockets).toHaveLength(2);
    net.last.refuse();
    expect(waits).toMatchObject([{}, { attempt: 2, delayMs: OFFLINE_MS, reason: "offline" }]);
  });

  test("a new Conn dials all the same", async () => {
    const lifecycle = new FakeLifecycle();
    lifecycle.isUp = false;
    const { net } = createConn({ lifecycle });
    await settleMicrotasks();
    expect(net.sockets).toHaveLength(1);
  });

  test("the backoff is not asked, because the wait is the longest", async () => {
    const backoff = vi.fn(() => 3_000);
    const { conn, socket, lifecycle } = await living({ backoff });
    const waits = record(conn, "waiting");
    lifecycle.emit("offline");
    socket.drop();
    expect(waits).toMatchObject([{ delayMs: 30_000, reason: "offline" }]);
    expect(backoff).not.toHaveBeenCalled();
  });
});

describe("a page that is cached or frozen", () => {
  test("says 4001 and waits with no timer until it is back, then dials at once", async () => {
    const { conn, net, socket, lifecycle } = await living({ heartbeat: BEAT });
    const [events, waits] = [recordAll(conn), record(conn, "waiting")];
    lifecycle.emit("suspend");
    expect(socket.closedWith).toEqual({ code: 4001 });
    expect(events).toEqual(["open>waiting", "waiting"]);
    expect(waits).toEqual([{ attempt: 0, delayMs: Number.POSITIVE_INFINITY, reason: "suspended" }]);
    expect(vi.getTimerCount()).toBe(0);
    await advance(600_000);
    expect(net.sockets).toHaveLength(1);
    lifecycle.emit("restore");
    expect(conn.state).toBe("connecting");
    await settleMicrotasks();
    net.last.open();
    await settleMicrotasks();
    expect(events.slice(2)).toEqual(["waiting>connecting", "connecting>open", "open"]);
    expect(net.sockets).toHaveLength(2);
  });

  test("ignores the connection that it left", async () => {
    const { conn, socket, net, lifecycle } = await living();
    net.answersClose = false;
    const [events, heard] = [recordAll(conn), record(conn, "message")];
    lifecycle.emit("suspend");
    socket.onmessage?.({ data: "late" });
    socket.drop();
    expect(heard).toEqual([]);
    expect(events).toEqual(["open>waiting", "waiting"]);
  });

  test("keeps its queue, in order", async () => {
    const { conn, net, socket, lifecycle } = await living();
    conn.send("written");
    lifecycle.emit("suspend");
    const sends = ["a", "b", "c"].map((text) => conn.send(text));
    expect(conn.stats.outbox.messages).toBe(3);
    lifecycle.emit("restore");
    conn.send("d");
    await settleMicrotasks();
    net.last.open();
    await Promise.all(sends);
    expect(socket.sent).toEqual(["written"]);
    expect(net.last.sent).toEqual(["a", "b", "c", "d"]);
  });

  test("is emitted once, however many events say so", async () => {
    const { conn, net, lifecycle } = await living();
    const events = recordAll(conn);
    lifecycle.emit("suspend");
    lifecycle.emit("suspend");
    lifecycle.emit("restore");
    lifecycle.emit("restore");
    await settleMicrotasks();
    expect(events).toEqual(["open>waiting", "waiting", "waiting>connecting"]);
    expect(net.sockets).toHaveLength(2);
  });

  test("counts the time in the cache as time without a connection", async () => {
    const { conn, net, lifecycle } = await living();
    const opens = record(conn, "open");
    lifecycle.emit("suspend");
    await advance(600_000);
    lifecycle.emit("restore");
    await advance(40);
    net.last.open();
    await settleMicrotasks();
    expect(opens).toMatchObject([{ downMs: 600_040, reconnected: true, attempt: 0 }]);
  });

  test("abandons an attempt, and makes another when it is back", async () => {
    const lifecycle = new FakeLifecycle();
    const { conn, net } = createConn({ lifecycle });
    const events = recordAll(conn);
    await settleMicrotasks();
    lifecycle.emit("suspend");
    await settleMicrotasks();
    expect(net.last.closedWith).toEqual({});
    expect(vi.getTimerCount()).toBe(0);
    await advance(250);
    lifecycle.emit("restore");
    await settleMicrotasks();
    expect(events).toEqual(["idle>connecting", "connecting>waiting", "waiting", "waiting>connecting"]);
    expect(net.sockets).toHaveLength(2);
  });

  test("that is back within 250 ms of the last dial waits for the rest of them, and no signal cuts that", async () => {
    const lifecycle = new FakeLifecycle();
    const { conn, net } = createConn({ lifecycle });
    const waits = record(conn, "waiting");
    await settleMicrotasks();
    lifecycle.emit("suspend");
    await advance(50);
    for (const signal of ["restore", "visible", "online", "wake", "restore"] as const) lifecycle.emit(signal);
    expect(waits.map(({ delayMs }) => delayMs)).toEqual([Number.POSITIVE_INFINITY, 200]);
    await advance(199);
    expect(net.sockets).toHaveLength(1);
    await advance(1);
    expect(net.sockets).toHaveLength(2);
  });

  test("stops a wait, also a server's", async () => {
    const { conn, net, socket, lifecycle } = await living();
    socket.drop(1013, "retry=1000-1000", true);
    lifecycle.emit("suspend");
    await advance(60_000);
    expect([conn.state, net.sockets.length]).toEqual(["waiting", 1]);
    lifecycle.emit("restore");
    await settleMicrotasks();
    expect(net.sockets).toHaveLength(2);
  });

  test.for(DOUBTS)("does not stir at %s", async (signal) => {
    const { conn, net, lifecycle } = await living();
    lifecycle.emit("suspend");
    lifecycle.emit(signal);
    await advance(60_000);
    expect([conn.state, net.sockets.length]).toEqual(["waiting", 1]);
  });

  test("dials when the application says so", async () => {
    const { conn, net, lifecycle } = await living();
    lifecycle.emit("suspend");
    conn.connect();
    await settleMicrotasks();
    expect(net.sockets).toHaveLength(2);
  });

  test("lets go of a Conn that was closing", async () => {
    const { conn, net, lifecycle } = await living();
    net.answersClose = false;
    const closed = conn.close();
    await settleMicrotasks();
    lifecycle.emit("suspend");
    expect(await closed).toMatchObject({ code: 1006, clean: false, by: "local" });
    expect(vi.getTimerCount()).toBe(0);
  });

  test("can be closed, with its queue handed back", async () => {
    const { conn, lifecycle } = await living();
    lifecycle.emit("suspend");
    conn.send("a");
    expect(await conn.close()).toMatchObject({ code: 1000, clean: true, unsent: ["a"] });
    expect(vi.getTimerCount()).toBe(0);
  });

  test("that comes back without having left changes nothing", async () => {
    const { conn, net, lifecycle } = await living();
    lifecycle.emit("restore");
    await settleMicrotasks();
    expect([conn.state, net.sockets.length]).toEqual(["open", 1]);
  });
});

describe("the subscription", () => {
  test("begins with the first dial, and is one however often the Conn reconnects", async () => {
    const lifecycle = new FakeLifecycle();
    const { conn, net } = createConn({ lifecycle, autoConnect: false });
    await advance(60_000);
    expect(lifecycle.size).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
    conn.connect();
    expect(lifecycle.size).toBe(1);
    await settleMicrotasks();
    for (let i = 0; i < 3; i++) {
      net.last.refuse();
      await advance(10_000);
    }
    conn.reconnect();
    expect(lifecycle.size).toBe(1);
  });

  test.for(["closed", "aborted", "refused for good", "given up"] as const)(
    "ends with a Conn that is %s",
    async (how) => {
      const lifecycle = new FakeLifecycle();
      const controller = new AbortController();
      const { conn, socket } = await openConn({ lifecycle, signal: controller.signal, maxRetries: 0 });
      expect(lifecycle.size).toBe(1);
      if (how === "closed") conn.close();
      else if (how === "aborted") controller.abort();
      else socket.drop(how === "given up" ? 1006 : 1008);
      await conn.closed;
      expect(conn.state).toBe("closed");
      expect(lifecycle.size).toBe(0);
      expect(vi.getTimerCount()).toBe(0);
    },
  );

  test("is never made by a Conn that is closed while idle", async () => {
    const lifecycle = new FakeLifecycle();
    const { conn } = createConn({ lifecycle, autoConnect: false });
    await conn.close();
    expect(lifecycle.size).toBe(0);
  });

  test("of one Conn is not ended by another", async () => {
    const lifecycle = new FakeLifecycle();
    const [one, two] = [await openConn({ lifecycle }), await openConn({ lifecycle })];
    await one.conn.close();
    lifecycle.emit("suspend");
    expect(lifecycle.size).toBe(1);
    expect([one.conn.state, two.conn.state]).toEqual(["closed", "waiting"]);
  });

  test("may tell within subscribe()", async () => {
    const lifecycle = {
      isOnline: () => true,
      subscribe: (tell: (signal: "online" | "suspend") => void) => {
        tell("online");
        tell("suspend");
        return () => {};
      },
    };
    const { conn } = createConn({ lifecycle });
    await settleMicrotasks();
    expect(conn.state).toBe("waiting");
  });
});

describe("which source", () => {
  test("is the page's own by default, and nothing of it is left after the end", async () => {
    const page = usePage();
    const { conn, net, socket } = await openConn();
    await advance(STABLE_MS);
    page.window.fire("pagehide", { persisted: true });
    expect(socket.closedWith).toEqual({ code: 4001 });
    page.window.fire("pageshow", { persisted: true });
    await settleMicrotasks();
    net.last.open();
    await settleMicrotasks();
    page.navigator.onLine = false;
    const waits = record(conn, "waiting");
    net.last.drop();
    expect(waits).toMatchObject([{ reason: "offline" }]);
    await conn.close();
    expect(page.listeners).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("may be the user's instead of the page's", async () => {
    const page = usePage();
    const lifecycle = new FakeLifecycle();
    const { conn } = await openConn({ lifecycle });
    expect(page.listeners).toBe(0);
    page.window.fire("pagehide", { persisted: true });
    expect(conn.state).toBe("open");
    lifecycle.emit("suspend");
    expect(conn.state).toBe("waiting");
  });

  test("is none when false: nothing is listened to, and no word about the network counts", async () => {
    const page = usePage();
    page.navigator.onLine = false;
    const { conn, socket } = await openConn({ lifecycle: false });
    await advance(STABLE_MS);
    expect(page.listeners).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
    const waits = record(conn, "waiting");
    socket.drop();
    expect(waits).toMatchObject([{ delayMs: 1_000, reason: "backoff" }]);
  });

  test("is none where there is no page: an open Conn without a heartbeat runs no timer", async () => {
    await openConn();
    await advance(STABLE_MS);
    expect(vi.getTimerCount()).toBe(0);
  });
});

test("a sleep of over a minute replaces a connection that can't be asked, and one of less does not", async () => {
  usePage();
  const { net } = await openConn();
  vi.setSystemTime(Date.now() + 60_000);
  await advance(30_000);
  expect(net.sockets).toHaveLength(1);
  vi.setSystemTime(Date.now() + 60_001);
  await advance(30_000);
  expect(net.sockets).toHaveLength(2);
});

test("a Conn that is closed on waking up leaves no timer of the page's", async () => {
  usePage();
  const { conn } = await openConn();
  conn.on("state", ({ to }) => {
    if (to === "connecting") conn.close();
  });
  vi.setSystemTime(Date.now() + 3_600_000);
  await advance(30_000);
  await conn.closed;
  expect(vi.getTimerCount()).toBe(0);
});

test("a Conn that is closing heeds no doubt: its time is closeTimeoutMs", async () => {
  const { conn, net, socket, lifecycle } = await living({ heartbeat: BEAT, closeTimeoutMs: 10_000 });
  net.answersClose = false;
  conn.close();
  await settleMicrotasks();
  for (const signal of DOUBTS) lifecycle.emit(signal);
  await advance(9_999);
  expect(conn.state).toBe("closing");
  expect(socket.sent).toEqual([]);
  await advance(1);
  expect(conn.state).toBe("closed");
});
