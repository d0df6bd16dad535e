// A WebSocket client below every rule: it writes what an attack asks for, byte by byte (RFC 6455, section 5.2).
import { connect } from "node:net";

/** The first character of a control frame of resume.v1. */
export const MARK = "\u0010";
const GREETING = new RegExp(`^${MARK}H1 ([\\w-]+)\\.([\\w-]+) `);
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

/** A masked frame; the mask is zero, so that the payload is on the wire as it is. */
export function frame(payload, { opcode = TEXT, fin = true } = {}) {
  const data = Buffer.from(payload);
  const { length } = data;
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const head = Buffer.alloc(2 + extended + 4);
  head[0] = (fin ? 0x80 : 0) | opcode;
  head[1] = 0x80 | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) head.writeUInt16BE(length, 2);
  if (extended === 8) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, data]);
}

/** The head of an upgrade request. */
export function upgradeHead(port, { path = "/", protocol, headers = {} } = {}) {
  const lines = {
    Host: `127.0.0.1:${port}`,
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
    ...(protocol && { "Sec-WebSocket-Protocol": protocol }),
    ...headers,
  };
  return `GET ${path} HTTP/1.1\r\n${Object.entries(lines)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("")}\r\n`;
}

/** A TCP connection that never ends the attack's process, whatever becomes of it. */
export async function tcp(port) {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  socket.on("error", () => {});
  await new Promise((resolve) => socket.once("connect", resolve).once("close", resolve));
  return socket;
}

/**
 * A client that was let in. `texts` holds the text messages that came, if it reads; `write` resolves when the kernel
 * took the bytes, or the connection is gone, with whether it is still there.
 */
export async function rawClient(port, { reads = true, ...options } = {}) {
  const socket = await tcp(port);
  const texts = [];
  const waiting = [];
  let buffer = Buffer.alloc(0);
  let status;
  /** Resolves the write that waits for the kernel to take more. */
  let go = () => {};
  socket.on("drain", () => go());
  socket.on("close", () => go());
  const look = () => {
    if (status === undefined) {
      const end = buffer.indexOf("\r\n\r\n");
      if (end < 0) return;
      status = Number(buffer.toString("latin1", 9, 12));
      buffer = buffer.subarray(end + 4);
    }
    for (;;) {
      const length = buffer[1] & 0x7f;
      const extended = length === 126 ? 2 : length === 127 ? 8 : 0;
      if (buffer.length < 2 + extended) return;
      const size =
        extended === 2 ? buffer.readUInt16BE(2) : extended === 8 ? Number(buffer.readBigUInt64BE(2)) : length;
      if (buffer.length < 2 + extended + size) return;
      if ((buffer[0] & 0x0f) === TEXT) {
        const text = buffer.toString("utf8", 2 + extended, 2 + extended + size);
        (waiting.shift() ?? ((each) => texts.push(each)))(text);
      }
      buffer = buffer.subarray(2 + extended + size);
    }
  };
  const opened = new Promise((resolve) => {
    socket.on("close", () => resolve());
    socket.on("data", (chunk) => {
      buffer = Buffer.concat([buffer, chunk]);
      look();
      if (status !== undefined) resolve();
    });
  });
  socket.on("close", () => {
    for (const give of waiting.splice(0)) give(undefined);
  });
  socket.write(upgradeHead(port, options));
  await opened;
  if (!reads) socket.pause();
  return {
    socket,
    texts,
    status,
    get isOpen() {
      return !socket.destroyed && socket.writable;
    },
    /** The next text; undefined when the connection is gone. */
    next() {
      if (texts.length > 0) return Promise.resolve(texts.shift());
      if (socket.destroyed) return Promise.resolve(undefined);
      return new Promise((resolve) => waiting.push(resolve));
    },
    async write(bytes) {
      if (!this.isOpen) return false;
      if (!socket.write(bytes)) {
        await new Promise((resolve) => {
          go = resolve;
        });
      }
      return this.isOpen;
    },
    send(payload, how) {
      return this.write(frame(payload, how));
    },
  };
}

/** A client that took a session of resume.v1: answers with its id and secret, undefined where it was not let in. */
export async function resumingClient(port, options = {}) {
  const client = await rawClient(port, { protocol: "resume.v1", ...options });
  const greeting = await client.next();
  const match = GREETING.exec(greeting ?? "");
  if (!match) return undefined;
  return Object.assign(client, { sid: match[1], secret: match[2] });
}
