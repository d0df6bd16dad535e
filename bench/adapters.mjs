// Each client behind the same few calls, set up as its README shows. In a client's process only its own module is loaded.
import { createRequire } from "node:module";
import { setImmediate } from "node:timers/promises";
import { HIGH_WATER_BYTES } from "./workloads.mjs";

export const requireOurs = createRequire(new URL("../package.json", import.meta.url));

/** Asks for room until there is some: clients other than tautline have no better way. */
async function room(socket) {
  do await setImmediate();
  while (socket.bufferedAmount > HIGH_WATER_BYTES);
}

/** How a value travels: JSON by hand where the client has no form of its own. */
function form({ isJson }) {
  return isJson ? { out: JSON.stringify, in: JSON.parse } : { out: (value) => value, in: (data) => data };
}

/** The same WebSocket of `ws` for everybody who takes one. */
function ws() {
  return requireOurs("ws").WebSocket;
}

/** A client with the interface of the WHATWG's. */
function whatwg(socket, options, heard) {
  const { out, in: into } = form(options);
  socket.binaryType = "arraybuffer";
  // websocket-ts gives itself first, and then the event.
  socket.addEventListener("message", (...given) => heard(into(given.at(-1).data)));
  const client = {
    send: (value) => socket.send(out(value)),
    room: () => room(socket),
    close: () => socket.close(),
  };
  return new Promise((resolve) => socket.addEventListener("open", () => resolve(client)));
}

async function bare(url, options, heard) {
  const socket = new (ws())(url, { perMessageDeflate: false });
  const { out, in: into } = form(options);
  socket.on("message", (data, isBinary) => heard(isBinary ? data : into(data.toString())));
  if (options.pingMs) pinging(socket, options.pingMs);
  await new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject));
  return {
    send: (value) => socket.send(out(value)),
    room: () => room(socket),
    close: () => socket.close(),
    ended: () => new Promise((resolve) => socket.on("close", resolve)),
  };
}

/** The heartbeat that the README of `ws` shows. */
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

function tautline(more) {
  return async (url, options, heard) => {
    const { Conn, json } = requireOurs("tautline");
    const resume = more?.resume && requireOurs("tautline/resume").resume();
    const { pingMs } = options;
    const conn = new Conn(url, {
      ...(options.isJson && { codec: json() }),
      ...(resume && { resume }),
      ...(pingMs && { heartbeat: { intervalMs: pingMs, timeoutMs: pingMs / 2 } }),
    });
    conn.on("message", heard);
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

/** The same calls over a Conn with `json()` by hand: an identifier for each, and a table of those that wait. */
async function callsByHand(url) {
  const { Conn, json } = requireOurs("tautline");
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
  const { Conn, json } = requireOurs("tautline");
  const { rpc } = requireOurs("tautline/rpc");
  const conn = new Conn(url.replace("/call", "/rpc"), { codec: json() });
  const peer = rpc(conn);
  await conn.ready();
  return { call: (params) => peer.call("echo", params), close: () => conn.close() };
}

/** Each runs in a process of its own, where `open` opens a connection, or in a page, which has its own ways. */
export const clients = {
  "bare ws": { server: "plain", open: bare },
  "bare ws again": { server: "plain", open: bare },
  tautline: { server: "plain", open: tautline() },
  "tautline again": { server: "plain", open: tautline() },
  "tautline, resume off": { server: "tautline", open: tautline() },
  "tautline, resume on": { server: "tautline", open: tautline({ resume: true }) },
  "tautline, resume off again": { server: "tautline", open: tautline() },
  "json() by hand": { server: "tautline", open: callsByHand },
  "json() by hand again": { server: "tautline", open: callsByHand },
  "tautline/rpc": { server: "tautline", open: callsByRpc },
  "bare ws + bufferutil": { server: "plain", open: bare, bufferutil: true },
  "tautline + bufferutil": { server: "plain", open: tautline(), bufferutil: true },
  "native WebSocket": { server: "plain", page: "native" },
  "native WebSocket again": { server: "plain", page: "native" },
  "tautline in a page": { server: "plain", page: "tautline" },
  "Node's own WebSocket": {
    server: "plain",
    flags: ["--experimental-websocket"],
    open: async (url, options, heard) => whatwg(new WebSocket(url), options, heard),
  },
  "reconnecting-websocket": {
    server: "plain",
    async open(url, options, heard) {
      const { default: Reconnecting } = await import("reconnecting-websocket");
      return whatwg(new Reconnecting(url, [], { WebSocket: ws() }), options, heard);
    },
  },
  partysocket: {
    server: "plain",
    async open(url, options, heard) {
      const { WebSocket: Reconnecting } = await import("partysocket");
      return whatwg(new Reconnecting(url, [], { WebSocket: ws() }), options, heard);
    },
  },
  "websocket-ts": {
    server: "plain",
    async open(url, options, heard) {
      globalThis.WebSocket = ws();
      const { ExponentialBackoff, WebsocketBuilder } = await import("websocket-ts");
      const socket = new WebsocketBuilder(url).withBackoff(new ExponentialBackoff(100, 7)).build();
      return whatwg(socket, options, heard);
    },
  },
  sockette: {
    server: "plain",
    async open(url, options, heard) {
      const { default: Sockette } = await import("sockette");
      let socket;
      // It says nothing of what it buffers: its socket is caught on the way.
      globalThis.WebSocket = class extends ws() {
        constructor(...given) {
          super(...given);
          socket = this;
        }
      };
      const { out, in: into } = form(options);
      return new Promise((resolve) => {
        const onmessage = ({ data }) => heard(into(data));
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
    async open(url, _options, heard) {
      const { io } = await import("socket.io-client");
      const { origin, pathname, searchParams } = new URL(url.replace(/^ws/, "http"));
      const query = { name: pathname.slice(1), ...Object.fromEntries(searchParams) };
      const socket = io(origin, { transports: ["websocket"], query, forceNew: true });
      socket.on("message", heard);
      await new Promise((resolve) => socket.on("connect", resolve));
      return {
        send: (value) => socket.send(value),
        call: (params) => new Promise((resolve) => socket.emit("call", params, resolve)),
        // Its buffer is its transport's, and that of its socket.
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
    async open(url, _options, heard) {
      const { Centrifuge } = await import("centrifuge");
      let socket;
      const websocket = class extends ws() {
        constructor(...given) {
          super(...given);
          socket = this;
        }
      };
      const own = new Centrifuge(url, { websocket });
      own.on("message", ({ data }) => heard(data));
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
