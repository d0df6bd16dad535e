import { afterEach, expect, test } from "vitest";
import { WebSocketServer } from "ws";
import { likeWs } from "./like-ws.ts";
import { DEAD_AFTER_MS, HEARTBEAT, type Line, openLine, SLACK_MS, until } from "./line.ts";
import { tautline, type YDoc, type YProvider, yjs } from "./packages.ts";

const { Doc, WebsocketProvider, setupWSConnection } = await yjs();

let line: Line;
const left: { destroy(): void }[] = [];
let stop: () => Promise<void> = async () => {};
/** Connections that the server was given. */
let served = 0;

afterEach(async () => {
  for (const each of left.splice(0)) each.destroy();
  await stop();
  await line.close();
});

/** The server of Yjs over plain ws. */
async function serveWs(): Promise<Line> {
  served = 0;
  const sockets = new WebSocketServer({ noServer: true });
  line = await openLine((request, socket, head) =>
    sockets.handleUpgrade(request, socket, head, (accepted) => {
      served++;
      accepted.on("error", () => {});
      setupWSConnection(accepted, request);
    }),
  );
  return line;
}

/** The same server over tautline's own, with sessions. It takes sockets of ws. */
async function serveSessions(): Promise<Line> {
  const { asWebSocket, handler } = await tautline();
  served = 0;
  const serve = handler(
    async (conn, request) => {
      served++;
      setupWSConnection(likeWs(asWebSocket(conn)), request);
      await conn.closed;
    },
    { resume: {} },
  );
  stop = () => serve.shutdown({ timeoutMs: 100 });
  line = await openLine((...upgrade) => serve.upgrade(...upgrade));
  return line;
}

async function open(url: string, room: string, options: object) {
  const { webSocket } = await tautline();
  const doc = new Doc();
  const WebSocketPolyfill = webSocket(options);
  const provider = new WebsocketProvider(url, room, doc, { WebSocketPolyfill, disableBc: true, maxBackoffTime: 50 });
  const statuses: string[] = [];
  provider.on("status", ({ status }: { status: string }) => statuses.push(status));
  left.push(provider, doc);
  await until("it is synced", () => provider.synced);
  return { doc, provider, statuses };
}

const textOf = (doc: YDoc) => doc.getText("text").toString();

test('with "close" two documents meet again after a drop', async () => {
  const { url, proxy } = await serveWs();
  const a = await open(url, "close", {});
  const b = await open(url, "close", {});
  a.doc.getText("text").insert(0, "before ");
  await until("b has it", () => textOf(b.doc) === "before ");
  proxy.cut();
  a.doc.getText("text").insert(7, "after");
  await until("b has all", () => textOf(b.doc) === "before after");
  expect(served).toBeGreaterThanOrEqual(4);
});

test('with "close" a black hole is known after the time of the heartbeat', async () => {
  const { url, proxy } = await serveWs();
  const { statuses } = await open(url, "blackhole", { heartbeat: HEARTBEAT });
  const start = performance.now();
  proxy.blackhole();
  await until("it is known", () => statuses.includes("disconnected"));
  expect(performance.now() - start).toBeLessThan(DEAD_AFTER_MS + SLACK_MS);
});

test('with "hide" twenty cuts lose nothing, and the provider notices none', async () => {
  const { resume } = await tautline();
  const { url, proxy } = await serveSessions();
  const options = { drops: "hide", resume: resume(), backoff: () => 0, heartbeat: HEARTBEAT };
  const a = await open(url, "hide", options);
  const b = await open(url, "hide", options);
  const statuses: string[] = [];
  for (const { provider } of [a, b]) watch(provider, statuses);
  let expected = "";
  for (let cut = 0; cut < 20; cut++) {
    a.doc.getText("text").insert(expected.length, `${cut} `);
    expected += `${cut} `;
    proxy.cut();
    await until(`b has cut ${cut}`, () => textOf(b.doc) === expected);
  }
  // Otherwise nothing was cut in the meantime.
  expect(proxy.connectTimes.length).toBeGreaterThan(40);
  expect(textOf(a.doc)).toBe(expected);
  expect([statuses, served]).toEqual([[], 2]);
}, 30_000);

function watch(provider: YProvider, statuses: string[]): void {
  provider.on("status", ({ status }: { status: string }) => statuses.push(status));
  provider.on("connection-close", () => statuses.push("closed"));
}
