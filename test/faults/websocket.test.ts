// The promises of tautline/websocket over each fault of a line, with real sockets: a table in its guide has them all.
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { resume } from "tautline/resume";
import { type Handler, handle, handler } from "tautline/server";
import { type FaultProxy, faultProxy } from "tautline/testing";
import { ReconnectingWebSocket, type WebSocketOptions, webSocket } from "tautline/websocket";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

const HEARTBEAT = { intervalMs: 100, timeoutMs: 200 };
const OPTIONS = { heartbeat: HEARTBEAT, connectTimeoutMs: 400, backoff: () => 0 };
const DEAD_AFTER_MS = HEARTBEAT.intervalMs + HEARTBEAT.timeoutMs;
const SLACK_MS = 1_000;

/** Faults of a line that is open. */
const FAULTS: Readonly<Record<string, (proxy: FaultProxy) => void>> = {
  cut: (proxy) => proxy.cut(),
  reset: (proxy) => proxy.reset(),
  "cut within a frame": (proxy) => proxy.cutInFrame("client"),
  "black hole": (proxy) => proxy.blackhole(),
  "half-open line": (proxy) => proxy.halfOpen("server"),
};
/** Faults of a dial. */
const REFUSALS: Readonly<Record<string, (proxy: FaultProxy) => unknown>> = {
  refused: (proxy) => proxy.refuse(),
  "never answered": (proxy) => proxy.hang(),
  "answered with 503": (proxy) => proxy.respond(503),
};

let server: Server;
let serve: Handler;
let unserve: () => void;
let proxy: FaultProxy;
let received: unknown[];
const left: { close(): void }[] = [];

/** An echo with sessions. */
function start(): void {
  serve = handler(
    async (conn) => {
      for await (const message of conn) {
        received.push(message);
        conn.send(message);
      }
    },
    { resume: {}, onError() {} },
  );
  unserve = handle(server, "/", serve);
}

beforeEach(async () => {
  received = [];
  server = createServer();
  start();
  await once(server.listen(0, "127.0.0.1"), "listening");
  proxy = await faultProxy((server.address() as AddressInfo).port, { seed: 7 });
});
afterEach(async () => {
  for (const socket of left.splice(0)) socket.close();
  await proxy.close();
  await serve.shutdown({ timeoutMs: 50 });
  server.closeAllConnections();
  server.close();
});

const url = () => `ws://127.0.0.1:${proxy.port}/`;

interface Watched {
  onopen: unknown;
  onmessage: unknown;
  onerror: unknown;
  onclose: unknown;
  close(): void;
}

/** The events of a socket, and what came, in order. */
function watch(socket: Watched) {
  left.push(socket);
  const events: string[] = [];
  const data: unknown[] = [];
  socket.onopen = () => events.push("open");
  socket.onerror = () => events.push("error");
  socket.onclose = ({ code, wasClean }: CloseEvent) => events.push(`close ${code} ${wasClean}`);
  socket.onmessage = (event: MessageEvent) => data.push(event.data);
  return { events, data };
}

function open(options: WebSocketOptions = {}) {
  const socket = new (webSocket({ ...OPTIONS, ...options }))(url());
  return { socket, ...watch(socket) };
}

const until = (isSo: () => boolean) => vi.waitFor(() => expect(isSo()).toBe(true), { timeout: 5_000, interval: 5 });

