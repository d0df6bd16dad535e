import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { type ServerOptions, type WebSocket, WebSocketServer } from "ws";
import type { Took } from "./ledger.ts";

/** A server on bare `ws` that counts the messages it receives, and talks in numbers to its latest connection. */
export interface Peer {
  readonly port: number;
  /** Numbers heard, in order, on whichever connection. */
  readonly heard: readonly number[];
  /** Lengths of longer messages heard. */
  readonly large: readonly number[];
  /** Our numbers, by connection. */
  took(): Took[];
  readonly opened: number;
  /** Connections there now. */
  readonly live: ReadonlySet<WebSocket>;
  /** TCP connections there now. */
  readonly sockets: number;
  /** Codes of the close frames that came. */
  readonly codes: readonly number[];
  readonly authorizations: readonly (string | undefined)[];
  talk(): void;
  /** Stops talking; how many numbers there were. */
  hush(): number;
  /** Called with each new connection. */
  greet(act: (socket: WebSocket) => void): void;
  each(act: (socket: WebSocket) => void): void;
  close(): Promise<void>;
}

const TALK_MS = 2;

export async function peer(options: ServerOptions = {}, server: Server = createServer()): Promise<Peer> {
  const sockets = new WebSocketServer({ server, maxPayload: 2 ** 28, ...options });
  const tcp = new Set<Socket>();
  const heard: number[] = [];
  const large: number[] = [];
  const codes: number[] = [];
  const authorizations: (string | undefined)[] = [];
  const starts: number[] = [];
  let next = 0;
  let latest: WebSocket | undefined;
  let talk: NodeJS.Timeout | undefined;
  let greet = (_socket: WebSocket) => {};

  server.on("connection", (socket: Socket) => {
    tcp.add(socket);
    socket.once("close", () => tcp.delete(socket));
  });
  sockets.on("connection", (socket, { headers }) => {
    latest = socket;
    starts.push(next);
    authorizations.push(headers.authorization);
    socket.on("error", () => {});
    socket.on("close", (code) => codes.push(code));
    socket.on("message", (data: Buffer, isBinary) => {
      if (isBinary) large.push(data.length);
      else if (String(data) === "ping") socket.send("pong");
      else heard.push(Number(data));
    });
    greet(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  return {
    port: (server.address() as AddressInfo).port,
    heard,
    large,
    codes,
    authorizations,
    live: sockets.clients,
    took: () => starts.map((from, i) => [from, starts[i + 1] ?? next]),
    get opened() {
      return starts.length;
    },
    get sockets() {
      return tcp.size;
    },
    talk() {
      clearInterval(talk);
      talk = setInterval(() => {
        if (latest?.readyState === latest?.OPEN) latest?.send(String(next++));
      }, TALK_MS);
    },
    hush() {
      clearInterval(talk);
      return next;
    },
    greet(act) {
      greet = act;
    },
    each(act) {
      for (const socket of sockets.clients) act(socket);
    },
    async close() {
      clearInterval(talk);
      for (const socket of tcp) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
