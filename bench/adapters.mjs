// Each client behind the same few calls, set up as its README shows. A client's process loads only its own module.
import { createRequire } from "node:module";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { HIGH_WATER_BYTES } from "./workloads.mjs";

export const requireOurs = createRequire(new URL("../package.json", import.meta.url));

/** Loads an entry point of tautline: of this package, or of the build that `--against` names. */
export function loadTautline(entry, isOther = false) {
  if (!isOther) return requireOurs(entry === "index" ? "tautline" : `tautline/${entry}`);
  return requireOurs(join(process.env.BENCH_AGAINST, `node/${entry}.cjs`));
}

/** Polls for room in the buffer: clients other than tautline have no better way. */
async function room(socket) {
  do await setImmediate();
  while (socket.bufferedAmount > HIGH_WATER_BYTES);
}

/** Converts values by hand where the client has no conversion of its own. */
function form({ isJson }) {
  return isJson ? { out: JSON.stringify, in: JSON.parse } : { out: (value) => value, in: (data) => data };
}

/** Returns the WebSocket of `ws`, the same for all clients that take one. */
function ws() {
  return requireOurs("ws").WebSocket;
}

/** Wraps a client that has the interface of WHATWG. */
function whatwg(socket, options, onMessage) {
  const { out, in: into } = form(options);
  socket.binaryType = "arraybuffer";
  // websocket-ts passes itself first, and then the event.
  socket.addEventListener("message", (...given) => onMessage(into(given.at(-1).data)));
  const client = {
    send: (value) => socket.send(out(value)),
    room: () => room(socket),
    close: () => socket.close(),
  };
  return new Promise((resolve) => socket.addEventListener("open", () => resolve(client)));
}

async function bare(url, options, onMessage) {
  const socket = new (ws())(url, { perMessageDeflate: false });
  const { out, in: into } = form(options);
  socket.on("message", (data, isBinary) => onMessage(isBinary ? data : into(data.toString())));
  if (options.pingMs) pinging(socket, options.pingMs);
  await new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject));
  return {
    send: (value) => socket.send(out(value)),
    room: () => room(socket),
    close: () => socket.close(),
    ended: () => new Promise((resolve) => socket.on("close", resolve)),
  };
}

/** Pings as the README of `ws` shows. */
function pinging(socket, pingMs) {
  let isAlive = true;
  const timer = setInterval(() => {
    if (!isAlive) return socket.terminate();
    isAlive = false;
    socket.ping();
  }, pingMs);
  socket.on("pong", () => {
    isAlive = true;
  });
  socket.on("close", () => clearInterval(timer));
}

function tautline({ hasResume = false, isOther = false } = {}) {
  return async (url, options, onMessage) => {
    const { Conn, json } = loadTautline("index", isOther);
    const resume = hasResume && loadTautline("resume", isOther).resume();
    const { pingMs } = options;
    const conn = new Conn(url, {
      ...(options.isJson && { codec: json() }),
      ...(resume && { resume }),
      ...(pingMs && { heartbeat: { intervalMs: pingMs, timeoutMs: pingMs / 2 } }),
    });
    conn.on("message", onMessage);
    let last;
    const client = {
      send: (value) => {
        last = conn.send(value);
      },
      async room() {
        await last;
        await setImmediate();
      },
      close: () => conn.close(),
      ended: () => conn.closed,
    };
    await conn.ready();
    return client;
  };
}

/** Makes calls over a Conn with `json()` by hand: an identifier for each call, and a table of pending calls. */
async function callsByHand(url) {
  const { Conn, json } = loadTautline("index");
  const conn = new Conn(url, { codec: json() });
  const pending = new Map();
  let lastId = 0;
  conn.on("message", ({ id, result }) => {
    pending.get(id)?.(result);
    pending.delete(id);
  });
  await conn.ready();
  return {
    call: (params) =>
      new Promise((resolve) => {
        const id = ++lastId;
        pending.set(id, resolve);
        conn.send({ jsonrpc: "2.0", method: "echo", params, id });
      }),
    close: () => conn.close(),
  };
}

async function callsByRpc(url) {
  const { Conn, json } = loadTautline("index");
  const { rpc } = loadTautline("rpc");
  const conn = new Conn(url.replace("/call", "/rpc"), { codec: json() });
  const peer = rpc(conn);
  await conn.ready();
  return { call: (params) => peer.call("echo", params), close: () => conn.close() };
}

