import { codeOf, equal, matches, ok, show, until } from "./assert.ts";
import { type Case, define, each, next, numbered, received, rejection, thrown } from "./case-context.ts";

const binary = Uint8Array.from({ length: 256 }, (_, i) => i);
const unicode = "\ufeffgrüße, 你好, 👩‍👩‍👧 \u2028\u0000\u{10ffff}";

/** Messages, from the send to the receipt. */
export const messages: readonly Case[] = [
  ...each(
    [
      ["text", "hello"],
      ["empty text", ""],
      ["unicode", unicode],
      ["1 MiB of text", "x".repeat(2 ** 20)],
      ["bytes", binary],
      ["no bytes", new Uint8Array(0)],
      ["1 MiB of bytes", new Uint8Array(2 ** 20).fill(7)],
      ["a part of a larger buffer", binary.subarray(10, 20)],
    ] as const,
    ([name]) => `brings back ${name} as it was`,
    async (context, [, payload]) => {
      const conn = await context.open("/echo");
      await conn.send(payload);
      const echo = await conn.receive();
      ok(typeof echo === "string" || echo.constructor === Uint8Array, `A ${echo.constructor.name} came.`);
      equal(echo, context.env.eatsBom && payload === unicode ? unicode.slice(1) : payload);
    },
  ),

  define("keeps the order of 1,000 messages sent in one turn", async (context) => {
    const conn = await context.open("/echo");
    const texts = numbered(1_000);
    for (const text of texts) conn.send(text);
    equal(await received(conn, 1_000), texts);
    matches(conn.stats, { sent: 1_000, received: 1_000 });
  }),

  define("keeps the order of a burst of text and bytes, large and small", async (context) => {
    const conn = await context.open("/echo");
    const burst = Array.from({ length: 60 }, (_, i) =>
      i % 3 === 0 ? `${i}` : new Uint8Array(i % 3 === 1 ? 70_000 : 0).fill(i),
    );
    for (const payload of burst) conn.send(payload);
    equal(await received(conn, 60), burst);
  }),

  define("keeps the messages of ten Conns apart", async (context) => {
    const conns = await Promise.all(numbered(10).map(() => context.open("/echo")));
    for (const text of numbered(20)) {
      for (const [i, conn] of conns.entries()) conn.send(`${i}: ${text}`);
    }
    const all = await Promise.all(conns.map((conn) => received(conn, 20)));
    equal(
      all,
      conns.map((_, i) => numbered(20).map((text) => `${i}: ${text}`)),
    );
  }),

  define("sends what was queued before it was open, in order", async (context) => {
    const conn = context.conn(context.url("/echo"));
    const texts = numbered(100);
    const fates = texts.map((text) => conn.send(text));
    equal(conn.stats.outbox.messages, 100);
    await Promise.all(fates);
    equal(await received(conn, 100), texts);
  }),

  define("loses no message that comes with the handshake, though nobody listens yet", async (context) => {
    const conn = await context.open("/first-message", { count: 3 });
    await until("all are here", () => conn.stats.inbox.messages === 3);
    equal(await received(conn, 3), ["first 0", "first 1", "first 2"]);
  }),

  define("frames bytes as payloadType says", async (context) => {
    const conn = await context.open("/echo");
    const bytes = new TextEncoder().encode("hé");
    conn.payloadType = "text";
    await conn.write(bytes);
    conn.payloadType = "binary";
    await conn.write(bytes);
    equal([await conn.read(), await conn.read()], ["hé", bytes]);
  }),

  define("speaks JSON", async (context) => {
    const value = { a: [1, null, "ü"], b: { c: true } };
    const conn = await context.open("/echo", {}, { codec: context.tautline.json() });
    await conn.send(value);
    equal(await conn.receive(), value);
    equal((await context.log()).texts, [JSON.stringify(value)]);
  }),

  define("tells of a message that can't be decoded, and receives the next", async (context) => {
    const conn = await context.open("/echo", {}, { codec: context.tautline.json() });
    const error = next(conn, "error");
    for (const text of ["{", "1", "}", "2"]) conn.write(text);
    equal(await rejection(context, conn.receive()), "unmarshal");
    matches(await error, { code: "unmarshal", payload: "{" });
    equal(await conn.receive(), 1);
    const values: unknown[] = [];
    for await (const value of conn) {
      values.push(value);
      break;
    }
    equal(values, [2]);
    equal(conn.state, "open");
  }),

  define("throws at once for a value that can't be sent", async (context) => {
    const conn = await context.open("/echo", {}, { codec: context.tautline.json(), maxSendBytes: 5 });
    equal(
      [() => conn.send(() => {}), () => conn.send("12345")].map((act) => thrown(context, act)),
      ["marshal", "too-large"],
    );
    equal(conn.state, "open");
  }),

  define(
    "ends with 1009 on a message longer than maxPayloadBytes, and takes one of just that length",
    async (context) => {
      const options = { maxPayloadBytes: 100_000 };
      const fitting = await context.open("/large", { bytes: 100_000 }, options);
      equal((await fitting.receive()).length, 100_000);
      const conn = context.conn(context.url("/large", { bytes: 100_001 }), options);
      const info = await conn.closed;
      matches(info, { code: 1009, by: "local" });
      equal(codeOf(info.error?.cause), "too-large");
      equal(await rejection(context, conn.receive()), "closed");
      // A page may not send 1009.
      const { closes } = await context.logged("the server sees a close", (log) => log.closes.length > 0);
      ok([1009, 4009].includes(closes[0]?.code ?? 0), `It saw ${show(closes)}.`);
    },
  ),

  define("delivers every message to a listener, also those that came before it", async (context) => {
    const conn = await context.open("/first-message", { count: 2 });
    await until("both are here", () => conn.stats.inbox.messages === 2);
    const heard: unknown[] = [];
    conn.on("message", (payload) => heard.push(payload));
    conn.send("third");
    await until("all are heard", () => heard.length === 3);
    equal(heard, ["first 0", "first 1", "third"]);
  }),

  define("refuses to pull while a listener gets every message, and not after its undo", async (context) => {
    const conn = await context.open("/echo");
    const early = rejection(context, conn.receive());
    const off = conn.on("message", () => {});
    equal(await early, "misuse");
    equal(await rejection(context, conn.receive()), "misuse");
    equal(await rejection(context, conn.read()), "misuse");
    equal(await rejection(context, conn[Symbol.asyncIterator]().next()), "misuse");
    off();
    conn.send("pulled");
    equal(await conn.receive(), "pulled");
  }),

  define("serves pulls in the order of their calls", async (context) => {
    const conn = await context.open("/echo");
    const pulls = numbered(10).map(() => conn.receive());
    for (const text of numbered(10)) conn.send(text);
    equal(await Promise.all(pulls), numbered(10));
  }),

  define("loses no message by an aborted receive", async (context) => {
    const conn = await context.open("/echo");
    const controller = new AbortController();
    const pull = rejection(context, conn.receive({ signal: controller.signal }));
    const second = conn.receive();
    controller.abort();
    equal(await pull, "aborted");
    conn.send("for the second");
    conn.send("for the third");
    equal([await second, await conn.receive()], ["for the second", "for the third"]);
  }),

  define("iterates across a reconnection, ends when closed, and stays open when the loop is left", async (context) => {
    const conn = await context.open("/echo");
    const heard: unknown[] = [];
    conn.send("one");
    for await (const text of conn) {
      heard.push(text);
      break;
    }
    const loop = (async () => {
      for await (const text of conn) heard.push(text);
    })();
    const reopened = next(conn, "open");
    await context.log("drop");
    await reopened;
    conn.send("two");
    await until("it is heard", () => heard.length === 2);
    await conn.close();
    await loop;
    equal(heard, ["one", "two"]);
  }),

  define("lets send() wait while the server does not read, and go on when it reads again", async (context) => {
    const highWaterMark = 256 * 1024;
    const chunk = new Uint8Array(64 * 1024);
    const count = 256;
    const conn = await context.open("/stall", {}, { outbox: { highWaterMark } });
    let sent = 0;
    let most = 0;
    const pump = (async () => {
      for (; sent < count; sent++) {
        most = Math.max(most, conn.stats.bufferedAmount);
        await conn.send(chunk);
      }
    })();
    if (context.env.hidesBuffer) {
      await pump;
      await context.log("read");
      await context.logged("all is there", ({ bytes }) => bytes === count * chunk.length);
      return;
    }
    let before = -1;
    let still = 0;
    await until("it waits", () => {
      still = sent === before ? still + 1 : 0;
      before = sent;
      return still === 30;
    });
    ok(sent < count, "All was sent to a server that does not read");
    const drained = next(conn, "drained");
    await context.log("read");
    await pump;
    await drained;
    await conn.flush();
    ok(most <= highWaterMark, `send() resolved with ${most} bytes in the buffer.`);
    await context.logged("all is there", ({ bytes }) => bytes === count * chunk.length);
  }),
];
