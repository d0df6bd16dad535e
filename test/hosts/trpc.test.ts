import { afterEach, expect, test } from "vitest";
import { WebSocketServer } from "ws";
import { likeWs } from "./like-ws.ts";
import { DEAD_AFTER_MS, HEARTBEAT, type Line, openLine, SLACK_MS, sleep, until } from "./line.ts";
import { tautline, trpc } from "./packages.ts";

const { initTRPC, getWSConnectionHandler, createTRPCClient, createWSClient, wsLink } = trpc();

let line: Line;
let stop: (() => unknown)[] = [];
let added: string[] = [];
let subscribed = 0;
let opened = 0;

afterEach(async () => {
  for (const each of stop) await each();
  stop = [];
  await line.close();
});

function createRouter(): object {
  added = [];
  subscribed = opened = 0;
  const { router, procedure } = initTRPC.create();
  return router({
    add: procedure.input(String).mutation(({ input }) => added.push(input)),
    count: procedure.subscription(async function* ({ signal }) {
      subscribed++;
      for (let count = 0; !signal.aborted; count++) {
        yield count;
        await sleep(10);
      }
    }),
  });
}

const createContext = () => ({});

/** The server of tRPC over plain ws. */
async function serveWs(): Promise<Line> {
  const sockets = new WebSocketServer({ noServer: true });
  const serve = getWSConnectionHandler({ router: createRouter(), createContext, wss: sockets });
  line = await openLine((request, socket, head) =>
    sockets.handleUpgrade(request, socket, head, (accepted) => {
      opened++;
      accepted.on("error", () => {});
      serve(accepted, request);
    }),
  );
  return line;
}

/** The same server over tautline's own, with sessions. */
async function serveSessions(): Promise<Line> {
  const { asWebSocket, handler } = await tautline();
  const serve = getWSConnectionHandler({ router: createRouter(), createContext });
  const sessions = handler(
    async (conn, request) => {
      opened++;
      serve(likeWs(asWebSocket(conn)), request);
      await conn.closed;
    },
    { resume: {} },
  );
  line = await openLine((...upgrade) => sessions.upgrade(...upgrade));
  stop.push(() => sessions.shutdown({ timeoutMs: 100 }));
  return line;
}

function connect(url: string, WebSocket: unknown, closes: unknown[] = []) {
  const client = createWSClient({ url, WebSocket, retryDelayMs: () => 10, onClose: () => closes.push("closed") });
  stop.unshift(() => client.close());
  return createTRPCClient({ links: [wsLink({ client })] });
}

test('with "close" it dials again itself after a drop, and subscribes anew', async () => {
  const { webSocket } = await tautline();
  const { url, proxy } = await serveWs();
  const client = connect(url, webSocket());
  const counts: number[] = [];
  const { unsubscribe } = client.count.subscribe(undefined, { onData: (value) => counts.push(value) });
  stop.unshift(unsubscribe);
  await until("it counts", () => counts.length > 3);
  proxy.cut();
  await until("it subscribes again", () => subscribed === 2);
  expect(await client.add.mutate("after")).toBe(1);
});

test('with "close" a black hole is known after the time of the heartbeat', async () => {
  const { webSocket } = await tautline();
  const { url, proxy } = await serveWs();
  const closes: unknown[] = [];
  const client = connect(url, webSocket({ heartbeat: HEARTBEAT, connectTimeoutMs: 500 }), closes);
  await client.add.mutate("before");
  const start = performance.now();
  proxy.blackhole();
  await until("it is known", () => closes.length > 0);
  expect(performance.now() - start).toBeLessThan(DEAD_AFTER_MS + SLACK_MS);
  await proxy.heal();
  expect(await client.add.mutate("after")).toBe(2);
});

test('with "hide" twenty cuts lose nothing, repeat nothing, and there is one subscription', async () => {
  const { webSocket, resume } = await tautline();
  const { url, proxy } = await serveSessions();
  const closes: unknown[] = [];
  const options = { drops: "hide", resume: resume(), backoff: () => 0, heartbeat: HEARTBEAT } as const;
  const client = connect(url, webSocket(options), closes);
  const counts: number[] = [];
  const { unsubscribe } = client.count.subscribe(undefined, { onData: (value) => counts.push(value) });
  await until("it counts", () => counts.length > 0);
  const calls: Promise<number>[] = [];
  for (let cut = 0; cut < 20; cut++) {
    const { length } = counts;
    calls.push(client.add.mutate(`${cut}`));
    proxy.cut();
    await until("it goes on", () => counts.length > length + 1);
  }
  // Otherwise nothing was cut in the meantime.
  expect(proxy.connectTimes.length).toBeGreaterThan(20);
  expect(await Promise.all(calls)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  unsubscribe();
  expect(added).toEqual(Array.from({ length: 20 }, (_, i) => `${i}`));
  expect(counts).toEqual(Array.from({ length: counts.length }, (_, i) => i));
  expect([subscribed, opened, closes]).toEqual([1, 1, []]);
}, 30_000);
