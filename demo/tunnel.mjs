// @ts-check
import { connect } from "node:net";

/**
 * Hands an upgrade on to `port` of this machine, byte for byte, and how either end goes: in peace or with a reset. So the
 * page has one origin, and still every WebSocket of it goes through the fault proxy.
 *
 * @param {import("node:http").IncomingMessage} request
 * @param {import("node:net").Socket} client
 * @param {Buffer} head
 * @param {number} port
 */
export function tunnel({ method, url, rawHeaders }, client, head, port) {
  const line = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
  const headers = [];
  for (let at = 0; at < rawHeaders.length; at += 2) headers.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}\r\n`);
  line.write(`${method} ${url} HTTP/1.1\r\n${headers.join("")}\r\n`, "latin1");
  line.write(head);
  client.on("error", () => line.resetAndDestroy());
  line.on("error", () => client.resetAndDestroy());
  client.on("close", () => line.destroy());
  line.on("close", () => client.destroySoon());
  client.pipe(line).pipe(client);
}
