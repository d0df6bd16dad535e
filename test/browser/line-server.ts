import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";

const SCRIPT = readFileSync(join(import.meta.dirname, "../../dist/tautline.min.js"));
/** Without an icon of its own a page asks the server for one, and complains of the 404. */
const HEAD = '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">';

/** A connection as the server sees it. */
export interface Line {
  readonly socket: WebSocket;
  /** Messages so far, pings left out. */
  readonly heard: string[];
  /** Pings so far: each `ping` is answered by a `pong`, unless the line ignores its input. */
  pings: number;
  /** Does as a peer does that is gone: receives everything and answers nothing. */
  isDeaf: boolean;
  /** The close code, once it has ended. */
  code: number | undefined;
}

/** A server for the length of a test: of two pages, one with the library and one without, and of WebSockets. */
export interface LineServer {
  readonly url: string;
  readonly lines: readonly Line[];
  /** Everything that all lines received, in order. */
  readonly heard: readonly string[];
}

export async function lineServer(): Promise<LineServer> {
  const lines: Line[] = [];
  const heard: string[] = [];
  const server = createServer(({ url }, response) => {
    const isScript = url === "/tautline.min.js";
    response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? SCRIPT : HEAD + (url === "/" ? '<script src="/tautline.min.js"></script>' : "elsewhere"));
  });
  new WebSocketServer({ server }).on("connection", (socket) => {
    const line: Line = { socket, heard: [], pings: 0, isDeaf: false, code: undefined };
    lines.push(line);
    socket.on("close", (code) => {
      line.code = code;
    });
    socket.on("message", (data) => {
      if (String(data) === "ping") {
        line.pings++;
        if (!line.isDeaf) socket.send("pong");
      } else {
        line.heard.push(String(data));
        heard.push(String(data));
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
    for (const { socket } of lines) socket.terminate();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, lines, heard };
}
