import { createHash } from "node:crypto";
import type { Duplex } from "node:stream";
import { expect, onTestFinished, test } from "vitest";
import { Conn } from "../../../src/index.ts";
import { handle, handler, type ServerConn } from "../../../src/server/index.ts";
import { rawSocket, site, until, upgradeRequest } from "../../support/ws-server.ts";

/** The most that ws may buffer for a peer that takes no answers: 60 of the longest, and one more write. */
const MOST_BUFFERED = 64 * 1024;
/** Far more than the kernel's buffers on both sides hold of answers. */
const ENOUGH_PINGS = 2 ** 18;
const BURST = 1_000;

/** Pings as long as a control frame may be (RFC 6455, section 5.5), masked with zeros where a client sends them. */
function pings(isMasked: boolean): Buffer {
  const head = isMasked ? [0x89, 0x80 | 125, 0, 0, 0, 0] : [0x89, 125];
  return Buffer.concat(Array.from({ length: BURST }, () => Buffer.concat([Buffer.from(head), Buffer.alloc(125, "x")])));
}

/** Asks and asks, and never reads an answer. */
function flood(socket: Duplex, burst: Buffer): void {
  socket.pause();
  socket.on("error", () => {});
  let left = ENOUGH_PINGS;
  const go = () => {
    while (left > 0 && !socket.destroyed) {
      left -= BURST;
      if (!socket.write(burst)) return socket.once("drain", go);
    }
  };
  go();
}

/** The most that `conn` held while the flood lasted. */
function watch(conn: Pick<Conn, "stats">): () => number {
  let most = 0;
  const timer = setInterval(() => {
    most = Math.max(most, conn.stats.bufferedAmount);
  }, 1);
  onTestFinished(() => clearInterval(timer));
  return () => most;
}

test("a client that floods with pings and reads no answer is abandoned, and little is buffered for it", async () => {
  const conns: ServerConn[] = [];
  const ws = handler((conn) => void conns.push(conn));
  const { port } = await site((server) => handle(server, "/ws", ws));
  const { socket } = rawSocket(port, upgradeRequest("/ws"));
  const conn = await until(() => {
    const [first] = conns;
    if (!first) throw new Error("There is no Conn yet.");
    return first;
  });
  const most = watch(conn);
  flood(socket, pings(true));
  expect(await conn.closed).toMatchObject({ code: 1006, clean: false, by: "gave-up" });
  expect(most()).toBeLessThan(MOST_BUFFERED);
});

test("a server that floods with pings and reads no answer is abandoned, and little is buffered for it", async () => {
  const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  const { url } = await site((server) => {
    server.on("upgrade", (request, socket) => {
      const key = `${request.headers["sec-websocket-key"]}${GUID}`;
      const accept = createHash("sha1").update(key).digest("base64");
      const head = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket"];
      socket.write(`${[...head, `Sec-WebSocket-Accept: ${accept}`].join("\r\n")}\r\n\r\n`);
      flood(socket, pings(false));
    });
  });
  const conn = new Conn(url(), { maxRetries: 0 });
  const most = watch(conn);
  expect(await conn.closed).toMatchObject({ code: 1006, clean: false, by: "gave-up" });
  expect(conn.stats.opens).toBe(1);
  expect(most()).toBeLessThan(MOST_BUFFERED);
});
