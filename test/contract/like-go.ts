import { between, equal, matches, SLACK_MS, timed } from "./assert.ts";
import { type Case, define, next, received, type Stage } from "./case-context.ts";

/** The same where the platform sends an Origin; without one such a server lets nobody in. */
function at(name: string, act: (stage: Stage) => Promise<void>): Case {
  return define(name, async (stage) => {
    if (stage.env.origin !== undefined) return act(stage);
    const lost = await next(stage.conn(stage.url("/go")), "disconnected");
    matches(lost, { code: 1006, wasOpen: false });
    equal((await stage.log()).opened, 0);
  });
}

/** How a Conn gets on with a server over golang.org/x/net/websocket. */
export const likeGo: readonly Case[] = [
  at("speaks with a server like Go's, though that never answers a close frame", async (stage) => {
    const conn = await stage.open("/go");
    conn.send("text");
    conn.send(Uint8Array.of(1, 2, 3));
    equal(await received(conn, 2), ["text", Uint8Array.of(1, 2, 3)]);
    const closing = conn.close(1000, "bye");
    between(0, await timed(closing), SLACK_MS);
    matches(await closing, { by: "local", clean: false });
    equal((await stage.log()).closes, [{ code: 1000, reason: "bye" }]);
  }),

  at("leaves a server like Go's within closeTimeoutMs, though its function does not return", async (stage) => {
    const conn = await stage.open("/go", { lingers: "" }, { closeTimeoutMs: 300 });
    const start = performance.now();
    const closing = conn.close(1000, "bye");
    between(300, await timed(closing, start), 300 + SLACK_MS);
    matches(await closing, { by: "local", clean: false });
    equal((await stage.log()).closes, [{ code: 1000, reason: "bye" }]);
  }),

  at("connects again to a server like Go's, whose function ends without a close frame", async (stage) => {
    const conn = await stage.open("/go");
    const lost = next(conn, "disconnected");
    conn.send("return");
    matches(await lost, { code: 1006, clean: false, wasOpen: true, willRetry: true });
    conn.send("again");
    equal(await conn.receive(), "again");
  }),

  at("is refused by a server like Go's for two subprotocols, not for one", async (stage) => {
    const one = await stage.open("/go", {}, { protocols: "one" });
    equal(one.protocol, "one");
    const two = stage.conn(stage.url("/go"), { protocols: ["one", "two"] });
    const { knowsStatus } = stage.env;
    matches(await next(two, "disconnected"), {
      wasOpen: false,
      status: knowsStatus ? 400 : undefined,
      willRetry: !knowsStatus,
    });
  }),
];
