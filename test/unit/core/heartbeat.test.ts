import { describe, expect, test, vi } from "vitest";
import { Conn, type HeartbeatOptions, type Payload } from "../../../src/index.ts";
import { advance, createConn, openConn, record, recordAll, settleMicrotasks, useFakeTime } from "../../support/conn.ts";
import { FakeLifecycle } from "../../support/fake-lifecycle.ts";
import { FakeWs } from "../../support/fake-ws.ts";

useFakeTime();

const BEAT: HeartbeatOptions = {
  intervalMs: 10_000,
  timeoutMs: 4_000,
  ping: () => "ping",
  isPong: (payload: Payload) => payload === "pong",
};

test("asks once an interval, from open on", async () => {
  const { socket } = await openConn({ heartbeat: BEAT });
  socket.onSend = () => queueMicrotask(() => socket.message("pong"));
  await advance(9_999);
  expect(socket.sent).toEqual([]);
  await advance(1);
  expect(socket.sent).toEqual(["ping"]);
  await advance(60_000);
  expect(socket.sent.length).toBeGreaterThanOrEqual(6);
  expect(socket.sent.length).toBeLessThanOrEqual(7);
});

test("pings one interval after the last ping, with no other timer after a pong that took its time", async () => {
  const { socket } = await openConn({ heartbeat: BEAT });
  await advance(10_000);
  const pingedAt = performance.now();
  await advance(900);
  socket.message("pong");
  await vi.advanceTimersToNextTimerAsync();
  expect(performance.now() - pingedAt).toBe(10_000);
  expect(socket.sent).toEqual(["ping", "ping"]);
});

test("sends pongs and no ping while reading is paused, also after the pong of the last ping", async () => {
  const conn = new Conn("wss://example.com/", {
    WebSocket: FakeWs.class,
    heartbeat: { intervalMs: 10_000, timeoutMs: 4_000 },
    inbox: { highWaterMark: 1 },
  });
  await settleMicrotasks();
  const socket = FakeWs.last;
  socket.open();
  await advance(10_000);
  socket.message("fills the inbox");
  expect(socket.isPaused).toBe(true);
  socket.emit("pong");
  await advance(20_000);
  expect(socket).toMatchObject({ pings: 1, pongs: 10 });
  await conn.receive();
  await advance(1);
  expect(socket).toMatchObject({ isPaused: false, pings: 2, pongs: 10 });
});

test("asks once an interval, also where that is much shorter than the timeout", async () => {
  const { socket } = await openConn({ heartbeat: { ...BEAT, intervalMs: 100 } });
  socket.onSend = () => queueMicrotask(() => socket.message("pong"));
  await advance(1_000);
  expect(socket.sent.length).toBeGreaterThanOrEqual(9);
  expect(socket.sent.length).toBeLessThanOrEqual(10);
});

test("finds a dead peer within interval and timeout, and leaves it at once", async () => {
  const { conn, net, socket } = await openConn({ heartbeat: BEAT });
  net.answersClose = false;
  const lost = record(conn, "disconnected");
  await advance(13_999);
  expect(conn.state).toBe("open");
  await advance(1);
  expect(conn.state).toBe("waiting");
  expect(lost).toMatchObject([
    { code: 1006, clean: false, wasOpen: true, willRetry: true, cause: { code: "timeout" } },
  ]);
  expect(socket.readyState).toBe(2);
  await advance(1_000);
  expect(net.sockets).toHaveLength(2);
});

test("finds a peer that falls silent after a pong within interval and timeout of it", async () => {
  const { conn, socket } = await openConn({ heartbeat: BEAT });
  await advance(10_000);
  socket.message("pong");
  await advance(14_000);
  expect(conn.state).toBe("waiting");
});

test("keeps the pong from the application, and tells the latency", async () => {
  const { conn, socket } = await openConn({ heartbeat: BEAT });
  const [heard, latencies] = [record(conn, "message"), record(conn, "latency")];
  await advance(10_000);
  await advance(30);
  socket.message("pong");
  socket.message("news");
  expect(heard).toEqual(["news"]);
  expect(latencies).toEqual([{ rttMs: 30 }]);
  expect(conn.stats.received).toBe(1);
});

