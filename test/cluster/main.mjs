// npm run test:cluster: three nodes behind HAProxy without stickiness, on Redis, with 300 clients that number all they send.
// The nodes are rolled, killed, stopped, cut off and removed under load; then every message is accounted for.
import { fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { createClient } from "@redis/client";
import { redisEngine } from "tautline/engines/redis";
import { faultProxy } from "tautline/testing";
import { freePort } from "../support/free-port.ts";
import { audit } from "./ledger.mjs";
import { end, endAll, redisCommand, startBalancer, startRedis, startRedisFront } from "./machines.mjs";

const { values: options } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== "-"),
  options: {
    clients: { type: "string", default: "300" },
    rate: { type: "string", default: "1" },
    only: { type: "string" },
  },
});
const CLIENTS = Number(options.clients);
/** Scales all rates: 1 is one publish, one call and five direct messages a second, each way. */
const RATE = Number(options.rate);
const NODES = 3;
const MEMBERS_OF_ROOM = 10;
const ROOMS = CLIENTS / MEMBERS_OF_ROOM;
const HISTORY_SIZE = 10_000;
/** A node that died is gone from lists when its lease is over, and this time is the lease. */
const LEASE_MS = 10_000;
/** Between the end of a lease and the news of it: the next look for it, and what gathers changes. */
const NEWS_MS = 4_000;
const QUIT_AFTER_KILL = 5;
const START_MS = 60_000;

const folder = mkdtempSync(join(tmpdir(), "tautline-cluster-"));
/** The programs by their path below the root, because this one is bundled, and read from standard input. */
const file = (name) => join("test/cluster", name);
const failures = [];
const begun = performance.now();
const say = (text) => console.log(`${((performance.now() - begun) / 1_000).toFixed(1).padStart(6)} s  ${text}`);
const fail = (text) => {
  failures.push(text);
  say(`FAILED: ${text}`);
};

if (!existsSync("/usr/bin/redis-server") || !existsSync("/usr/sbin/haproxy")) {
  console.log("redis-server or haproxy is not installed: the cluster is not tested.");
  process.exit(process.env.CI === "true" ? 1 : 0);
}

/** Sends a command to a child, and resolves with its answer. Other news may come before. */
const ask = (child, message) =>
  new Promise((resolve, reject) => {
    const done = () => child.off("message", onNews).off("exit", onExit);
    const onNews = ({ event, answer, ...rest }) => {
      if (event !== message.type) return;
      done();
      resolve(answer ?? rest);
    };
    const onExit = () => {
      done();
      reject(new Error(`A process ended instead of an answer to ${message.type}.`));
    };
    child.on("message", onNews).on("exit", onExit);
    child.send(message);
  });

// The machines.
const ports = { master: await freePort(), replica: await freePort(), redis: await freePort(), front: await freePort() };
const nodePorts = [];
for (let i = 0; i < NODES; i++) nodePorts.push(await freePort());
const settings = ["--repl-diskless-sync-delay", "0", "--min-replicas-max-lag", "2"];
const master = await startRedis(folder, ports.master, ...settings);
const toMaster = await faultProxy(ports.master, { seed: 1 });
await startRedis(folder, ports.replica, ...settings, "--replicaof", "127.0.0.1", String(toMaster.port));
await startRedisFront(folder, ports.redis, [ports.master, ports.replica]);
const redisLines = [];
for (let i = 0; i < NODES; i++) redisLines.push(await faultProxy(ports.redis, { seed: 10 + i }));

