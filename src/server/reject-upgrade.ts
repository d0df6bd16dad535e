import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { ignoreErrors } from "./socket-watch.ts";

/** Answers an upgrade with an HTTP status instead of 101, and ends the TCP connection. `Upgrader` decides which upgrades. */
export function rejectUpgrade(socket: Duplex, status: number, headers: Readonly<Record<string, string>> = {}): void {
  const body = STATUS_CODES[status] ?? "";
  const all = {
    Connection: "close",
    "Content-Type": "text/plain",
    "Content-Length": `${body.length}`,
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  ignoreErrors(socket);
  socket.once("finish", () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} ${body}\r\n${lines.join("")}\r\n${body}`);
}
