import { between, equal, matches, moment, ok, SLACK_MS, timed, until } from "./assert.ts";
import { type Case, define, next, numbered, rejection, thrown } from "./case-context.ts";

/** How a Conn is ended, or moved, by its user. */
export const leaving: readonly Case[] = [
  define("sends the code and reason of close() to the server, after all that was sent", async (context) => {
    const conn = context.conn(context.url("/echo"));
    const closed = next(conn, "closed");
    await conn.ready();
    for (const text of numbered(100)) conn.send(text);
    const info = await conn.close(4001, "bye, grüße");
    equal(info, { code: 4001, reason: "bye, grüße", clean: true, by: "local", unsent: [], inDoubt: [] });
    ok(info === (await conn.closed) && info === (await closed), "close(), closed and the event differ.");
    const log = await context.logged("it is gone", ({ live }) => live === 0);
    equal(log.closes, [{ code: 4001, reason: "bye, grüße" }]);
    equal(log.texts, numbered(100));
  }),

  define("cuts a long reason at a character", async (context) => {
    const conn = await context.open("/echo");
    await conn.close(1000, "ü".repeat(100));
    const { closes } = await context.logged("it is gone", ({ live }) => live === 0);
    equal(closes, [{ code: 1000, reason: "ü".repeat(61) }]);
  }),

  define("throws bad-option for a code that a client may not send", async (context) => {
    const conn = await context.open("/echo");
    for (const code of [999, 1001, 1006, 1011, 5000, 1000.5]) {
      equal(
        thrown(context, () => conn.close(code)),
        "bad-option",
      );
    }
    equal(conn.state, "open");
  }),

  define("resolves close() within closeTimeoutMs when the server never answers", async (context) => {
    // Longer than the default, which the lower bound would show.
    const closeTimeoutMs = 2_500;
    const conn = await context.open("/silent", {}, { closeTimeoutMs });
    const start = performance.now();
    const closing = conn.close();
    equal(conn.state, "closing");
    between(closeTimeoutMs, await timed(closing, start), closeTimeoutMs + SLACK_MS);
    matches(await closing, { code: 1006, clean: false, by: "local" });
  }),

  define("closes at once while connecting, and gives back what was not sent", async (context) => {
    const conn = context.conn(context.url("/", {}, context.env.never));
    const fate = rejection(context, conn.send("one"));
    conn.send(Uint8Array.of(2));
    await until("it dials", () => conn.state === "connecting");
    await moment();
    const info = conn.close();
    between(0, await timed(info), SLACK_MS);
    matches(await info, { code: 1000, by: "local", unsent: ["one", Uint8Array.of(2)] });
    equal(await fate, "closed");
  }),

  define("closes at once while waiting for a retry", async (context) => {
    const conn = context.conn(context.url("/", {}, context.env.refused), { backoff: () => 60_000 });
    conn.send("one");
    await next(conn, "waiting");
    equal(conn.state, "waiting");
    const info = conn.close(4001, "enough");
    between(0, await timed(info), SLACK_MS);
    matches(await info, { code: 4001, reason: "enough", by: "local", unsent: ["one"] });
  }),

  define("ends when its signal is aborted, and pending calls reject with the signal's reason", async (context) => {
    const controller = new AbortController();
    const conn = await context.open("/echo", {}, { signal: controller.signal });
    const pull = conn.receive().catch((error: unknown) => error);
    controller.abort("enough");
    matches(await conn.closed, { by: "signal" });
    matches((await pull) as object, { code: "aborted", cause: "enough" });
    await context.logged("it is gone", ({ live }) => live === 0);
  }),

  define("replaces the connection on reconnect(), and the server keeps one", async (context) => {
    const conn = await context.open("/echo");
    conn.send("one");
    equal(await conn.receive(), "one");
    const open = next(conn, "open");
    conn.reconnect();
    conn.send("two");
    matches(await open, { attempt: 0, reconnected: true });
    equal(await conn.receive(), "two");
    const log = await context.logged("one is left", ({ live, opened }) => live === 1 && opened === 2);
    matches(log, { texts: ["one", "two"], closes: [{ code: 4001, reason: "" }] });
  }),

  define("cuts a wait short on connect()", async (context) => {
    const conn = context.conn(context.url("/drop", { after: 1, times: 1 }), { backoff: () => 60_000 });
    conn.send("drop me");
    await next(conn, "waiting");
    conn.connect();
    matches(await next(conn, "open"), { attempt: 1 });
  }),
];
