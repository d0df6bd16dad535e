// The server of one run, in a process of its own. It answers plain WebSocket by hand, with prepared frames, so that the
// client limits a run. Clients with a protocol of their own get a server of that protocol.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";

const require = createRequire(new URL("../package.json", import.meta.url));
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** Longer messages are answered with a prepared frame of the same length, because no client reads their content. */
const COPIED_BYTES = 4_096;
const CHUNK_BYTES = 65_536;
const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
const NOTHING = Buffer.alloc(0);
const PAGE = '<!doctype html><script type="module" src="/bench/page.mjs"></script>';
const SCRIPTS = ["/bench/page.mjs", "/bench/workloads.mjs", "/dist/tautline.min.mjs"];

const behaviours = { sink, flood, echo };

/** Counts messages, and sends the count after each `every` of them. */
function sink({ every }) {
  let count = 0;
  return (_opcode, _length, _payload, answer) => {
    if (++count % every === 0) answer(frame(TEXT, Buffer.from("done")));
  };
}

/** Answers a message with `count` others, as fast as the socket takes them. */
function flood({ count, bytes }) {
  const one = frame(TEXT, Buffer.alloc(bytes, "x"));
  const perChunk = Math.max(1, Math.floor(CHUNK_BYTES / one.length));
  const chunk = Buffer.concat(Array(perChunk).fill(one));
  return (_opcode, _length, _payload, _answer, socket) => {
    let left = count;
    const go = () => {
      while (left > 0) {
        const now = Math.min(left, perChunk);
        left -= now;
        if (!socket.write(now === perChunk ? chunk : chunk.subarray(0, now * one.length))) {
          socket.once("drain", go);
          return;
        }
      }
    };
    go();
  };
}

/** Echoes every message. */
function echo() {
  const prepared = new Map();
  return (opcode, length, payload, answer) => {
    if (payload) return answer(frame(opcode, payload));
    if (!prepared.has(length)) prepared.set(length, frame(opcode, Buffer.alloc(length, "x")));
    answer(prepared.get(length));
  };
}

/** Makes an unmasked frame, as a server sends it (RFC 6455, section 5.2). */
function frame(opcode, payload) {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = 0x80 | opcode;
  if (head.length === 2) head[1] = length;
  else if (head.length === 4) {
    head[1] = 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, payload]);
}

/** Reads masked frames, one a message. Calls `found` when a frame is complete, with the payload of short ones. */
function reader(found) {
  let rest = NOTHING;
  let long = { opcode: 0, length: 0, missing: 0 };
  return (data) => {
    let chunk = rest.length > 0 ? Buffer.concat([rest, data]) : data;
    for (;;) {
      if (long.missing > 0) {
        const part = Math.min(long.missing, chunk.length);
        long.missing -= part;
        chunk = chunk.subarray(part);
        if (long.missing > 0) break;
        found(long.opcode, long.length);
      }
      if (chunk.length < 2) break;
      const short = chunk[1] & 0x7f;
      const head = (short < 126 ? 2 : short === 126 ? 4 : 10) + 4;
      if (chunk.length < head) break;
      const length = short < 126 ? short : short === 126 ? chunk.readUInt16BE(2) : Number(chunk.readBigUInt64BE(2));
      const opcode = chunk[0] & 0x0f;
      if (length > COPIED_BYTES) {
        long = { opcode, length, missing: length };
        chunk = chunk.subarray(head);
        continue;
      }
      if (chunk.length < head + length) break;
      found(opcode, length, unmasked(chunk, head, length));
      chunk = chunk.subarray(head + length);
    }
    rest = chunk;
  };
}

function unmasked(chunk, head, length) {
  const payload = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) payload[i] = chunk[head + i] ^ chunk[head - 4 + (i & 3)];
  return payload;
}

/** The page of the clients that run in one. Isolated it has a clock of 5 µs, else of 100 µs. */
function page({ url }, response) {
  response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
  response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
  const isScript = SCRIPTS.includes(url);
  response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html");
  response.end(isScript ? readFileSync(new URL(`..${url}`, import.meta.url)) : PAGE);
}

