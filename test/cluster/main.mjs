// npm run test:cluster: three nodes behind HAProxy without stickiness, on Redis, with 300 clients that number all they send.
// The nodes are rolled, killed, stopped, cut off and removed under load; then every message is accounted for.
import { existsSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { checkAccount } from "./account.mjs";
import { createChecks } from "./checks.mjs";
import { MEMBERS_OF_ROOM, NODES, startCluster } from "./cluster.mjs";
import { end, redisCommand } from "./machines.mjs";
import { createReport } from "./report.mjs";

const { values: options } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== "-"),
  options: {
    clients: { type: "string", default: "300" },
    rate: { type: "string", default: "1" },
    only: { type: "string" },
  },
});
const CLIENTS = Number(options.clients);
/** The lease of a node by default, and the time until the others have noticed its end. */
const LEASE_MS = 8_000;
const NOTICE_MS = 3_000;
const QUIT_AFTER_KILL = 5;
const RUN_MS = 480_000;

if (!existsSync("/usr/bin/redis-server") || !existsSync("/usr/sbin/haproxy")) {
  console.log("redis-server or haproxy is not installed: the cluster is not tested.");
  process.exit(process.env.CI === "true" ? 1 : 0);
}

const report = createReport();
const cluster = await startCluster(CLIENTS, Number(options.rate), report);
const checks = createChecks(cluster, CLIENTS, report);
/** The knowledge that the account needs. Times are those of `Date.now()`. */
const history = { quitters: [], quitAt: {}, killedAt: 0, lossFrom: 0, lossUntil: 0 };

const step = (name, act, expectations) => {
  if (options.only !== undefined && !name.includes(options.only)) return Promise.resolve();
  return report.case(() => checks.after(name, act, expectations));
};

async function roll(i) {
  await cluster.removeNode(i);
  await cluster.startNode(i);
}

async function killAndQuit() {
  await cluster.killNode(0);
  history.killedAt = Date.now();
  // They leave while their node is dead: only the lease can end their membership.
  for (let k = 0; k < QUIT_AFTER_KILL; k++) {
    const number = k * MEMBERS_OF_ROOM;
    history.quitters.push(`c${number}`);
    await cluster.closeClient(number);
    history.quitAt[`c${number}`] = Date.now();
  }
  checks.expectFewer(QUIT_AFTER_KILL);
  await cluster.startNode(0);
  await pause(Math.max(0, history.killedAt + LEASE_MS + NOTICE_MS - Date.now()));
}

async function stopFor(ms) {
  cluster.signalNode(1, "SIGSTOP");
  await pause(ms);
  cluster.signalNode(1, "SIGCONT");
}

async function cutFromRedis(ms) {
  cluster.redisLines[2].blackhole();
  await pause(ms);
  await cluster.redisLines[2].heal();
  await pause(6_000);
}

async function promote() {
  cluster.toMaster.blackhole();
  history.lossFrom = Date.now();
  await pause(500);
  await end(cluster.master);
  redisCommand(cluster.ports.replica, "replicaof", "no", "one");
  history.lossUntil = Date.now();
  // Nodes find the way to the new master, and read what they missed.
  await pause(6_000);
}

async function runAll() {
  await cluster.askClients("start");
  report.say(`${CLIENTS} clients in rooms of ${MEMBERS_OF_ROOM} are attached, at ${options.rate} of the rate`);
  await step("steady", () => pause(5_000));
  for (const round of [1, 2]) {
    for (let i = 0; i < NODES; i++) await step(`roll ${round} of node ${i}`, () => roll(i), { moves: true });
  }
  await step("kill -9 of node 0", killAndQuit, { leaves: QUIT_AFTER_KILL * (MEMBERS_OF_ROOM - 1) });
  await step("SIGSTOP of node 1 for 15 s", () => stopFor(15_000));
  // Longer than its lease: the others see its members leave, and join again.
  await step("node 2 cut from Redis for 12 s", () => cutFromRedis(LEASE_MS + 4_000), { returns: true });
  await step("promotion of a replica that lagged behind", promote, { gaps: true });
  await step("restart of HAProxy", () => cluster.restartBalancer());
  const removeTwo = async () => {
    await cluster.removeNode(1);
    await cluster.removeNode(2);
  };
  await step("from three nodes to one", removeTwo, { moves: true });
  await step("from one node to three", async () => {
    await cluster.startNode(1);
    await cluster.startNode(2);
    await pause(2_000);
  });
  await step("and back to one", removeTwo, { moves: true });

  // Both sides stop before either writes down what it saw: a message that arrives after that would be missed by the account.
  await cluster.askClients("stop");
  await cluster.askNodes("stop");
  for (let tries = 0; tries < 60 && (await checks.report()).pending > 0; tries++) await pause(500);
  await pause(2_000);
  await cluster.askClients("finish");
  await report.case(() => checkAccount(cluster, CLIENTS / MEMBERS_OF_ROOM, history, report));
}

const isLate = new Promise((_resolve, reject) => {
  setTimeout(() => reject(new Error(`The run takes longer than ${RUN_MS / 1_000} s.`)), RUN_MS).unref();
});
try {
  await Promise.race([runAll(), isLate]);
} catch (error) {
  report.fail(error.stack);
} finally {
  await cluster.end();
}
report.end();
process.disconnect?.();
