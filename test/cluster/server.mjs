// A node of the cluster: channels on Redis, numbered direct messages and calls. Every message that it takes or sends is a
// line of its ledger, written at once, so that a killed process leaves a whole one.
import { randomUUID } from "node:crypto";
import { openSync, writeSync } from "node:fs";
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { createClient } from "@redis/client";
import { json } from "tautline";
import { redisEngine } from "tautline/engines/redis";
import { hub } from "tautline/hub";
import { rpc } from "tautline/rpc";
import { handle, handler, refuse } from "tautline/server";

const { port, redisPort, ledger, historySize, sendEveryMs } = JSON.parse(process.argv[2]);
/** Time for the load balancer to see that the node is not ready: longer than two of its checks. */
const DRAIN_MS = 700;
const SPREAD_MS = 1_500;

const file = openSync(ledger, "a");
const note = (...line) => writeSync(file, `${JSON.stringify(line)}\n`);

const client = createClient({ socket: { host: "127.0.0.1", port: redisPort } });
const engine = redisEngine({ client, onError: (error) => process.send?.({ event: "engine", text: error.message }) });
const topics = hub({
  engine,
  channels: { "room:*": { history: { size: historySize, ttlMs: 600_000 }, presence: true } },
  authorize: () => true,
  onError: (error) => process.send?.({ event: "error", text: String(error) }),
});

let isSending = true;

async function serve(conn) {
  const id = conn.principal;
  const session = randomUUID();
  let number = 0;
  const peer = rpc(conn, {
    handlers: {
      echo({ n }) {
        note("call", id, n);
        return n;
      },
    },
    others: ({ up }) => note("up", id, up),
  });
  const timer = setInterval(() => {
    if (!isSending) return;
    const n = number++;
    conn
      .send(
        { session, down: n },
        { onOutcome: (outcome) => outcome !== "written" && note("outcome", session, n, outcome, id) },
      )
      .catch(() => {});
  }, sendEveryMs);
  await topics.serve(peer, { id, info: id });
  clearInterval(timer);
}

const live = handler(serve, {
  codec: json(),
  resume: {},
  authenticate: (request) => new URL(request.url ?? "/", "ws://node").searchParams.get("id") ?? refuse(401),
});
let isReady = true;
const server = createServer((_request, response) => response.writeHead(isReady ? 200 : 503).end());
handle(server, "/live", live);

async function leave() {
  isReady = false;
  await pause(DRAIN_MS);
  await live.shutdown({ timeoutMs: 5_000, spreadMs: SPREAD_MS });
  // At once: its memberships outlive it, until the clients that move are members elsewhere.
  await topics.close();
  process.exit();
}

const resources = () => {
  const all = process.getActiveResourcesInfo();
  return (name) => all.filter((each) => each === name).length;
};

process.on("message", ({ type }) => {
  if (type === "leave") void leave();
  if (type === "stop") {
    isSending = false;
    process.send?.({ event: "stop" });
  }
  if (type === "report") {
    globalThis.gc?.();
    const count = resources();
    process.send?.({
      event: "report",
      conns: live.conns.size,
      sockets: count("TCPSocketWrap"),
      timers: count("Timeout"),
      heapMiB: process.memoryUsage().heapUsed / 2 ** 20,
    });
  }
});
server.listen(port, "127.0.0.1", () => process.send?.({ event: "ready" }));
