import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { Conn, type Payload } from "../../src/index.ts";
import { resume } from "../../src/resume/client/index.ts";
import { handle, handler } from "../../src/server/index.ts";

const SECONDS = 20;
const MESSAGE = JSON.stringify({ type: "trade", id: 123_456, price: 42.5 });

/** Bytes on the wire each way for messages up at this rate, once the connection is there. */
async function wire(perSecond: number, isResuming: boolean): Promise<{ up: number; down: number; count: number }> {
  const server = createServer();
  const sockets: Socket[] = [];
  const heard: Payload[] = [];
  server.on("connection", (socket) => sockets.push(socket));
  const served = handler((conn) => conn.on("message", (message) => heard.push(message)), {
    heartbeat: false,
    resume: {},
  });
  handle(server, "/", served);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const conn = new Conn(url, { heartbeat: false, ...(isResuming && { resume: resume() }) });
  conn.send(MESSAGE);
  while (heard.length < 1) await pause(10);
  const { bytesRead, bytesWritten } = sockets[0] as Socket;
  const count = SECONDS * perSecond;
  const start = performance.now();
  for (let n = 0; n < count; n++) {
    await pause(Math.max(0, start + (n * 1_000) / perSecond - performance.now()));
    conn.send(MESSAGE);
  }
  while (heard.length < count + 1) await pause(10);
  // The last acknowledgement comes within its two seconds.
  await pause(2_100);
  const up = (sockets[0] as Socket).bytesRead - bytesRead;
  const down = (sockets[0] as Socket).bytesWritten - bytesWritten;
  await conn.close();
  await served.shutdown();
  await new Promise((resolve) => server.close(resolve));
  return { up, down, count };
}

test.for([20, 100])(
  "%d messages a second cost not a byte each, and less than half a byte of acknowledgements",
  {
    timeout: 60_000,
  },
  async (perSecond) => {
    const [plain, resuming] = await Promise.all([wire(perSecond, false), wire(perSecond, true)]);
    const acks = (resuming.down - plain.down) / resuming.count;
    console.log(`${perSecond} a second: 0 bytes a message, ${acks.toFixed(2)} bytes of acknowledgements`);
    expect(resuming.up).toBe(plain.up);
    expect(acks).toBeGreaterThan(0);
    expect(acks).toBeLessThan(0.5);
  },
);
