import { equal, matches, ok } from "./assert.ts";
import { type Case, define, next, received, thrown } from "./case-context.ts";

/** How a Conn comes to be open. */
export const opening: readonly Case[] = [
  define("opens, and tells protocol, attempt and that it was never open before", async (context) => {
    const conn = context.conn(context.url("/echo"));
    const states: string[] = [conn.state];
    conn.on("state", ({ to }) => states.push(to));
    const open = await next(conn, "open");
    matches(open, { protocol: "", attempt: 0, reconnected: false, resumed: false });
    ok(open.downMs >= 0, "downMs is no time");
    equal(states, ["idle", "connecting", "open"]);
    equal(conn.state, "open");
  }),

  define("dials a http: URL as ws:, and https: as wss:", async (context) => {
    const conn = context.conn(context.url("/echo").replace("ws", "http"));
    await conn.ready();
    equal(conn.url, context.url("/echo"));
  }),

  define("throws bad-url for what is no URL of a WebSocket", async (context) => {
    for (const url of ["http://[", "ftp://x/", "ws://x/#part"]) {
      equal(
        thrown(context, () => context.conn(url)),
        "bad-url",
      );
    }
  }),

  define("honours options that only Node can, or throws unsupported", async (context) => {
    const url = context.url("/echo");
    if (!context.env.isNode) {
      for (const options of [{ headers: { "x-name": "value" } }, { origin: "http://x" }, { clientOptions: {} }]) {
        equal(
          thrown(context, () => context.conn(url, options)),
          "unsupported",
        );
      }
      return;
    }
    await context.open("/echo", {}, { headers: { "x-name": "value" }, origin: "http://elsewhere.test" });
    matches((await context.log()).headers, { "x-name": "value", origin: "http://elsewhere.test" });
  }),

  define("sends the Origin of its page, or of the URL where ws can, else none", async (context) => {
    await context.open("/echo");
    equal((await context.log()).headers.origin, context.env.origin);
  }),

  define("tells the subprotocol that the server selected", async (context) => {
    const conn = context.conn(context.url("/protocol", { select: "two" }), { protocols: ["one", "two"] });
    equal((await next(conn, "open")).protocol, "two");
    equal(conn.protocol, "two");
    equal((await context.log()).headers["sec-websocket-protocol"]?.replace(/ /g, ""), "one,two");
  }),

  define("counts an upgrade that selects no subprotocol as a failed attempt", async (context) => {
    const conn = context.conn(context.url("/protocol"), { protocols: ["one", "two"] });
    let opens = 0;
    conn.on("open", () => opens++);
    const lost = await next(conn, "disconnected");
    matches(lost, { code: 1006, clean: false, wasOpen: false, willRetry: true });
    await context.logged("it tries again", ({ upgrades }) => upgrades > 1);
    equal(opens, 0);
  }),

  define("asks the url function on every attempt", async (context) => {
    const attempts: unknown[] = [];
    const conn = context.conn(({ attempt, previous }) => {
      attempts.push([attempt, previous?.code]);
      return attempt === 0 ? context.url("/echo", {}, context.env.refused) : context.url("/echo");
    });
    await conn.ready();
    equal(attempts, [
      [0, undefined],
      [1, 1006],
    ]);
  }),

  define("runs setup before anything queued, and gives it the messages that come meanwhile", async (context) => {
    const heard: unknown[] = [];
    const conn = context.conn(context.url("/first-message", { count: 3 }), {
      async setup({ send, receive, attempt }) {
        send("login");
        heard.push(attempt, await receive(), await receive());
        send("subscribe");
      },
    });
    conn.send("queued");
    await conn.flush();
    equal(heard, [0, "first 0", "first 1"]);
    equal(await received(conn, 4), ["first 2", "login", "subscribe", "queued"]);
    equal((await context.log()).texts, ["login", "subscribe", "queued"]);
  }),

  define("tries again after a setup that throws, and ends after one that throws fatal", async (context) => {
    const { fatal } = context.tautline;
    const conn = context.conn(context.url("/echo"), {
      setup({ attempt }) {
        throw attempt === 0 ? new Error("try again") : fatal("rejected");
      },
    });
    matches(await next(conn, "disconnected"), { wasOpen: false, willRetry: true });
    matches(await conn.closed, { by: "policy" });
  }),
];
