import { describe, expect, test, vi } from "vitest";
import { resume } from "../../../src/resume/client/index.ts";
import {
  advance,
  createConn,
  openConn,
  record,
  recordAll,
  rejection,
  settleMicrotasks,
  useFakeTime,
} from "../../support/conn.ts";
import { FakeLifecycle } from "../../support/fake-lifecycle.ts";

useFakeTime();

describe("conn.waiting", () => {
  test("is null while the Conn does not wait", async () => {
    const { conn, net } = createConn();
    expect(conn.waiting).toBeNull();
    await settleMicrotasks();
    expect(conn.waiting).toBeNull();
    net.last.open();
    await settleMicrotasks();
    expect(conn.waiting).toBeNull();
    await conn.close();
    expect(conn.waiting).toBeNull();
  });

  test("says which retry comes when, and why", async () => {
    const { conn, net } = createConn();
    await settleMicrotasks();
    net.last.refuse();
    const retryAt = Date.now() + 1_000;
    expect(conn.waiting).toEqual({ attempt: 1, retryAt, reason: "backoff" });
    await advance(400);
    expect(conn.waiting).toEqual({ attempt: 1, retryAt, reason: "backoff" });
    await advance(600);
    expect(conn.waiting).toBeNull();
    net.last.open();
    net.last.drop(1012, "retry=4000-4000", true);
    await settleMicrotasks();
    expect(conn.waiting).toMatchObject({ attempt: 2, reason: "server" });
  });

  test("is known to a listener of state and of waiting", async () => {
    const { conn, socket } = await openConn();
    const seen: unknown[] = [];
    conn.on("state", () => seen.push(conn.waiting?.attempt));
    conn.on("waiting", () => seen.push(conn.waiting?.retryAt));
    socket.drop();
    expect(seen).toEqual([1, Date.now() + 1_000]);
  });

  test("is infinite while a page is suspended", async () => {
    const lifecycle = new FakeLifecycle();
    const { conn } = await openConn({ lifecycle });
    lifecycle.emit("suspend");
    expect(conn.waiting).toEqual({ attempt: 0, retryAt: Number.POSITIVE_INFINITY, reason: "suspended" });
  });
});

describe("stats.lastReceivedAt", () => {
  test("is when the last message came, also one that is heartbeat or setup's", async () => {
    const heartbeat = { ping: () => "ping", isPong: (payload: unknown) => payload === "pong" };
    const { conn, net } = createConn({ heartbeat, setup: async ({ receive }) => void (await receive()) });
    await settleMicrotasks();
    net.last.open();
    await advance(100);
    expect(conn.stats.lastReceivedAt).toBeNull();
    net.last.message("welcome");
    const first = Date.now();
    await advance(200);
    expect([conn.state, conn.stats.lastReceivedAt]).toEqual(["open", first]);
    net.last.message("hello");
    await advance(700);
    expect(conn.stats.lastReceivedAt).toBe(first + 200);
    net.last.message("pong");
    expect(conn.stats.lastReceivedAt).toBe(first + 900);
  });

  test("outlives its connection", async () => {
    const { conn, socket } = await openConn();
    socket.message("hello");
    const at = Date.now();
    socket.drop();
    await advance(500);
    expect(conn.stats.lastReceivedAt).toBe(at);
  });
});

describe("open.session", () => {
  test("is false without resume, and against a server that does not speak it", async () => {
    for (const options of [{}, { resume: resume() }]) {
      const { conn, net } = createConn(options);
      const opens = record(conn, "open");
      await settleMicrotasks();
      net.last.open();
      await settleMicrotasks();
      if (net.sockets.length > 1) {
        net.last.open();
        await settleMicrotasks();
      }
      expect(opens).toMatchObject([{ session: false, resumed: false }]);
    }
  });
});

describe("an inbox that fills while nothing takes its messages", () => {
  const inbox = { highWaterMark: 100 };

  test("is one error that names the trap", async () => {
    const { conn, socket } = await openConn({ inbox });
    const errors = record(conn, "error");
    for (let n = 0; n < 20; n++) socket.message("x".repeat(50));
    expect(errors).toMatchObject([{ code: "misuse", message: expect.stringMatching(/message listener.*receive\(\)/) }]);
  });

  test("is none once somebody has pulled: a slow reader is no mistake", async () => {
    const { conn, socket } = await openConn({ inbox });
    const errors = record(conn, "error");
    socket.message("first");
    await conn.receive();
    for (let n = 0; n < 20; n++) socket.message("x".repeat(50));
    expect(errors).toEqual([]);
  });
});

