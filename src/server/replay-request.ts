import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

/** The part of a server that takes a connection anew. */
export interface ConnectionEmitter {
  /** Emits a connection, as the server does for each one that it accepts. */
  emit(event: "connection" | "secureConnection", socket: Duplex): boolean;
}

/** Headers that ask for an upgrade (RFC 9110, section 7.8; RFC 7540, section 3.2.1). */
const UPGRADE_HEADERS: ReadonlySet<string> = new Set(["upgrade", "http2-settings"]);

/**
 * Gives an upgrade to another protocol back to the server, which may answer it as if it asked for no upgrade (RFC
 * 9110, section 7.8). Node stopped parsing after the head. So the head, without the upgrade, is put in front of
 * the unread bytes, and the connection is emitted anew: bodies and later requests work as on any connection.
 */
export function replayAsRequest(
  server: ConnectionEmitter,
  request: IncomingMessage,
  socket: Duplex,
  rest: Buffer,
): void {
  const { method, url, httpVersion, rawHeaders } = request;
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const [name = "", value = ""] = rawHeaders.slice(i, i + 2);
    const isConnection = name.toLowerCase() === "connection";
    const kept = isConnection ? withoutUpgrade(value) : value;
    if (UPGRADE_HEADERS.has(name.toLowerCase()) || (isConnection && kept === "")) continue;
    lines.push(`${name}: ${kept}`);
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), rest]));
  server.emit("encrypted" in socket ? "secureConnection" : "connection", socket);
}

/** Returns the tokens of a Connection header that do not concern the upgrade. */
function withoutUpgrade(value: string): string {
  const tokens = value.split(",").map((token) => token.trim());
  return tokens.filter((token) => !UPGRADE_HEADERS.has(token.toLowerCase())).join(", ");
}
