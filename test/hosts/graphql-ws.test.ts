import { afterEach, expect, test } from "vitest";
import { WebSocketServer } from "ws";
import { DEAD_AFTER_MS, HEARTBEAT, type Line, openLine, SLACK_MS, sleep, until } from "./line.ts";
import { type GraphqlClient, graphql, tautline } from "./packages.ts";

const { buildSchema, createClient, makeServer } = graphql();
const PROTOCOL = "graphql-transport-ws";

let line: Line;
let client: GraphqlClient | undefined;
let stop: () => Promise<void> = async () => {};
/** Subscriptions that the server was asked for. */
let subscribed = 0;

afterEach(async () => {
  await client?.dispose();
  await stop();
  await line.close();
});

/** A schema whose subscription counts, every 10 ms. */
function createServer() {
  subscribed = 0;
  const schema = buildSchema("type Query { hello: String } type Subscription { count: Int }");
  const roots = {
    query: { hello: () => "hello" },
    subscription: {
      async *count() {
        subscribed++;
        for (let count = 0; ; count++) {
          yield { count };
          await sleep(10);
        }
      },
    },
  };
  return makeServer({ schema, roots });
}

/** The server of graphql-ws over plain ws, as its own adapter serves it. */
async function serveWs(): Promise<Line> {
  const server = createServer();
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => PROTOCOL });
  line = await openLine((request, socket, head) =>
    sockets.handleUpgrade(request, socket, head, (accepted) => {
      const closed = server.opened(
        {
          protocol: accepted.protocol,
          send: (data) => accepted.readyState === 1 && accepted.send(data),
          close: (code, reason) => accepted.close(code, reason),
          onMessage: (listener) => accepted.on("message", (data) => listener(String(data))),
        },
        {},
      );
      accepted.on("error", () => {});
      accepted.on("close", (code, reason) => closed(code, String(reason)));
    }),
  );
  return line;
}

/** The same server over tautline's own, with sessions. */
async function serveSessions(): Promise<Line> {
  const { asWebSocket, handler } = await tautline();
  const server = createServer();
  const serve = handler(
    async (conn) => {
      const socket = asWebSocket(conn);
      const closed = server.opened(
        {
          protocol: conn.protocol,
          send: (data) => socket.send(data),
          close: (code, reason) => socket.close(code, reason),
          onMessage: (listener) => socket.addEventListener("message", ({ data }) => listener(data)),
        },
        {},
      );
      socket.addEventListener("close", ({ code, reason }) => closed(code, reason));
      await conn.closed;
    },
    { resume: {}, protocols: [PROTOCOL] },
  );
  stop = () => serve.shutdown({ timeoutMs: 100 });
  line = await openLine((...upgrade) => serve.upgrade(...upgrade));
  return line;
}

function count(): { readonly counts: number[]; readonly done: Promise<void> } {
  const counts: number[] = [];
  const iterator = (client as GraphqlClient).iterate({ query: "subscription { count }" });
  const done = (async () => {
    for await (const { data } of iterator) counts.push(data.count);
  })();
  done.catch(() => {});
  return { counts, done };
}

test('with "close" it dials again itself after a drop, and subscribes anew', async () => {
  const { webSocket } = await tautline();
  const { url, proxy } = await serveWs();
  client = createClient({ url, webSocketImpl: webSocket(), retryAttempts: 100, retryWait: () => sleep(10) });
  const { counts } = count();
  await until("it counts", () => counts.length > 3);
  proxy.cut();
  await until("it subscribes again", () => subscribed === 2);
  const { length } = counts;
  await until("it counts again", () => counts.length > length + 3);
  expect(counts.filter((each) => each === 0)).toHaveLength(2);
});

test('with "close" a black hole is known after the time of the heartbeat', async () => {
  const { webSocket } = await tautline();
  const { url, proxy } = await serveWs();
  const closes: number[] = [];
  client = createClient({
    url,
    webSocketImpl: webSocket({ heartbeat: HEARTBEAT, connectTimeoutMs: 500 }),
    retryAttempts: 100,
    retryWait: () => sleep(10),
    on: { closed: ({ code }: CloseEvent) => closes.push(code) },
  });
  const { counts } = count();
  await until("it counts", () => counts.length > 3);
  const start = performance.now();
  proxy.blackhole();
  await until("it is known", () => closes.length > 0);
  expect(performance.now() - start).toBeLessThan(DEAD_AFTER_MS + SLACK_MS);
  expect(closes[0]).toBe(1006);
  await proxy.heal();
  await until("it subscribes again", () => subscribed === 2);
});

test('with "hide" twenty cuts lose nothing, and there is one subscription', async () => {
  const { webSocket, resume } = await tautline();
  const { url, proxy } = await serveSessions();
  const opened: unknown[] = [];
  client = createClient({
    url,
    webSocketImpl: webSocket({ drops: "hide", resume: resume(), backoff: () => 0, heartbeat: HEARTBEAT }),
    on: { opened: (socket: unknown) => opened.push(socket), closed: () => opened.push("closed") },
  });
  const { counts } = count();
  await until("it counts", () => counts.length > 0);
  for (let cut = 0; cut < 20; cut++) {
    const { length } = counts;
    proxy.cut();
    await until("it goes on", () => counts.length > length + 1);
  }
  // Otherwise nothing was cut in the meantime.
  expect(proxy.connectTimes.length).toBeGreaterThan(20);
  expect(counts).toEqual(Array.from({ length: counts.length }, (_, i) => i));
  expect([subscribed, opened.length]).toEqual([1, 1]);
}, 30_000);
