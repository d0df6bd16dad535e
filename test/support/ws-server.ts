import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { type ClientOptions, WebSocket } from "ws";

/** So long that only a failure lasts it, however busy the machine. */
const UNTIL_SECONDS = 10;
const POLL_MS = 5;
/** Taken before a test fakes it. */
const realTimeout = globalThis.setTimeout;

/** An HTTP server on loopback for the length of a test. */
export interface Site {
  readonly server: Server;
  readonly port: number;
  url(path?: string): string;
}

export async function site(prepare: (server: Server) => void = () => {}): Promise<Site> {
  const server = createServer((_request, response) => response.end("plain"));
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  prepare(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = server.address() as AddressInfo;
  return { server, port, url: (path = "/ws") => `ws://127.0.0.1:${port}${path}` };
}

/** A plain client, and what happened to it. */
export interface Client {
  readonly socket: WebSocket;
  /** Messages so far: text as string. */
  readonly received: (string | Buffer)[];
  /** How it ended. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
}

/** Opens a plain client. Rejects with the HTTP status of a refused upgrade. */
export function dial(url: string, options: ClientOptions & { readonly protocols?: string[] } = {}): Promise<Client> {
  const { protocols = [], ...rest } = options;
  const socket = new WebSocket(url, protocols, rest);
  const received: (string | Buffer)[] = [];
  socket.on("error", () => {});
  socket.on("message", (data: Buffer, isBinary) => received.push(isBinary ? data : String(data)));
  onTestFinished(() => socket.terminate());
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.once("close", (code, reason) => resolve({ code, reason: String(reason) }));
  });
  return new Promise((resolve, reject) => {
    socket.once("open", () => resolve({ socket, received, closed }));
    socket.once("unexpected-response", (_request, { statusCode }: IncomingMessage) => {
      reject(statusCode);
      socket.terminate();
    });
    socket.once("error", reject);
  });
}

/** The HTTP status with which an upgrade is answered. */
export function statusOf(url: string, options: ClientOptions = {}): Promise<unknown> {
  return dial(url, options).then(
    ({ socket }) => {
      socket.terminate();
      return 101;
    },
    (status: unknown) => status,
  );
}

/** A TCP connection without any library on it. */
export interface RawSocket {
  readonly socket: Socket;
  readonly input: () => string;
  readonly isClosed: () => boolean;
}

export function rawSocket(port: number, first: string | Uint8Array): RawSocket {
  const socket = connect(port, "127.0.0.1");
  let input = "";
  let isClosed = false;
  socket.on("data", (chunk) => {
    input += chunk.toString("latin1");
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    isClosed = true;
  });
  onTestFinished(() => {
    socket.destroy();
  });
  socket.write(first);
  return { socket, input: () => input, isClosed: () => isClosed };
}

/** The head of an upgrade request, as sent. */
export function upgradeRequest(target: string, headers: Readonly<Record<string, string | undefined>> = {}): string {
  const all = {
    Host: "127.0.0.1",
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]));
  return `GET ${target} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`;
}

/** A short message as a client frames it (RFC 6455, section 5.2), masked with zeros. */
export function clientFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}

/** Waits until `look` throws no more. Fake time stands meanwhile, which `vi.waitFor()` would move on. */
export async function until<T>(look: () => T): Promise<Awaited<T>> {
  for (const end = process.uptime() + UNTIL_SECONDS; ; ) {
    try {
      return await look();
    } catch (error) {
      if (process.uptime() > end) throw error;
    }
    await new Promise((resolve) => realTimeout(resolve, POLL_MS));
  }
}

/** Waits until `read` has not changed for a while, and gives its value. */
export async function settled(read: () => number, quietMs = 300): Promise<number> {
  let value = read();
  let since = performance.now();
  await until(() => {
    const now = read();
    if (now !== value) since = performance.now();
    value = now;
    if (performance.now() - since < quietMs) throw new Error(`${value} is still changing.`);
  });
  return value;
}
