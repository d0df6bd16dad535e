// The programs around the nodes: Redis with its replica, and HAProxy in front of both, all on loopback.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { untilListening } from "../support/until-listening.ts";

const started = new Set();

/** Starts a program, which `endAll()` ends. */
export function launch(program, args, options = {}) {
  const child = spawn(program, args, { stdio: "ignore", ...options });
  started.add(child);
  child.once("exit", () => started.delete(child));
  return child;
}

/** Ends a program with a signal, and waits until it is gone. */
export async function end(child, signal = "SIGKILL") {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill(signal);
  await gone;
}

export const endAll = () => Promise.all([...started].map((child) => end(child)));

export const redisCommand = (port, ...args) =>
  execFileSync("/usr/bin/redis-cli", ["-p", String(port), ...args], { encoding: "utf8", maxBuffer: 2 ** 26 }).trim();

export async function startRedis(folder, port, ...args) {
  const directory = join(folder, `redis-${port}`);
  mkdirSync(directory, { recursive: true });
  const common = [
    "--port",
    String(port),
    "--dir",
    directory,
    "--bind",
    "127.0.0.1",
    "--save",
    "",
    "--appendonly",
    "no",
  ];
  const child = launch("/usr/bin/redis-server", [...common, ...args]);
  await untilListening(port);
  return child;
}

async function startProxy(folder, name, port, config) {
  const file = join(folder, `${name}.cfg`);
  writeFileSync(file, config);
  const child = launch("/usr/sbin/haproxy", ["-db", "-f", file]);
  await untilListening(port);
  return child;
}

/** The load balancer of the clients: the node with the fewest connections, without stickiness. */
export function startBalancer(folder, port, nodePorts) {
  const nodes = nodePorts.map((each, i) => `  server node${i} 127.0.0.1:${each} check`);
  return startProxy(
    folder,
    "balancer",
    port,
    `global
  maxconn 4000
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
  timeout check 1s
  retries 2
  option redispatch
frontend live
  bind 127.0.0.1:${port}
  default_backend nodes
backend nodes
  balance leastconn
  option httpchk GET /ready
  http-check expect status 200
  default-server inter 250ms fall 1 rise 1
${nodes.join("\n")}
`,
  );
}

/** One address for the Redis that is the master at the moment. */
export function startRedisFront(folder, port, redisPorts) {
  const servers = redisPorts.map(
    (each, i) =>
      `  server redis${i} 127.0.0.1:${each} check inter 200ms fall 1 rise 1 on-marked-down shutdown-sessions`,
  );
  return startProxy(
    folder,
    "redis-front",
    port,
    `defaults
  mode tcp
  timeout connect 2s
  timeout client 1h
  timeout server 1h
  timeout check 1s
listen redis
  bind 127.0.0.1:${port}
  option tcp-check
  tcp-check connect
  tcp-check send info\\ replication\\r\\n
  tcp-check expect string role:master
  tcp-check send quit\\r\\n
  tcp-check expect string +OK
${servers.join("\n")}
`,
  );
}
