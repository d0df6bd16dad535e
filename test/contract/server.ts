import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import type * as Server from "../../src/server/index.ts";
import type { Log, Urls } from "./case-context.ts";

// Parameters of a path, in the query. `id` names the log of the case. The number `times` is the number of connections or
// upgrades of that id that get the treatment of the path; the rest are plain echo.

export interface ContractServer extends Urls {
  close(): Promise<void>;
}

interface Visit {
  readonly request: IncomingMessage;
  readonly query: URLSearchParams;
  readonly entry: Entry;
}

/** The record of the connections with one id. */
class Entry {
  readonly live = new Set<WebSocket>();
  readonly sockets = new Set<Socket>();
  readonly log: Omit<Log, "live"> = { upgrades: 0, opened: 0, texts: [], bytes: 0, closes: [], headers: {} };
}

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

export interface ContractServerOptions {
  /** The origins of the pages that run the contract. */
  readonly origins?: readonly string[];
  /** Makes it a server of `wss:`. */
  readonly tls?: { readonly key: string; readonly cert: string };
}

// By a name that TypeScript does not follow: what is tested is the build, which is made after the types are checked.
const BUILT: string = "tautline/server";

/** The peer of the contract, on loopback: one path per behaviour. */
export async function contractServer({ origins = [], tls }: ContractServerOptions = {}): Promise<ContractServer> {
  const { handler } = (await import(BUILT)) as typeof Server;
  const entries = new Map<string, Entry>();
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: 64 * 2 ** 20,
    handleProtocols: (offered, { url = "" }) => {
      const wanted = new URL(url, "http://x").searchParams.get("select");
      return wanted && offered.has(wanted) ? wanted : false;
    },
  });

  // A subprotocol that was not offered.
  sockets.on("headers", (headers, { url = "" }) => {
    const claimed = new URL(url, "http://x").searchParams.get("claim");
    if (claimed) headers.push(`Sec-WebSocket-Protocol: ${claimed}`);
  });

  function entryOf(query: URLSearchParams): Entry {
    const id = query.get("id") ?? "";
    const entry = entries.get(id) ?? new Entry();
    entries.set(id, entry);
    return entry;
  }

  function accept(visit: Visit, head: Buffer, serve: (socket: WebSocket) => void): void {
    const { request, entry } = visit;
    // Everything written here leaves in one segment, the answer to the upgrade included.
    request.socket.cork();
    sockets.handleUpgrade(request, request.socket, head, (socket) => {
      entry.log.opened++;
      entry.live.add(socket);
      socket.on("error", () => {});
      socket.on("message", (data: Buffer, isBinary) => {
        entry.log.bytes += data.length;
        if (!isBinary && data.length < 100) entry.log.texts.push(String(data));
      });
      socket.on("close", (code, reason) => {
        entry.live.delete(socket);
        entry.log.closes.push({ code, reason: String(reason) });
      });
      serve(socket);
    });
    request.socket.uncork();
  }

  const served = handler(serveSession, { resume: {}, origins });
  const strict = handler(serveSession, { onError() {} });

  /** An echo by our own server, of which the log's `opened` counts the sessions. */
  async function serveSession(conn: Server.ServerConn, request: IncomingMessage): Promise<void> {
    const { log } = entryOf(new URL(request.url ?? "", "http://x").searchParams);
    log.opened++;
    for await (const message of conn) {
      if (typeof message === "string") log.texts.push(message);
      conn.send(message);
    }
  }

  const serve = (request: IncomingMessage, response: ServerResponse) => answer(request, response);
  const server = tls ? createTlsServer(tls, serve) : createServer(serve);
  server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const { pathname, searchParams: query } = new URL(request.url ?? "", "http://x");
    const entry = entryOf(query);
    const visit = { request, query, entry };
    socket.on("error", () => {});
    entry.sockets.add(socket);
    socket.once("close", () => entry.sockets.delete(socket));
    entry.log.upgrades++;
    entry.log.headers = request.headers as Record<string, string>;
    if (pathname === "/resume") return served.upgrade(request, socket, head);
    if (pathname === "/own-origin") return strict.upgrade(request, socket, head);
    const behave = entry.log.upgrades <= Number(query.get("times") ?? Number.POSITIVE_INFINITY);
    const path = behave ? PATHS[pathname] : echo;
    if (path) accept(visit, head, (accepted) => path(accepted, visit));
    else if (pathname === "/status") status(visit);
    else if (pathname === "/go") go(visit, head);
    else socket.destroy();
  });

  /** The case's way to see what arrived here, and to have something done to its connections. */
  function answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams: query } = new URL(request.url ?? "", "http://x");
    const entry = entryOf(query);
    if (pathname === "/drop") for (const socket of entry.sockets) socket.destroy();
    if (pathname === "/read") for (const socket of entry.live) socket.resume();
    response.setHeader("Access-Control-Allow-Origin", "*");
    response.setHeader("Cache-Control", "no-store");
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify({ ...entry.log, live: entry.live.size } satisfies Log));
  }

  /** Takes a connection and never says a word. A server of its own: pages dial one server one connection at a time. */
  const mute = createTcpServer((socket) => {
    muted.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => muted.delete(socket));
  });
  const muted = new Set<Socket>();

  const port = await listen(server);
  const neverPort = await listen(mute);
  // The port of a socket in use, on which nobody listens, is nobody else's for as long as it lives.
  const placeholder = connect(port, "127.0.0.1");
  await new Promise((resolve) => placeholder.once("connect", resolve));
  const { localPort } = placeholder;

  return {
    base: `127.0.0.1:${port}`,
    never: `127.0.0.1:${neverPort}`,
    refused: `127.0.0.1:${localPort}`,
    secure: tls !== undefined,
    async close() {
      await Promise.all([served, strict].map((each) => each.shutdown({ timeoutMs: 0 })));
      placeholder.destroy();
      for (const { sockets } of entries.values()) for (const socket of sockets) socket.destroy();
      for (const socket of muted) socket.destroy();
      server.closeAllConnections();
      await Promise.all([server, mute].map((each) => new Promise((resolve) => each.close(resolve))));
    },
  };
}

