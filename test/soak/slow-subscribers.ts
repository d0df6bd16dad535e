// Serves channels to subscribers of which many stop reading, and prints what that costs: lines of JSON, one for each phase.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { json } from "../../src/codec/codec.ts";
import { hub } from "../../src/hub/index.ts";
import { handle, handler } from "../../src/server/index.ts";

const [, , given, givenSlow] = process.argv;
const messages = Number(given);
const slow = Number(givenSlow);
const history = { size: 100, ttlMs: 600_000 };
const topics = hub({
  channels: { all: { history }, newest: { history, deliver: "newest" }, fitting: { deliver: "fitting" } },
  authorize: () => true,
});
const served = handler((conn) => topics.serve(conn), { codec: json(), heartbeat: false });
const server = createServer();
handle(server, "/", served);
server.listen(0, "127.0.0.1");

const print = (phase: string, more: object = {}) => {
  globalThis.gc?.();
  console.log(JSON.stringify({ phase, rss: process.memoryUsage().rss, ...more }));
};
const data = "x".repeat(1_000);

/** Messages of one turn: each connection gets them in one write. */
const BATCH = 10;
/** Publishes so many messages to each channel, as fast as those who read can follow. */
async function publish(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    for (const channel of ["all", "newest", "fitting"]) await topics.publish(channel, data);
    if (i % BATCH < BATCH - 1) continue;
    do await pause(5);
    while (countFull(BATCH * 1_000) > slow);
  }
}

function countFull(bytes: number): number {
  let count = 0;
  for (const { bufferedAmount } of served.conns) if (bufferedAmount > bytes) count++;
  return count;
}

const commands: Record<string, () => Promise<void>> = {
  start: async () => print("start"),
  publish: async () => {
    await publish(messages / 2);
    print("half");
    await publish(messages / 2);
    print("published", { full: countFull(2 ** 16) });
  },
  drained: async () => print("drained", { full: countFull(0) }),
  last: async () => {
    for (const channel of ["all", "newest", "fitting"]) await topics.publish(channel, "last");
    print("last");
  },
  end: async () => process.exit(),
};
process.on("message", (command: string) => void commands[command]?.());
server.on("listening", () =>
  console.log(JSON.stringify({ phase: "listening", port: (server.address() as AddressInfo).port })),
);