function plain() {
  const server = createServer(page);
  server.on("upgrade", (request, socket) => {
    const { pathname, searchParams } = new URL(request.url, "http://localhost");
    const numbers = Object.fromEntries([...searchParams].map(([name, value]) => [name, Number(value)]));
    const act = behaviours[pathname.slice(1)](numbers);
    const key = request.headers["sec-websocket-key"];
    const accept = createHash("sha1")
      .update(key + GUID)
      .digest("base64");
    socket.setNoDelay(true);
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    // One write a chunk, so that one read is answered by one write.
    const read = reader((opcode, length, payload) => {
      if (opcode === CLOSE) socket.end(frame(CLOSE, payload ?? NOTHING));
      else if (opcode === PING) socket.write(frame(PONG, payload ?? NOTHING));
      else if (opcode < CLOSE) act(opcode, length, payload, (answer) => socket.write(answer), socket);
    });
    socket.on("data", (data) => {
      socket.cork();
      read(data);
      socket.uncork();
    });
    socket.on("error", () => socket.destroy());
    // An upgraded socket stays half open otherwise, and ten thousand of them take all descriptors.
    socket.on("end", () => socket.end());
  });
  return server;
}

/** Serves socket.io. */
async function socketIo() {
  const { Server } = await import("socket.io");
  const server = createServer();
  new Server(server, { transports: ["websocket"], serveClient: false }).on("connection", (socket) => {
    const { name, every, count, bytes } = socket.handshake.query;
    let seen = 0;
    socket.on("call", (params, answer) => answer(params));
    socket.on("message", (value) => {
      if (name === "echo") socket.send(value);
      else if (name === "sink" && ++seen % Number(every) === 0) socket.send("done");
      else if (name === "flood") for (let i = 0; i < Number(count); i++) socket.send("x".repeat(Number(bytes)));
    });
  });
  return server;
}

/** Serves the part of Centrifugo's JSON protocol that connecting and asynchronous messages need. */
function centrifuge() {
  const { WebSocketServer } = require("ws");
  const server = createServer();
  new WebSocketServer({ server }).on("connection", (socket, request) => {
    const { pathname, searchParams } = new URL(request.url, "http://localhost");
    const [every, count, bytes] = ["every", "count", "bytes"].map((name) => Number(searchParams.get(name)));
    const push = (data) => socket.send(JSON.stringify({ push: { message: { data } } }));
    let seen = 0;
    socket.on("message", (lines) => {
      for (const line of String(lines).split("\n")) {
        const { id, connect, send } = line ? JSON.parse(line) : {};
        if (connect) socket.send(JSON.stringify({ id, connect: { client: "1", version: "1" } }));
        if (!send) continue;
        if (pathname === "/echo") push(send.data);
        else if (pathname === "/sink" && ++seen % every === 0) push("done");
        else if (pathname === "/flood") for (let i = 0; i < count; i++) push("x".repeat(bytes));
      }
    });
  });
  return server;
}

/** Serves tautline, with sessions for clients that ask for one. */
function tautline() {
  const { handle, handler } = require("tautline/server");
  const server = createServer();
  const serve = (conn, request) => {
    const { pathname, searchParams } = new URL(request.url, "http://localhost");
    const [every, count, bytes] = ["every", "count", "bytes"].map((name) => Number(searchParams.get(name)));
    let seen = 0;
    conn.on("message", async (value) => {
      if (pathname === "/echo") conn.send(value);
      else if (pathname === "/sink" && ++seen % every === 0) conn.send("done");
      else if (pathname === "/flood") for (let i = 0; i < count; i++) await conn.send("x".repeat(bytes));
    });
  };
  for (const path of Object.keys(behaviours))
    handle(server, `/${path}`, handler(serve, { origins: () => true, resume: {} }));
  answerCalls(server);
  return server;
}

/** Answers calls with their parameters: by hand, and by `tautline/rpc`. */
function answerCalls(server) {
  const { json } = require("tautline");
  const { rpc } = require("tautline/rpc");
  const { handle, handler } = require("tautline/server");
  const byHand = (conn) => {
    conn.on("message", ({ id, params }) => conn.send({ jsonrpc: "2.0", id, result: params }));
  };
  const byRpc = (conn) => rpc(conn, { handlers: { echo: (params) => params } }).closed;
  for (const [path, serve] of Object.entries({ "/call": byHand, "/rpc": byRpc })) {
    handle(server, path, handler(serve, { origins: () => true, codec: json() }));
  }
}

const kinds = { plain, socketIo, centrifuge, tautline };
const server = await kinds[process.argv[2]]();
server.listen(0, "127.0.0.1", () => process.send({ port: server.address().port }));
process.on("disconnect", () => process.exit());