// The nodes.
const nodes = [];
const ledgers = [];
async function startNode(i) {
  const ledger = join(folder, `node-${i}-${ledgers.length}.log`);
  ledgers.push(ledger);
  const task = {
    port: nodePorts[i],
    redisPort: redisLines[i].port,
    ledger,
    historySize: HISTORY_SIZE,
    sendEveryMs: 200 / RATE,
  };
  const child = fork(file("server.mjs"), [JSON.stringify(task)], {
    execArgv: ["--expose-gc"],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  let text = "";
  child.stderr.on("data", (chunk) => {
    text = (text + chunk).slice(-2_000);
  });
  const node = { child, mayExit: false, ready: undefined };
  child.on("message", (news) => {
    if (news.event === "ready") node.isReady = true;
    if (news.event === "error") fail(`node ${i} reported ${news.text}`);
    if (news.event === "engine") say(`node ${i}: ${news.text}`);
  });
  child.once("exit", (code, signal) => {
    if (!node.mayExit || text !== "") fail(`node ${i} ended: ${code ?? signal} ${text}`);
  });
  nodes[i] = node;
  const limit = performance.now() + START_MS;
  while (!node.isReady && performance.now() < limit) await pause(20);
  if (!node.isReady) throw new Error(`Node ${i} did not start.`);
}
async function removeNode(i) {
  const { child } = nodes[i];
  nodes[i].mayExit = true;
  const gone = once(child, "exit");
  child.send({ type: "leave" });
  await gone;
  nodes[i] = undefined;
}
for (let i = 0; i < NODES; i++) await startNode(i);
let balancer = await startBalancer(folder, ports.front, nodePorts);
await pause(600);

// The clients.
const half = CLIENTS / 2;
const groups = [0, 1].map((part) => {
  const task = {
    url: `ws://127.0.0.1:${ports.front}/live`,
    first: part * half,
    count: half,
    membersOfRoom: MEMBERS_OF_ROOM,
    publishEveryMs: 1_000 / RATE,
    callEveryMs: 1_000 / RATE,
    sendEveryMs: 200 / RATE,
    ledger: join(folder, `clients-${part}.json`),
  };
  const child = fork(file("clients.mjs"), [JSON.stringify(task)], {
    execArgv: ["--expose-gc"],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  child.once("exit", (code) => code && fail(`the clients ${part} ended with ${code}`));
  return child;
});
const askClients = (type, rest = {}) => Promise.all(groups.map((child) => ask(child, { type, ...rest })));
let expected = CLIENTS;

/** The members that all present clients see together, with those who left taken out of their rooms. */
const membersWanted = () => {
  const gone = CLIENTS - expected;
  return (ROOMS - gone) * MEMBERS_OF_ROOM ** 2 + gone * (MEMBERS_OF_ROOM - 1) ** 2;
};

async function report() {
  const [here, there] = await askClients("report");
  const sum = (name) => here[name] + there[name];
  return {
    open: sum("open"),
    attached: sum("attached"),
    members: sum("members"),
    received: sum("received"),
    gaps: sum("gaps"),
    joined: sum("joined"),
    left: sum("left"),
    sockets: sum("sockets"),
    timers: sum("timers"),
    pending: sum("pending"),
  };
}

/** Waits until every client is attached, and returns the seconds that it took. */
async function untilAttached(ms = 45_000) {
  const from = performance.now();
  for (;;) {
    const { attached, open } = await report();
    if (attached >= expected && open >= expected) return ((performance.now() - from) / 1_000).toFixed(1);
    if (performance.now() - from > ms) {
      fail(`only ${attached} of ${expected} clients are attached after ${ms / 1_000} s`);
      return "?";
    }
    await pause(200);
  }
}

/** Makes one line of faults of one kind: their numbers and names left out. */
function failByKind(faults) {
  const kinds = new Map();
  for (const fault of faults) {
    const kind = fault.replace(/\S*\d\S*/g, "#");
    kinds.set(kind, [...(kinds.get(kind) ?? []), fault]);
  }
  for (const [first, ...others] of kinds.values())
    fail(`${first}${others.length > 0 ? `, and ${others.length} more` : ""}`);
}

let baseline;
/** Runs a case under load, and then compares what remains of it. */
async function step(name, act, { gaps = false, leaves = 0 } = {}) {
  if (options.only !== undefined && !name.includes(options.only)) return;
  const before = await report();
  await act();
  const seconds = await untilAttached();
  // A grace of presence, and what is read late.
  await pause(2_000);
  const after = await report();
  say(
    `${name}: all attached ${seconds} s later; ${after.received - before.received} received, ${after.gaps - before.gaps} gaps, ` +
      `${after.joined - before.joined} joins, ${after.left - before.left} leaves, ${after.sockets} sockets, ${after.timers} timers`,
  );
  if (!gaps && after.gaps > before.gaps) fail(`${name}: ${after.gaps - before.gaps} gaps, and the log reached back`);
  if (after.left - before.left > leaves) fail(`${name}: a flood of ${after.left - before.left} leaves`);
  if (after.sockets > expected + 2) fail(`${name}: ${after.sockets} sockets of ${expected} clients`);
  if (after.members !== membersWanted()) fail(`${name}: members see ${after.members} members, not ${membersWanted()}`);
  baseline ??= after;
  if (after.timers > baseline.timers * 1.5 + 50) fail(`${name}: ${after.timers} timers, and ${baseline.timers} before`);
  for (const [i, node] of nodes.entries()) {
    if (!node) continue;
    const { conns, sockets, heapMiB } = await ask(node.child, { type: "report" });
    // The engine has two, a check of the load balancer may be there, and a connection that ends.
    if (sockets > conns + 8) fail(`${name}: node ${i} has ${sockets} sockets for ${conns} Conns`);
    if (heapMiB > 200) fail(`${name}: the heap of node ${i} is ${heapMiB.toFixed(0)} MiB`);
  }
}

async function main() {
  await askClients("start");
  say(`${CLIENTS} clients in ${ROOMS} rooms are attached, at ${RATE} of the rate`);
  await step("steady", () => pause(5_000), { leaves: 0 });

  for (const round of [1, 2]) {
    for (let i = 0; i < NODES; i++) {
      await step(`roll ${round} of node ${i}`, async () => {
        await removeNode(i);
        await startNode(i);
      });
    }
  }

  const quitters = [];
  let killedAt = 0;
  let lossFrom = 0;
  let lossUntil = 0;
  await step(
    "kill -9 of node 0",
    async () => {
      nodes[0].mayExit = true;
      await end(nodes[0].child);
      killedAt = Date.now();
      // They leave while their node is dead: only the lease can end their membership.
      for (let k = 0; k < QUIT_AFTER_KILL; k++) {
        const number = k * MEMBERS_OF_ROOM;
        quitters.push(`c${number}`);
        await ask(groups[number < half ? 0 : 1], { type: "close", number });
      }
      expected -= QUIT_AFTER_KILL;
      await startNode(0);
      await pause(Math.max(0, killedAt + LEASE_MS + NEWS_MS - Date.now()));
    },
    { leaves: QUIT_AFTER_KILL * (MEMBERS_OF_ROOM - 1) },
  );

  await step("SIGSTOP of node 1 for 15 s", async () => {
    nodes[1].child.kill("SIGSTOP");
    await pause(15_000);
    nodes[1].child.kill("SIGCONT");
  });

  // Longer than the rest of its lease: the others take its members for gone, and see them join again.
  await step(
    "node 2 cut from Redis for 8 s",
    async () => {
      redisLines[2].blackhole();
      await pause(8_000);
      await redisLines[2].heal();
      await pause(6_000);
    },
    { leaves: CLIENTS * MEMBERS_OF_ROOM },
  );

  await step(
    "promotion of a replica that lagged behind",
    async () => {
      toMaster.blackhole();
      lossFrom = Date.now();
      await pause(500);
      await end(master);
      redisCommand(ports.replica, "replicaof", "no", "one");
      lossUntil = Date.now();
      // Nodes find the way to the new master, and read what they missed.
      await pause(6_000);
    },
    { gaps: true, leaves: CLIENTS * MEMBERS_OF_ROOM },
  );

  await step("restart of HAProxy", async () => {
    await end(balancer);
    balancer = await startBalancer(folder, ports.front, nodePorts);
  });

  await step("from three nodes to one", async () => {
    await removeNode(1);
    await removeNode(2);
  });
  await step("from one node to three", async () => {
    await startNode(1);
    await startNode(2);
    await pause(2_000);
  });
  await step("and back to one", async () => {
    await removeNode(1);
    await removeNode(2);
  });

  // Both sides stop before either writes down what it saw: a message that arrives after that would be missed by the oracle.
  await askClients("stop");
  for (const node of nodes) if (node) await ask(node.child, { type: "stop" });
  for (let tries = 0; tries < 60 && (await report()).pending > 0; tries++) await pause(500);
  await pause(2_000);
  await askClients("finish");

  const logs = await readLogs();
  const clients = groups.flatMap((_, part) => JSON.parse(readFileSync(join(folder, `clients-${part}.json`), "utf8")));
  for (const client of clients) client.hasLeft = quitters.includes(client.id);
  const lines = ledgers.flatMap((ledger) => (existsSync(ledger) ? readLines(ledger) : []));
  checkGhosts(
    clients.filter(({ hasLeft }) => !hasLeft),
    quitters,
    killedAt,
  );
  const { faults, counts } = audit({ clients, lines, logs, lossFrom, lossUntil });
  say(`accounted for: ${JSON.stringify(counts)}`);
  failByKind(faults);
  const leases = redisCommand(ports.replica, "--scan", "--pattern", "tautline:node:*").split("\n").filter(Boolean);
  if (options.only === undefined && leases.length > 2) fail(`${leases.length} leases, and one node is alive`);
}

/** Members that left while their node was dead are gone when its lease is over. */
function checkGhosts(clients, quitters, killedAt) {
  for (const gone of quitters) {
    const room = `room:${Math.floor(Number(gone.slice(1)) / MEMBERS_OF_ROOM)}`;
    for (const { id, leaves } of clients.filter(({ channel }) => channel === room)) {
      const left = leaves.filter(([who]) => who === gone);
      const [, at = Number.POSITIVE_INFINITY] = left[0] ?? [];
      if (left.length !== 1) fail(`${id} saw ${gone} leave ${left.length} times`);
      if (at - killedAt > LEASE_MS + NEWS_MS) fail(`${id} saw the ghost of ${gone} for ${at - killedAt} ms`);
    }
  }
}

const readLines = (path) =>
  readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line.endsWith("]"))
    .map((line) => JSON.parse(line));

/** The log of each room, as Redis has it. */
async function readLogs() {
  const engine = redisEngine({ client: createClient({ socket: { host: "127.0.0.1", port: ports.redis } }) });
  const logs = {};
  for (let room = 0; room < ROOMS; room++) {
    const channel = `room:${room}`;
    let from = { last: HISTORY_SIZE };
    const log = [];
    for (;;) {
      const part = await engine.read(channel, from, { messages: 500, bytes: 2 ** 20 });
      for (const { data, position } of part?.entries ?? []) {
        const { from: sender, n } = JSON.parse(data);
        log.push([sender, n, position]);
      }
      const last = part?.entries.at(-1)?.position;
      if (last === undefined || last === part.head) break;
      from = { after: last };
    }
    if (log.length >= HISTORY_SIZE) fail(`the log of ${channel} does not hold the whole run`);
    logs[channel] = log;
  }
  await engine.close();
  return logs;
}

try {
  await main();
} catch (error) {
  fail(error.stack);
} finally {
  for (const node of nodes) {
    if (!node) continue;
    node.mayExit = true;
    await end(node.child);
  }
  for (const child of groups) await end(child);
  await Promise.all([toMaster.close(), ...redisLines.map((line) => line.close())]);
  await endAll();
  rmSync(folder, { recursive: true, force: true });
}
say(failures.length === 0 ? "passed" : `${failures.length} failures`);
process.exitCode = failures.length === 0 ? 0 : 1;
process.disconnect?.();