test("takes any message after the ping as life", async () => {
  const { conn, socket } = await openConn({ heartbeat: BEAT });
  for (let i = 0; i < 20; i++) {
    await advance(3_000);
    socket.message("news");
  }
  expect(socket.sent.length).toBeGreaterThanOrEqual(5);
  expect(conn.state).toBe("open");
});

test("takes a message before the ping as no answer to it", async () => {
  const { conn, socket } = await openConn({ heartbeat: BEAT });
  await advance(9_999);
  socket.message("news");
  await advance(4_001);
  expect(conn.state).toBe("waiting");
});

test("takes a buffer that empties as life", async () => {
  const { conn, socket } = await openConn({ heartbeat: BEAT });
  socket.stall(1_000_000);
  await advance(10_000);
  for (let left = 900_000; left > 0; left -= 100_000) {
    socket.stall(left);
    await advance(3_000);
    expect(conn.state).toBe("open");
  }
});

test("takes a buffer that grows as no life", async () => {
  const { conn, socket } = await openConn({ heartbeat: BEAT });
  socket.stall(1_000);
  await advance(10_000);
  socket.stall(2_000);
  await advance(4_000);
  expect(conn.state).toBe("waiting");
});

test("does not kill for a late timer alone: a machine that slept asks again", async () => {
  const { conn, socket } = await openConn({ heartbeat: BEAT });
  await advance(10_000);
  vi.setSystemTime(Date.now() + 3_600_000);
  await advance(1_000);
  expect(socket.sent).toEqual(["ping", "ping"]);
  expect(conn.state).toBe("open");
  socket.message("pong");
  await advance(4_000);
  expect(conn.state).toBe("open");
});

test("finds a peer that died during the sleep within 2 s of the wake-up", async () => {
  const { conn } = await openConn({ heartbeat: BEAT });
  await advance(5_000);
  vi.setSystemTime(Date.now() + 3_600_000);
  await advance(5_000);
  expect(conn.state).toBe("open");
  await advance(2_000);
  expect(conn.state).toBe("waiting");
});

test("does not kill for a sleep within a probe: its last look is late, and the answer still on its way", async () => {
  const { conn, socket } = await openConn({ heartbeat: BEAT });
  await advance(5_000);
  vi.setSystemTime(Date.now() + 3_600_000);
  await advance(5_000);
  await advance(1_900);
  vi.setSystemTime(Date.now() + 3_600_000);
  await advance(100);
  expect(conn.state).toBe("open");
  expect(socket.sent).toEqual(["ping", "ping"]);
  await advance(1_900);
  socket.message("pong");
  await advance(5_000);
  expect(conn.state).toBe("open");
});

describe.for([
  ["forward", 3_600_000],
  ["back", -3_600_000],
] as const)("a clock that is set %s by an hour", ([, ms]) => {
  const set = () => vi.setSystemTime(Date.now() + ms);

  test.for([
    ["resting", 5_000],
    ["waiting for a pong", 11_000],
  ] as const)("kills no healthy connection while %s", async ([, at]) => {
    const { conn, socket } = await openConn({ heartbeat: BEAT });
    socket.onSend = () => setTimeout(() => socket.message("pong"), 1_500);
    await advance(at);
    set();
    await advance(120_000);
    expect(conn.state).toBe("open");
    // Pings continue at the usual interval, because neither a burst nor a silence of an hour would be right.
    expect(socket.sent.length).toBeGreaterThanOrEqual(10);
    expect(socket.sent.length).toBeLessThanOrEqual(14);
  });

  test.for([
    ["resting", 5_000, 14_000],
    ["waiting for a pong", 11_000, 18_000],
    ["probing", 100, 4_000],
  ] as const)("hides a dead connection for one more question at most, while %s", async ([situation, at, knownAt]) => {
    const lifecycle = new FakeLifecycle();
    const { conn } = await openConn({ heartbeat: BEAT, lifecycle });
    const lost = record(conn, "disconnected");
    if (situation === "probing") lifecycle.emit("visible");
    await advance(at);
    set();
    await advance(knownAt - at);
    expect(lost).toMatchObject([{ wasOpen: true, cause: { code: "timeout" } }]);
  });
});

