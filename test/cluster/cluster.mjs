// The cluster under test: Redis with a replica, three nodes behind HAProxy without stickiness, and the clients.
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { faultProxy } from "tautline/testing";
import { freePort } from "../support/free-port.ts";
import { end, endAll, startBalancer, startRedis, startRedisFront } from "./machines.mjs";

export const NODES = 3;
export const MEMBERS_OF_ROOM = 10;
/** More messages than a room gets in the run, so that no gap is needed but for lost writes. */
export const HISTORY_SIZE = 10_000;
const START_MS = 60_000;
/** The programs by their path below the root, because this one is bundled, and read from standard input. */
const file = (name) => join("test/cluster", name);

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

/** Starts all machines. `count` clients publish and call `rate` times a second each, and send and receive five times as often. */
export async function startCluster(count, rate, { say, fail }) {
  const folder = mkdtempSync(join(tmpdir(), "tautline-cluster-"));
  const ports = {
    master: await freePort(),
    replica: await freePort(),
    redis: await freePort(),
    front: await freePort(),
    nodes: [],
  };
  for (let i = 0; i < NODES; i++) ports.nodes.push(await freePort());
  const settings = ["--repl-diskless-sync-delay", "0", "--min-replicas-max-lag", "2"];
  const master = await startRedis(folder, ports.master, ...settings);
  const toMaster = await faultProxy(ports.master, { seed: 1 });
  await startRedis(folder, ports.replica, ...settings, "--replicaof", "127.0.0.1", String(toMaster.port));
  await startRedisFront(folder, ports.redis, [ports.master, ports.replica]);
  const redisLines = [];
  for (let i = 0; i < NODES; i++) redisLines.push(await faultProxy(ports.redis, { seed: 10 + i }));

  const nodes = [];
  const nodeLedgers = [];
  async function startNode(i) {
    const ledger = join(folder, `node-${i}-${nodeLedgers.length}.log`);
    nodeLedgers.push(ledger);
    const port = ports.nodes[i];
    const task = { port, redisPort: redisLines[i].port, ledger, historySize: HISTORY_SIZE, sendEveryMs: 200 / rate };
    const child = fork(file("server.mjs"), [JSON.stringify(task)], {
      execArgv: ["--expose-gc"],
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    let text = "";
    child.stderr.on("data", (chunk) => {
      text = (text + chunk).slice(-2_000);
    });
    const node = { child, mayExit: false, isReady: false };
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
  let balancer = await startBalancer(folder, ports.front, ports.nodes);
  await pause(600);

  const half = count / 2;
  const clientLedgers = [];
  const groups = [0, 1].map((part) => {
    const ledger = join(folder, `clients-${part}.json`);
    clientLedgers.push(ledger);
    const task = {
      url: `ws://127.0.0.1:${ports.front}/live`,
      first: part * half,
      count: half,
      membersOfRoom: MEMBERS_OF_ROOM,
      publishEveryMs: 1_000 / rate,
      callEveryMs: 1_000 / rate,
      sendEveryMs: 200 / rate,
      ledger,
    };
    const child = fork(file("clients.mjs"), [JSON.stringify(task)], {
      execArgv: ["--expose-gc"],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    child.once("exit", (code) => code && fail(`the clients ${part} ended with ${code}`));
    return child;
  });

  return {
    ports,
    redisLines,
    toMaster,
    master,
    nodes,
    nodeLedgers,
    clientLedgers,
    startNode,
    removeNode,
    /** Kills a node at once. */
    async killNode(i) {
      nodes[i].mayExit = true;
      await end(nodes[i].child);
      nodes[i] = undefined;
    },
    signalNode: (i, signal) => nodes[i].child.kill(signal),
    /** Asks all nodes that run. */
    askNodes: (type) => Promise.all(nodes.filter(Boolean).map(({ child }) => ask(child, { type }))),
    askClients: (type) => Promise.all(groups.map((child) => ask(child, { type }))),
    /** Ends one client for good. */
    closeClient: (number) => ask(groups[number < half ? 0 : 1], { type: "close", number }),
    async restartBalancer() {
      await end(balancer);
      balancer = await startBalancer(folder, ports.front, ports.nodes);
    },
    async end() {
      for (const node of nodes.filter(Boolean)) {
        node.mayExit = true;
        await end(node.child);
      }
      for (const child of groups) await end(child);
      await Promise.all([toMaster.close(), ...redisLines.map((line) => line.close())]);
      await endAll();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
