// The server that is attacked: the documented patterns, with the options as they are by default. It answers its parent:
// { type: "report" } with what it has spent so far. Its heap is bounded by the flag it is started with.
import { createServer } from "node:http";
import { json, readable, text } from "tautline";
import { cbor } from "tautline/codec/cbor";
import { compressed } from "tautline/codec/compressed";
import { msgpack } from "tautline/codec/msgpack";
import { rpc } from "tautline/rpc";
import { handle, handler } from "tautline/server";

const server = createServer((_request, response) => response.end("page"));
const errors = new Map();
const onError = (error) => {
  const name = error?.code ?? error?.name ?? String(error);
  errors.set(name, (errors.get(name) ?? 0) + 1);
};
const resume = {};

/** Answers each message, pulled one after another. */
async function echo(conn) {
  for await (const message of conn) await conn.send(message);
}

/** Answers each message, pushed. */
const push = (conn) => {
  conn.on("message", ({ say }) => conn.send({ said: say }));
};

/** Takes nothing in: what comes waits. */
const ignore = (conn) => conn.closed;

/** Sends as fast as the outbox lets it, to a client that may not read. */
async function feed(conn) {
  for (let n = 0; ; n++) await conn.send({ n, filler: "x".repeat(1_000) });
}

/** Sends without ever waiting, as a ticker that is written in a hurry. */
const ticker = (conn) => {
  const timer = setInterval(() => {
    for (let n = 0; n < 1_000; n++) conn.send({ n, filler: "x".repeat(1_000) }).catch(() => {});
  }, 10);
  return conn.closed.then(() => clearInterval(timer));
};

/** Reads as a web stream. */
const stream = async (conn) => {
  for await (const message of readable(conn)) await conn.send(message);
};

/** Answers calls, of which some never end. */
const serveCalls = (conn) => {
  const fail = () => {
    throw new Error("mine");
  };
  const handlers = { echo: (params) => params, wait: () => new Promise(() => {}), fail };
  return rpc(conn, { handlers, onError }).closed;
};

const common = { onError };
const handlers = {
  "/echo": handler(echo, { ...common, codec: json() }),
  "/push": handler(push, { ...common, codec: json() }),
  "/ignore": handler(ignore, { ...common, codec: text }),
  "/feed": handler(feed, { ...common, codec: json() }),
  "/ticker": handler(ticker, { ...common, codec: json() }),
  "/stream": handler(stream, { ...common, codec: json() }),
  "/resume/echo": handler(echo, { ...common, codec: json(), resume }),
  "/resume/push": handler(push, { ...common, codec: json(), resume }),
  "/resume/ignore": handler(ignore, { ...common, codec: text, resume }),
  "/resume/ticker": handler(ticker, { ...common, codec: json(), resume }),
  "/rpc": handler(serveCalls, { ...common, codec: json() }),
  "/setup": handler(echo, {
    ...common,
    codec: json(),
    setup: ({ signal }) => new Promise((_, no) => signal.addEventListener("abort", no)),
  }),
  "/login": handler(echo, {
    ...common,
    codec: json(),
    authenticate: () => new Promise((resolve) => setTimeout(resolve, 200, "somebody")),
  }),
  "/admission": handler(echo, { ...common, codec: json(), admission: { perSecond: 50, burst: 10 } }),
  "/msgpack": handler(echo, { ...common, codec: msgpack() }),
  "/cbor": handler(echo, { ...common, codec: cbor() }),
  "/compressed": handler(echo, { ...common, codec: compressed(msgpack()) }),
};
for (const [path, each] of Object.entries(handlers)) handle(server, path, each);

let peakRss = 0;
setInterval(() => {
  peakRss = Math.max(peakRss, process.memoryUsage.rss());
}, 20).unref();

process.on("message", async ({ type }) => {
  if (type === "report") {
    globalThis.gc?.();
    const { user, system } = process.cpuUsage();
    const conns = Object.values(handlers).reduce((sum, { conns: { size } }) => sum + size, 0);
    process.send({
      cpuMs: (user + system) / 1_000,
      peakRss,
      heap: process.memoryUsage().heapUsed,
      conns,
      errors: [...errors],
    });
  }
  if (type === "shutdown") {
    await Promise.all(Object.values(handlers).map((each) => each.shutdown({ timeoutMs: 500 })));
    server.closeAllConnections();
    server.close(() => process.exit(0));
  }
});

server.listen(0, "127.0.0.1", () => process.send({ port: server.address().port }));
