import type { Payload } from "../../src/index.ts";
import { SENT_CODES } from "../support/close-codes.ts";
import { between, codeOf, equal, matches, ok, SLACK_MS, timed, until } from "./assert.ts";
import { type Case, define, each, next, numbered, received, rejection, thrown } from "./case-context.ts";

/** How connections end, and what comes of it. */
export const endings: readonly Case[] = [
  define("ends by peer when the server closes with 1000, and what came before stays readable", async (context) => {
    const conn = context.conn(context.url("/close", { code: 1000, reason: "done", say: 3 }));
    const info = await conn.closed;
    matches(info, { code: 1000, reason: "done", clean: true, by: "peer", unsent: [], inDoubt: [], error: undefined });
    const heard: unknown[] = [];
    for await (const text of conn) heard.push(text);
    equal(heard, ["last 0", "last 1", "last 2"]);
    equal(conn.state, "closed");
    equal(await rejection(context, conn.send("too late")), "closed");
    equal(
      thrown(context, () => conn.connect()),
      "closed",
    );
    equal(await rejection(context, conn.ready()), "closed");
  }),

  ...each(
    SENT_CODES.retried,
    (code) => `connects again after a close with ${code}`,
    async (context, code) => {
      const conn = context.conn(context.url("/close", { code, reason: "why", times: 1 }));
      const lost = await next(conn, "disconnected");
      if (context.env.hides?.includes(code)) matches(lost, { code: 1006, wasOpen: true, willRetry: true });
      else equal(lost, { code, reason: "why", clean: true, wasOpen: true, willRetry: true });
      const open = await next(conn, "open");
      matches(open, { attempt: 1, reconnected: true });
      conn.send("again");
      equal(await conn.receive(), "again");
    },
  ),

  ...each(
    SENT_CODES.final,
    (code) => `ends by policy after a close with ${code}`,
    async (context, code) => {
      const conn = context.conn(context.url("/close", { code, reason: "why" }));
      const lost = next(conn, "disconnected");
      const info = await conn.closed;
      matches(info, { code, reason: "why", clean: true, by: "policy" });
      equal(codeOf(info.error), "closed");
      matches(await lost, { code, wasOpen: true, willRetry: false });
      equal(await rejection(context, conn.receive()), "closed");
      equal((await context.log()).upgrades, 1);
    },
  ),

  define("tells a code of the user's own, and a reason of many characters that take two bytes", async (context) => {
    for (const code of [3000, 4499]) {
      const conn = context.conn(context.url("/close", { code, reason: "ü".repeat(61) }));
      matches(await next(conn, "disconnected"), { code, reason: "ü".repeat(61), clean: true, wasOpen: true });
    }
  }),

  define("connects again after a drop, and delivers in order what was queued meanwhile", async (context) => {
    const conn = await context.open("/echo");
    conn.send("before");
    equal(await conn.receive(), "before");
    const lost = next(conn, "disconnected");
    await context.log("drop");
    matches(await lost, { code: 1006, clean: false, wasOpen: true, willRetry: true });
    const texts = numbered(100);
    for (const text of texts) conn.send(text);
    equal(await received(conn, 100), texts);
    equal((await context.log()).texts, ["before", ...texts]);
  }),

  define("connects again each time a server drops it at once, and never sooner than the floor", async (context) => {
    const conn = context.conn(context.url("/drop", { after: 1, times: 3 }));
    // Dropped before it has said anything, workerd sends the upgrade once more by itself.
    conn.on("open", () => conn.send("drop me"));
    const waits: number[] = [];
    conn.on("waiting", ({ delayMs }) => waits.push(delayMs));
    await context.logged("it is there for good", ({ opened, live }) => opened === 4 && live === 1);
    await conn.ready();
    ok(waits.length === 3 && waits.every((ms) => ms >= 250), `It waited ${waits}.`);
  }),

  define("tells of a refused connect as 1006, not opened, and tries again", async (context) => {
    const conn = context.conn(context.url("/", {}, context.env.refused));
    const waiting = next(conn, "waiting");
    matches(await next(conn, "disconnected"), { code: 1006, clean: false, wasOpen: false, willRetry: true });
    matches(await waiting, { attempt: 1, reason: "backoff" });
    matches(await next(conn, "waiting"), { attempt: 2 });
  }),

  ...each(
    [401, 404],
    (code) => `ends when the upgrade is answered with ${code}, where the platform tells, else tries again`,
    async (context, code) => {
      const conn = context.conn(context.url("/status", { code, times: 1 }));
      if (context.env.repeatsOn401 && code === 401) {
        matches(await next(conn, "open"), { attempt: 0 });
        equal((await context.log()).upgrades, 2);
        return;
      }
      const lost = await next(conn, "disconnected");
      if (context.env.knowsStatus) {
        matches(lost, { code: 1006, wasOpen: false, status: code, willRetry: false });
        const { by, error } = await conn.closed;
        equal([by, codeOf(error?.cause)], ["policy", "refused"]);
        equal((await context.log()).upgrades, 1);
      } else {
        matches(lost, { code: 1006, wasOpen: false, status: undefined, willRetry: true });
        await conn.ready();
      }
    },
  ),

  define(
    "tries again when the upgrade is answered with 503, after the time that Retry-After asks for",
    async (context) => {
      const conn = context.conn(context.url("/status", { code: 503, "retry-after": 1, times: 1 }));
      const waiting = next(conn, "waiting");
      const lost = await next(conn, "disconnected");
      matches(lost, { code: 1006, clean: false, wasOpen: false, willRetry: true });
      const { reason, delayMs } = await waiting;
      if (context.env.knowsStatus) {
        equal([lost.status, reason], [503, "server"]);
        between(1_000, delayMs, 1_250);
      }
      await conn.ready();
    },
  ),

  define("gives up an upgrade that is never answered after connectTimeoutMs", async (context) => {
    const conn = context.conn(context.url("/", {}, context.env.never), { connectTimeoutMs: 300 });
    const waiting = next(conn, "waiting");
    const lost = next(conn, "disconnected");
    between(300, await timed(lost), 300 + SLACK_MS);
    const { cause, ...rest } = await lost;
    matches(rest, { code: 1006, clean: false, wasOpen: false, willRetry: true });
    equal(codeOf(cause), "timeout");
    matches(await waiting, { attempt: 1 });
  }),

  define("obeys the window that a close reason asks for", async (context) => {
    const conn = context.conn(context.url("/close", { code: 1001, reason: "retry=300-400", times: 1 }));
    const { reason, delayMs } = await next(conn, "waiting");
    equal(reason, "server");
    between(300, delayMs, 400);
    // Until it dials: pages dial one server one connection at a time.
    const dials = until("it dials", () => conn.state !== "waiting");
    between(300, await timed(dials), 400 + SLACK_MS);
  }),

  define(
    "finds a connection that fell silent within intervalMs + timeoutMs, and leaves it at once",
    async (context) => {
      const ask = context.env.isNode ? {} : { ping: () => "ping", isPong: (payload: Payload) => payload === "ping" };
      const heartbeat = { intervalMs: 200, timeoutMs: 400, ...ask };
      const conn = await context.open("/silent", { times: 1 }, { heartbeat });
      const lost = next(conn, "disconnected");
      const open = next(conn, "open");
      between(400, await timed(lost), 600 + SLACK_MS);
      const { cause, ...rest } = await lost;
      matches(rest, { code: 1006, clean: false, wasOpen: true, willRetry: true });
      equal(codeOf(cause), "timeout");
      matches(await open, { reconnected: true });
      // The answers of a living peer keep the new one.
      await next(conn, "latency");
      await next(conn, "latency");
      equal(conn.state, "open");
    },
  ),

  define("keeps the user's own pings and pongs from the application", async (context) => {
    const heartbeat = {
      intervalMs: 20,
      timeoutMs: 400,
      ping: () => "ping",
      isPong: (payload: Payload) => payload === "ping",
    };
    const conn = await context.open("/echo", {}, { heartbeat });
    const { rttMs } = await next(conn, "latency");
    between(0, rttMs, SLACK_MS);
    await next(conn, "latency");
    conn.send("hello");
    equal(await conn.receive(), "hello");
    matches(conn.stats, { sent: 1, received: 1, inbox: { messages: 0, bytes: 0 } });
  }),
];
