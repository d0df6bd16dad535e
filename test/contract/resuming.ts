import { equal, matches } from "./assert.ts";
import { type Case, type CaseContext, define, next, numbered, received } from "./case-context.ts";

/** Sessions, which resume adds. */
export const resuming: readonly Case[] = [
  define("with resume, brings each message exactly once and in order, both ways, across drops", async (context) => {
    const conn = await open(context);
    const texts = numbered(400);
    for (let i = 0; i < 4; i++) {
      for (const text of texts.slice(i * 100, i * 100 + 100)) conn.send(text);
      if (i === 3) break;
      const again = next(conn, "open");
      await context.log("drop");
      matches(await again, { reconnected: true, resumed: true });
    }
    equal(await received(conn, 400), texts);
    await conn.flush();
    matches(conn.stats, { sent: 400, received: 400, unacknowledged: { messages: 0, bytes: 0 } });
    matches(await context.log(), { texts, opened: 1, upgrades: 4 });
  }),

  define("with resume, brings bytes and text that looks like control as they were", async (context) => {
    const conn = await open(context);
    const payloads = ["", new Uint8Array(0), "\u0010a 1", "\u0010\u0010", Uint8Array.of(16, 97), "grüße 👩‍👩‍👧"];
    for (const payload of payloads) conn.send(payload);
    const again = next(conn, "open");
    await context.log("drop");
    await again;
    equal(await received(conn, payloads.length), payloads);
  }),

  define("with resume, leaves nothing in doubt when it closes right after a drop", async (context) => {
    const conn = await open(context);
    for (const text of numbered(50)) conn.send(text);
    const again = next(conn, "open");
    await context.log("drop");
    await again;
    matches(await conn.close(1000, "bye"), { by: "local", clean: true, unsent: [], inDoubt: [] });
    equal((await context.log()).texts, numbered(50));
  }),

  define("with resume, works as without where the server does not speak it", async (context) => {
    const conn = await context.open("/echo", {}, { resume: context.env.resume() });
    conn.send("hello");
    equal(await conn.receive(), "hello");
    const again = next(conn, "open");
    await context.log("drop");
    matches(await again, { resumed: false });
  }),

  define("is let in by a server that knows its Origin, and by another only if that is its own", async (context) => {
    const { origin, base } = context.env;
    await context.open("/resume");
    const conn = context.conn(context.url("/own-origin"));
    if (origin === undefined || origin.endsWith(`//${base}`)) await conn.ready();
    else matches(await next(conn, "disconnected"), { code: 1006, wasOpen: false });
  }),
];

function open(context: CaseContext) {
  return context.open("/resume", {}, { resume: context.env.resume() });
}