describe("a page that goes for good", () => {
  test.for([
    ["connecting", {}],
    ["open", { code: 1000 }],
    ["waiting", undefined],
    ["closing", { code: 4000 }],
  ] as const)("ends a Conn that is %s at once, with the socket closed by %j", async ([state, closedWith]) => {
    const lifecycle = new FakeLifecycle();
    const { conn, net } = createConn({ lifecycle });
    await settleMicrotasks();
    net.answersClose = false;
    if (state !== "connecting") net.last.open();
    await settleMicrotasks();
    if (state === "waiting") net.last.drop();
    if (state === "closing") conn.close(4000);
    await settleMicrotasks();
    expect(conn.state).toBe(state);
    lifecycle.emit("unload");
    expect(net.last.closedWith).toEqual(closedWith);
    expect(conn.state).toBe("closed");
    expect(await conn.closed).toMatchObject({ code: 1000, by: "local", clean: false });
    expect(vi.getTimerCount()).toBe(0);
  });

  test("still reports what was not sent", async () => {
    const lifecycle = new FakeLifecycle();
    const { conn, net, socket } = await openConn({ lifecycle, outbox: { highWaterMark: 10 } });
    socket.stall(20);
    conn.send("fills the buffer");
    conn.send("waits");
    net.answersClose = false;
    lifecycle.emit("unload");
    expect(await conn.closed).toMatchObject({ unsent: ["waits"] });
  });
});

describe("errors say what happened", () => {
  test("calls on a Conn that ended name the ending", async () => {
    const { conn, socket } = await openConn();
    socket.drop(4404, "no such room", true);
    const message = "The Conn is closed. Ended by policy, 4404: no such room. Make a new Conn to connect again.";
    expect(await rejection(conn.send("x"))).toMatchObject({ code: "closed", message });
    expect(await rejection(conn.ready())).toMatchObject({ code: "closed", message });
    expect(() => conn.connect()).toThrow(message);
  });

  test("calls on a Conn that was closed say so, and no more", async () => {
    const { conn } = await openConn();
    await conn.close();
    expect(await rejection(conn.ready())).toMatchObject({
      message: "The Conn is closed: make a new one to connect again.",
      cause: undefined,
    });
  });

  test("an AggregateError without a message gives those of its errors", async () => {
    const both = new AggregateError([
      new Error("connect ECONNREFUSED ::1:1"),
      new Error("connect ECONNREFUSED 127.0.0.1:1"),
    ]);
    const { conn, net } = createConn({ maxRetries: 0 });
    await settleMicrotasks();
    (net.last.onerror as (event: object) => void)({ error: both });
    const { error } = await conn.closed;
    expect(error?.message).toContain("connect ECONNREFUSED ::1:1");
    expect(error?.message).toContain("connect ECONNREFUSED 127.0.0.1:1");
  });

  test("a dial that fails without a reason says where a page finds one, and quotes no token", async () => {
    const { conn, net } = createConn({}, "ws://x.test/?token=secret");
    const ends = record(conn, "disconnected");
    await settleMicrotasks();
    net.last.refuse();
    expect(ends).toMatchObject([
      { code: 1006, cause: { code: "refused", message: expect.stringContaining("x.test") } },
    ]);
    expect(String(ends[0]?.cause)).toContain("console");
    expect(String(ends[0]?.cause)).not.toContain("secret");
  });

  test("ready() that is aborted names the last failure", async () => {
    const { conn, net } = createConn();
    const controller = new AbortController();
    const ready = conn.ready({ signal: controller.signal });
    await settleMicrotasks();
    net.last.error("connect ECONNREFUSED 127.0.0.1:1");
    controller.abort("too slow");
    expect(await rejection(ready)).toMatchObject({
      code: "aborted",
      cause: "too slow",
      message: expect.stringContaining("1006: connect ECONNREFUSED 127.0.0.1:1"),
    });
  });

  test("ready() that is aborted before an attempt has ended says so", async () => {
    const { conn } = createConn();
    const ready = conn.ready({ signal: AbortSignal.abort() });
    expect(await rejection(ready)).toMatchObject({ code: "aborted", message: expect.stringContaining("No attempt") });
  });
});

test("a Conn waits while its page is in the cache, and ends where the page goes from there for good", async () => {
  const lifecycle = new FakeLifecycle();
  const { conn, socket } = await openConn({ lifecycle });
  const events = recordAll(conn);
  lifecycle.emit("suspend");
  expect(socket.closedWith).toEqual({ code: 4001 });
  lifecycle.emit("unload");
  expect(events).toEqual(["open>waiting", "waiting", "waiting>closed", "closed"]);
});