test("starts anew with each connection and stops with it", async () => {
  const { conn, net, socket } = await openConn({ heartbeat: BEAT });
  await advance(9_000);
  socket.drop();
  await advance(1_000);
  net.last.open();
  await advance(9_999);
  expect(net.last.sent).toEqual([]);
  await advance(1);
  expect(net.last.sent).toEqual(["ping"]);
  await conn.close();
  expect(vi.getTimerCount()).toBe(0);
});

test("waits for open: setup is under the connect timeout alone", async () => {
  const { conn, net } = createConn({
    heartbeat: { ...BEAT, intervalMs: 10, timeoutMs: 10 },
    setup: () => new Promise(() => {}),
  });
  await settleMicrotasks();
  net.last.open();
  await advance(1_000);
  expect(net.last.sent).toEqual([]);
  expect(conn.state).toBe("connecting");
});

test("passes by the outbox: a ping goes out above the high-water mark and is not counted", async () => {
  const { conn, socket } = await openConn({ heartbeat: BEAT, outbox: { highWaterMark: 10 } });
  socket.stall(100);
  conn.send("a");
  conn.send("b");
  await advance(10_000);
  expect(socket.sent).toEqual(["a", "ping"]);
  expect(conn.stats).toMatchObject({ sent: 1, outbox: { messages: 1 } });
});

test("does without where the platform can't ping and no ping is given", async () => {
  const { conn, socket } = await openConn();
  await advance(600_000);
  expect(conn.state).toBe("open");
  expect(socket.sent).toEqual([]);
});

test.for(["ping", "isPong"] as const)("survives a %s that throws, and reports the error", async (name) => {
  const boom = () => {
    throw new Error("boom");
  };
  const { conn, socket } = await openConn({ heartbeat: { ...BEAT, [name]: boom } });
  const [errors, heard] = [record(conn, "error"), record(conn, "message")];
  await advance(10_000);
  socket.message("news");
  expect(errors.length).toBeGreaterThan(0);
  expect(errors[0]).toMatchObject({ cause: { message: "boom" } });
  expect(heard).toEqual(["news"]);
  expect(conn.state).toBe("open");
});

test("tells state, lost and waiting of a dead peer, once", async () => {
  const { conn, net } = await openConn({ heartbeat: BEAT });
  net.answersClose = true;
  await advance(13_000);
  const events = recordAll(conn);
  await advance(1_000);
  expect(events).toEqual(["open>waiting", "disconnected", "waiting"]);
});

test("a pong that nobody asked for says nothing of the round trip", async () => {
  const { conn, socket } = await openConn({ heartbeat: BEAT });
  const latencies = record(conn, "latency");
  socket.message("pong");
  await advance(10_000);
  await advance(5);
  socket.message("pong");
  socket.message("pong");
  expect(latencies).toEqual([{ rttMs: 5 }]);
});

test("a ping() that leaves the connection leaves no timer of it", async () => {
  const controller = new AbortController();
  const ping = () => {
    controller.abort();
    return "ping";
  };
  const { conn } = await openConn({ signal: controller.signal, heartbeat: { ...BEAT, ping } });
  await advance(10_000);
  expect(await conn.closed).toMatchObject({ by: "signal" });
  expect(vi.getTimerCount()).toBe(0);
});

test("is not asked for by an inbox that empties where the peer can't be held back", async () => {
  const { conn, socket } = await openConn({ heartbeat: BEAT, inbox: { highWaterMark: 200 } });
  await advance(2_000);
  for (let i = 0; i < 4; i++) socket.message("x".repeat(100));
  for (let i = 0; i < 4; i++) await conn.receive();
  await advance(7_999);
  expect(socket.sent).toEqual([]);
  await advance(1);
  expect(socket.sent).toEqual(["ping"]);
});