/** Clients in a process of their own, where `open` opens a connection, or in a page. */
export const clients = {
  "bare ws": { server: "plain", open: bare },
  "bare ws again": { server: "plain", open: bare },
  tautline: { server: "plain", open: tautline() },
  "tautline again": { server: "plain", open: tautline() },
  "tautline, resume off": { server: "tautline", open: tautline() },
  "tautline, resume on": { server: "tautline", open: tautline({ hasResume: true }) },
  "tautline, resume off again": { server: "tautline", open: tautline() },
  "json() by hand": { server: "tautline", open: callsByHand },
  "json() by hand again": { server: "tautline", open: callsByHand },
  "tautline/rpc": { server: "tautline", open: callsByRpc },
  "this build": { server: "plain", open: tautline() },
  "other build": { server: "plain", open: tautline({ isOther: true }), isOther: true },
  "other build again": { server: "plain", open: tautline({ isOther: true }), isOther: true },
  "this build, resume on": { server: "tautline", open: tautline({ hasResume: true }) },
  "other build, resume on": { server: "tautline", open: tautline({ hasResume: true, isOther: true }) },
  "other build, resume on again": { server: "tautline", open: tautline({ hasResume: true, isOther: true }) },
  "bare ws + bufferutil": { server: "plain", open: bare, bufferutil: true },
  "tautline + bufferutil": { server: "plain", open: tautline(), bufferutil: true },
  "native WebSocket": { server: "plain", page: "native" },
  "native WebSocket again": { server: "plain", page: "native" },
  "tautline in a page": { server: "plain", page: "tautline" },
  "Node's own WebSocket": {
    server: "plain",
    flags: ["--experimental-websocket"],
    open: async (url, options, onMessage) => whatwg(new WebSocket(url), options, onMessage),
  },
  "reconnecting-websocket": {
    server: "plain",
    async open(url, options, onMessage) {
      const { default: Reconnecting } = await import("reconnecting-websocket");
      return whatwg(new Reconnecting(url, [], { WebSocket: ws() }), options, onMessage);
    },
  },
  partysocket: {
    server: "plain",
    async open(url, options, onMessage) {
      const { WebSocket: Reconnecting } = await import("partysocket");
      return whatwg(new Reconnecting(url, [], { WebSocket: ws() }), options, onMessage);
    },
  },
  "websocket-ts": {
    server: "plain",
    async open(url, options, onMessage) {
      globalThis.WebSocket = ws();
      const { ExponentialBackoff, WebsocketBuilder } = await import("websocket-ts");
      const socket = new WebsocketBuilder(url).withBackoff(new ExponentialBackoff(100, 7)).build();
      return whatwg(socket, options, onMessage);
    },
  },
  sockette: {
    server: "plain",
    async open(url, options, onMessage) {
      const { default: Sockette } = await import("sockette");
      let socket;
      // Caught here, because sockette does not expose its socket, whose buffer is needed.
      globalThis.WebSocket = class extends ws() {
        constructor(...given) {
          super(...given);
          socket = this;
        }
      };
      const { out, in: into } = form(options);
      return new Promise((resolve) => {
        const onmessage = ({ data }) => onMessage(into(data));
        const onopen = () => {
          resolve({ send: (value) => own.send(out(value)), room: () => room(socket), close: () => own.close() });
        };
        const own = new Sockette(url, { onmessage, onopen });
        socket.binaryType = "arraybuffer";
      });
    },
  },
  "socket.io-client": {
    server: "socketIo",
    async open(url, _options, onMessage) {
      const { io } = await import("socket.io-client");
      const { origin, pathname, searchParams } = new URL(url.replace(/^ws/, "http"));
      const query = { name: pathname.slice(1), ...Object.fromEntries(searchParams) };
      const socket = io(origin, { transports: ["websocket"], query, forceNew: true });
      socket.on("message", onMessage);
      await new Promise((resolve) => socket.on("connect", resolve));
      return {
        send: (value) => socket.send(value),
        call: (params) => new Promise((resolve) => socket.emit("call", params, resolve)),
        // Its messages wait in the transport and in the socket.
        async room() {
          do await setImmediate();
          while (
            !socket.io.engine.transport.writable ||
            socket.io.engine.transport.ws.bufferedAmount > HIGH_WATER_BYTES
          );
        },
        close: () => socket.close(),
      };
    },
  },
  centrifuge: {
    server: "centrifuge",
    async open(url, _options, onMessage) {
      const { Centrifuge } = await import("centrifuge");
      let socket;
      const websocket = class extends ws() {
        constructor(...given) {
          super(...given);
          socket = this;
        }
      };
      const own = new Centrifuge(url, { websocket });
      own.on("message", ({ data }) => onMessage(data));
      own.connect();
      await own.ready();
      return {
        send: (data) => {
          own.send(data);
        },
        room: () => room(socket),
        close: () => own.disconnect(),
      };
    },
  },
};
