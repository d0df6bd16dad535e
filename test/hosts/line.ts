import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { FaultProxy } from "../../src/testing/index.ts";
import { tautline } from "./packages.ts";

export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** A server on loopback behind the fault proxy. */
export interface Line {
  readonly url: string;
  readonly proxy: FaultProxy;
  readonly server: Server;
  close(): Promise<void>;
}

export async function openLine(upgrade: Upgrade): Promise<Line> {
  const { faultProxy } = await tautline();
  const server = createServer();
  const sockets = new Set<Duplex>();
  server.on("upgrade", (request, socket, head) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    upgrade(request, socket, head);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const proxy = await faultProxy((server.address() as AddressInfo).port, { seed: 7 });
  return {
    url: `ws://127.0.0.1:${proxy.port}`,
    proxy,
    server,
    async close() {
      await proxy.close();
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Milliseconds of the heartbeat in these tests, after which a silent line is known to be dead at the latest. */
export const HEARTBEAT = { intervalMs: 200, timeoutMs: 300 };
export const DEAD_AFTER_MS = HEARTBEAT.intervalMs + HEARTBEAT.timeoutMs;
/** Time that a busy machine may add. */
export const SLACK_MS = 1_000;

export const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export async function until(what: string, isSo: () => boolean, ms = 10_000): Promise<void> {
  const end = performance.now() + ms;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`${what}: not within ${ms} ms.`);
    await sleep(5);
  }
}