function listen(server: {
  listen(port: number, host: string, done: () => void): unknown;
  address(): unknown;
}): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}

function echo(socket: WebSocket): void {
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
}

const PATHS: Readonly<Record<string, (socket: WebSocket, visit: Visit) => void>> = {
  "/echo": echo,
  "/protocol": echo,

  /** Closes with `code` and `reason`, after `say` messages of its own. Without `code` the frame has no body. */
  "/close"(socket, { query }) {
    for (let i = 0; i < Number(query.get("say")); i++) socket.send(`last ${i}`);
    if (query.has("code")) socket.close(Number(query.get("code")), query.get("reason") ?? "");
    else socket.close();
  },

  /** Answers each message with the bytes of `hex`, frame and all. */
  "/raw"(socket, { query, request }) {
    socket.on("message", () => request.socket.write(Buffer.from(query.get("hex") ?? "", "hex")));
  },

  /** Sends a close frame, and never ends the TCP connection. */
  "/linger"(socket, { request }) {
    socket.pause();
    request.socket.write(framed(8, Buffer.from([0x03, 0xe8])));
  },

  /** Ends the TCP connection without a close frame, after `after` messages. */
  "/drop"(socket, { query }) {
    let left = Number(query.get("after"));
    const count = () => left-- <= 0 && socket.terminate();
    socket.on("message", count);
    count();
  },

  /** Reads nothing, so answers nothing: no ping, no close frame. */
  "/silent"(socket) {
    socket.pause();
  },

  /** The same until a case asks it to read. */
  "/stall"(socket) {
    socket.pause();
  },

  /** Says `count` things together with the answer to the upgrade. */
  "/first-message"(socket, { query }) {
    for (let i = 0; i < Number(query.get("count")); i++) socket.send(`first ${i}`);
    echo(socket);
  },

  /** Sends `bytes` bytes in one message. */
  "/large"(socket, { query }) {
    socket.send(new Uint8Array(Number(query.get("bytes"))));
    echo(socket);
  },
};

function status({ request: { socket }, query }: Visit): void {
  const retryAfter = query.get("retry-after");
  const header = retryAfter ? `Retry-After: ${retryAfter}\r\n` : "";
  socket.end(`HTTP/1.1 ${query.get("code")} No\r\n${header}Connection: close\r\nContent-Length: 0\r\n\r\n`);
}

/**
 * An echo as Go's golang.org/x/net/websocket.Handler serves it: an upgrade without an Origin gets 403, more than one
 * subprotocol 400, the only one is selected unasked; a close frame is the end of the input and never answered, and TCP
 * ends when the function returns. With `lingers` the function does not return at the end of its input.
 */
function go({ request, query, entry: { log } }: Visit, head: Buffer): void {
  const { socket, headers } = request;
  const refuse = (line: string) => socket.end(`HTTP/1.1 ${line}\r\n\r\n`);
  if (!headers.origin) return void refuse("403 Forbidden");
  const offered = headers["sec-websocket-protocol"]?.split(",") ?? [];
  if (offered.length > 1) return void refuse("400 Bad Request");
  log.opened++;
  const accept = createHash("sha1").update(`${headers["sec-websocket-key"]}${GUID}`).digest("base64");
  const selected = offered.map((name) => `Sec-WebSocket-Protocol: ${name.trim()}\r\n`).join("");
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${selected}\r\n`,
  );
  let input = head;
  const read = (chunk: Buffer) => {
    input = Buffer.concat([input, chunk]);
    for (let frame = parse(input); frame; frame = parse(input)) {
      input = input.subarray(frame.size);
      const text = frame.payload.toString();
      if (frame.opcode === 9) socket.write(framed(10, frame.payload));
      if (frame.opcode === 8) {
        log.closes.push({ code: frame.payload.readUInt16BE(0), reason: frame.payload.toString("utf8", 2) });
        if (!query.has("lingers")) socket.destroy();
      }
      if (frame.opcode > 2) continue;
      log.texts.push(text);
      if (text === "return") socket.destroy();
      else socket.write(framed(frame.opcode, frame.payload));
    }
  };
  socket.on("data", read);
  read(Buffer.alloc(0));
}

/** The first frame of `input`, short ones only (RFC 6455, section 5.2). */
function parse(input: Buffer): { opcode: number; payload: Buffer; size: number } | undefined {
  if (input.length < 6) return undefined;
  const length = input.readUInt8(1) & 127;
  const size = 6 + length;
  if (input.length < size) return undefined;
  const mask = input.subarray(2, 6);
  const payload = Buffer.from(input.subarray(6, size).map((byte, i) => byte ^ (mask[i % 4] as number)));
  return { opcode: input.readUInt8(0) & 15, payload, size };
}

function framed(opcode: number, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([128 | opcode, payload.length]), payload]);
}