describe.each(Object.entries(FAULTS))("%s", (_name, act) => {
  test('with "close" the socket ends with 1006 within the time of the heartbeat, and dials nothing again', async () => {
    const { socket, events } = open();
    await until(() => events.length === 1);
    const start = performance.now();
    act(proxy);
    // A cut within a frame needs one.
    socket.send("x".repeat(1_000));
    await until(() => events.length === 2);
    expect(performance.now() - start).toBeLessThan(DEAD_AFTER_MS + SLACK_MS);
    expect([events, proxy.connectTimes.length]).toEqual([["open", "close 1006 false"], 1]);
  });

  test('with "reopen" it opens again after the fault, and messages made meanwhile arrive in order', async () => {
    const socket = new ReconnectingWebSocket(url(), [], OPTIONS);
    const { events, data } = watch(socket);
    await until(() => events.length === 1);
    act(proxy);
    socket.send("x".repeat(1_000));
    await until(() => events.length === 2);
    for (let i = 0; i < 10; i++) socket.send(`${i}`);
    await proxy.heal();
    await until(() => data.includes("9"));
    expect(events.slice(0, 2)).toEqual(["open", "close 1006 false"]);
    expect(data.filter((text) => text !== "x".repeat(1_000))).toEqual(Array.from({ length: 10 }, (_, i) => `${i}`));
  });

  test('with "hide" nothing is seen of it, and every message arrives once and in order', async () => {
    const { socket, events, data } = open({ drops: "hide", resume: resume() });
    await until(() => events.length === 1);
    for (let i = 0; i < 40; i++) {
      socket.send(`${i} ${"x".repeat(1_000)}`);
      if (i === 20) act(proxy);
    }
    await new Promise((resolve) => setTimeout(resolve, DEAD_AFTER_MS));
    await proxy.heal();
    await until(() => data.length >= 40);
    const expected = Array.from({ length: 40 }, (_, i) => `${i} ${"x".repeat(1_000)}`);
    expect([events, received, data]).toEqual([["open"], expected, expected]);
  });
});

describe.each(Object.entries(REFUSALS))("a dial that is %s", (_name, act) => {
  test('with "close" is an error event and close 1006', async () => {
    await act(proxy);
    const { events } = open();
    await until(() => events.length === 2);
    expect(events).toEqual(["error", "close 1006 false"]);
  });

  test('with "reopen" is tried again until it is answered', async () => {
    await act(proxy);
    const { events } = watch(new ReconnectingWebSocket(url(), [], { ...OPTIONS, shouldRetry: () => true }));
    await until(() => events.length >= 2);
    await proxy.heal();
    await until(() => events.at(-1) === "open");
    expect(events.slice(0, 2)).toEqual(["error", "close 1006 false"]);
  });
});

describe("close() while the line is down", () => {
  const LATER = { backoff: () => 60_000 };

  test('with "reopen" is a close event with 1006, because no handshake took place', async () => {
    const socket = new ReconnectingWebSocket(url(), [], { ...OPTIONS, ...LATER });
    const { events } = watch(socket);
    await until(() => events.length === 1);
    proxy.cut();
    await until(() => events.length === 2);
    socket.close(4000, "done");
    await until(() => events.length === 3);
    expect([events, socket.readyState]).toEqual([["open", "close 1006 false", "close 1006 false"], 3]);
  });

  test('with "hide" is the same', async () => {
    const drop = vi.fn(() => 60_000);
    const { socket, events } = open({ drops: "hide", resume: resume(), backoff: drop });
    await until(() => events.length === 1);
    proxy.cut();
    // The wait for the next dial is all that is seen of it.
    await until(() => drop.mock.calls.length === 1);
    socket.close(4000, "done");
    await until(() => events.length === 2);
    expect([events, socket.readyState]).toEqual([["open", "close 1006 false"], 3]);
  });
});

describe("a restart of the server", () => {
  async function restart(): Promise<void> {
    unserve();
    await serve.shutdown({ timeoutMs: 50 });
    start();
  }

  test('with "close" and "reopen" the socket tells the server\'s 1001', async () => {
    const once = open();
    const { events } = watch(new ReconnectingWebSocket(url(), [], OPTIONS));
    await until(() => once.events.length === 1 && events.length === 1);
    await restart();
    await until(() => events.length === 3);
    expect([once.events, events]).toEqual([
      ["open", "close 1001 true"],
      ["open", "close 1001 true", "open"],
    ]);
  });

  test('with "hide" the session is lost, and the socket ends; nothing of the old session reaches the new one', async () => {
    const { socket, events } = open({ drops: "hide", resume: resume() });
    await until(() => events.length === 1);
    const restarted = restart();
    socket.send("said meanwhile");
    await restarted;
    const before = received.length;
    await until(() => events.length > 1);
    expect(events.at(-1)).toBe("close 1006 false");
    expect(received.slice(before)).toEqual([]);
  });
});
