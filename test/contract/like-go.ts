import { between, equal, matches, SLACK_MS, timed } from "./assert.ts";
import { type Case, type CaseContext, define, next, received } from "./case-context.ts";

/** The same where the platform sends an Origin; without one such a server lets nobody in. */
function at(name: string, act: (context: CaseContext) => Promise<void>): Case {
  return define(name, async (context) => {
    if (context.env.origin !== undefined) return act(context);
    const lost = await next(context.conn(context.url("/go")), "disconnected");
    matches(lost, { code: 1006, wasOpen: false });
    equal((await context.log()).opened, 0);
  });
}

/** How a Conn gets on with a server over golang.org/x/net/websocket. */
export const likeGo: readonly Case[] = [
  at("speaks with a server like Go's, though that never answers a close frame", async (context) => {
    const conn = await context.open("/go", {}, { closeTimeoutMs: 2 * SLACK_MS });
    conn.send("text");
    conn.send(Uint8Array.of(1, 2, 3));
    equal(await received(conn, 2), ["text", Uint8Array.of(1, 2, 3)]);
    const closing = conn.close(1000, "bye");
    between(0, await timed(closing), SLACK_MS);
    matches(await closing, { by: "local", clean: false });
    equal((await context.log()).closes, [{ code: 1000, reason: "bye" }]);
  }),

  at("leaves a server like Go's within closeTimeoutMs, though its function does not return", async (context) => {
    // Longer than the default, which the lower bound would show.
    const closeTimeoutMs = 2_500;
    const conn = await context.open("/go", { lingers: "" }, { closeTimeoutMs });
    const start = performance.now();
    const closing = conn.close(1000, "bye");
    between(closeTimeoutMs, await timed(closing, start), closeTimeoutMs + SLACK_MS);
    matches(await closing, { by: "local", clean: false });
    equal((await context.log()).closes, [{ code: 1000, reason: "bye" }]);
  }),

  at("connects again to a server like Go's, whose function ends without a close frame", async (context) => {
    const conn = await context.open("/go");
    const lost = next(conn, "disconnected");
    conn.send("return");
    matches(await lost, { code: 1006, clean: false, wasOpen: true, willRetry: true });
    conn.send("again");
    equal(await conn.receive(), "again");
  }),

  at("is refused by a server like Go's for two subprotocols, not for one", async (context) => {
    const one = await context.open("/go", {}, { protocols: "one" });
    equal(one.protocol, "one");
    const two = context.conn(context.url("/go"), { protocols: ["one", "two"] });
    const { knowsStatus } = context.env;
    matches(await next(two, "disconnected"), {
      wasOpen: false,
      status: knowsStatus ? 400 : undefined,
      willRetry: !knowsStatus,
    });
  }),
];
