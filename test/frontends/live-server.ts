import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";

/** A server of pages, and of a WebSocket that sends prices to each of them. */
export interface LiveServer {
  readonly port: number;
  /** How many connections to `path` are open. */
  openTo(path: string): number;
  /** How many there have been. */
  madeTo(path: string): number;
  /** Ends all connections as a server that restarts does. */
  restart(): void;
  close(): Promise<void>;
}

/** Serves each page of `pages` by its path, and sends `burst` messages of 1, all in one turn, to each connection. */
export async function liveServer(pages: Readonly<Record<string, string>>, burst: number): Promise<LiveServer> {
  const live = new Map<WebSocket, string>();
  const made: string[] = [];
  const among = (paths: Iterable<string>, path: string) => [...paths].filter((each) => each === path).length;
  const server = createServer(({ url = "" }, response) => {
    const page = pages[url];
    response.writeHead(page === undefined ? 404 : 200, {
      "content-type": url.endsWith(".js") ? "text/javascript" : "text/html; charset=utf-8",
    });
    response.end(page);
  });
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket, request) => {
    // One write for the messages of a turn, as our own server makes it.
    request.socket.cork();
    setImmediate(() => request.socket.uncork());
    const { url = "" } = request;
    made.push(url);
    live.set(socket, url);
    socket.on("close", () => live.delete(socket));
    for (let i = 0; i < burst; i++) socket.send("1");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    openTo: (path) => among(live.values(), path),
    madeTo: (path) => among(made, path),
    restart() {
      for (const socket of live.keys()) socket.close(1012, "retry=50");
    },
    async close() {
      for (const socket of live.keys()) socket.terminate();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
