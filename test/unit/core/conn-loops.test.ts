import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Conn, ConnError, type ConnEvents, type Payload } from "../../../src/index.ts";
import { advance, createConn, settleMicrotasks, useFakeTime } from "../../support/conn.ts";
import { FakeLifecycle } from "../../support/fake-lifecycle.ts";

useFakeTime();

type TestConn = Conn<Payload, string>;

/** Every method of a Conn that a listener may call; a method that throws `closed` does what it should. */
const METHODS: Readonly<Record<string, (conn: TestConn) => unknown>> = {
  connect: (conn) => conn.connect(),
  reconnect: (conn) => conn.reconnect(),
  ready: (conn) => conn.ready().catch(() => {}),
  send: (conn) => conn.send("x".repeat(40)),
  "send volatile": (conn) => conn.send("x", { volatile: true }),
  "send with a key": (conn) => conn.send("x", { key: "k" }),
  // Not 1 ms: a listener of dropped that sends again is called as often as the ttl of its own message ends.
  "send with a short life": (conn) => conn.send("x", { ttlMs: 100 }),
  write: (conn) => conn.write("x"),
  flush: (conn) => conn.flush().catch(() => {}),
  receive: (conn) => conn.receive().catch(() => {}),
  read: (conn) => conn.read().catch(() => {}),
  on: (conn) => conn.on("state", () => {}),
  "on message": (conn) => conn.on("message", () => {}),
  report: (conn) => conn.report(new ConnError("misuse", "reported")),
  close: (conn) => conn.close(),
  iterate: (conn) =>
    conn[Symbol.asyncIterator]()
      .next()
      .catch(() => {}),
};

const EVENTS: readonly (keyof ConnEvents<Payload>)[] = [
  "state",
  "open",
  "message",
  "disconnected",
  "waiting",
  "session-lost",
  "closed",
  "error",
  "dropped",
  "drained",
  "latency",
];

const OUTBOXES = [{ maxMessages: 2 }, { maxMessages: 2, overflow: "drop-oldest" }, { highWaterMark: 10 }] as const;
/**
 * Seconds of a life, and how often listeners may be called in them. There are four dials a second, each with a few events,
 * and listeners that cause events for each other multiply these, a thousand a second where a message expires after a millisecond. A loop never ends.
 */
const SECONDS = 20;
const MAX_CALLS = 100_000;

/** Calls methods in listeners for a while, on a network where everything happens, and counts the calls. */
async function live(calls: readonly (readonly [string, string])[], outbox: (typeof OUTBOXES)[number]): Promise<number> {
  const lifecycle = new FakeLifecycle();
  const { conn, net } = createConn<Payload, string>({
    lifecycle,
    outbox,
    inbox: { highWaterMark: 10, maxBytes: 200, overflow: "drop-oldest" },
    backoff: () => 0,
  });
  net.onDial = (socket) =>
    queueMicrotask(() => {
      if (socket.readyState !== 0) return;
      if (net.sockets.length % 3 === 0) return socket.refuse();
      socket.open();
      socket.message("hello");
      if (net.sockets.length % 5 === 0) socket.drop(1012, "retry=0", true);
    });
  let count = 0;
  for (const [event, method] of calls) {
    conn.on(event as keyof ConnEvents<Payload>, () => {
      if (++count > MAX_CALLS) throw new Error(`${method} in a listener of ${event} spins`);
      try {
        METHODS[method]?.(conn);
      } catch (error) {
        if ((error as ConnError).code !== "closed") throw error;
      }
    });
  }
  for (let n = 0; n < 5; n++) conn.send("y".repeat(40));
  for (let second = 0; second < SECONDS; second++) {
    await advance(1_000);
    if (second % 7 === 3) lifecycle.emit("suspend");
    if (second % 7 === 4) lifecycle.emit("restore");
    const socket = net.sockets.at(-1);
    if (socket?.readyState === 1) socket.message("more");
    if (second % 6 === 5 && socket?.readyState === 1) socket.drop();
  }
  await conn.close();
  await settleMicrotasks();
  expect(net.sockets.length).toBeLessThanOrEqual(SECONDS * 4 + 1);
  return count;
}

describe("no call from a listener spins", () => {
  test.for(EVENTS)("whatever method a listener of %s calls", async (event) => {
    for (const method of Object.keys(METHODS)) {
      for (const outbox of OUTBOXES) expect(await live([[event, method]], outbox)).toBeLessThan(MAX_CALLS);
    }
  });

  test("whatever several listeners call", async () => {
    const call = fc.tuple(fc.constantFrom(...EVENTS), fc.constantFrom(...Object.keys(METHODS)));
    await fc.assert(
      fc.asyncProperty(
        fc.array(call, { minLength: 2, maxLength: 5 }),
        fc.constantFrom(...OUTBOXES),
        async (calls, outbox) => {
          expect(await live(calls, outbox)).toBeLessThan(MAX_CALLS);
        },
      ),
      { numRuns: 60 },
    );
  });
});

test("connect() in a listener of waiting dials once after 250 ms", async () => {
  const { conn, net } = createConn({ backoff: () => 5_000 });
  let calls = 0;
  conn.on("waiting", () => {
    calls++;
    conn.connect();
  });
  await settleMicrotasks();
  net.last.refuse();
  expect(calls).toBe(2);
  await advance(249);
  expect(net.sockets).toHaveLength(1);
  await advance(1);
  expect(net.sockets).toHaveLength(2);
});

test("send() in a listener of dropped is announced by its promise alone", async () => {
  const { conn } = createConn<Payload, string>({ outbox: { maxMessages: 1 }, autoConnect: false });
  const payloads: unknown[] = [];
  const rejected: unknown[] = [];
  conn.on("dropped", ({ payload }) => {
    payloads.push(payload);
    conn.send("again").catch(({ code }) => rejected.push(code));
  });
  conn.send("waits");
  conn.send("refused");
  await settleMicrotasks();
  expect(payloads).toEqual(["refused"]);
  expect(rejected).toEqual(["outbox-full"]);
});

test("report() in a listener of error is not reported again", () => {
  const { conn } = createConn({ autoConnect: false });
  const seen: string[] = [];
  conn.on("error", ({ message }) => {
    seen.push(message);
    conn.report(new ConnError("misuse", "again"));
  });
  conn.report(new ConnError("misuse", "first"));
  expect(seen).toEqual(["first"]);
});

test("report() in a listener of dropped is not emitted where a listener of error caused the drop", async () => {
  const { conn } = createConn<Payload, string>({ outbox: { maxMessages: 1 }, autoConnect: false });
  const seen: string[] = [];
  conn.send("waits");
  conn.on("error", ({ message }) => {
    seen.push(message);
    conn.write("refused").catch(() => {});
  });
  conn.on("dropped", ({ payload }) => {
    seen.push(String(payload));
    // Bounded, so that a failure of this test ends.
    if (seen.length < 10) conn.report(new ConnError("misuse", "again"));
  });
  conn.report(new ConnError("misuse", "first"));
  await settleMicrotasks();
  expect(seen).toEqual(["first", "refused"]);
});
