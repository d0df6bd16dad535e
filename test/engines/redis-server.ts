import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient, type RedisClientOptions } from "@redis/client";
import { expect } from "vitest";
import { freePort } from "../support/free-port.ts";
import { untilListening } from "../support/until-listening.ts";

const PROGRAM = "/usr/bin/redis-server";
const QUIET = ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--daemonize", "no"];

/** Whether the tests of Redis are left out: where it is not installed, but in CI. */
export const isMissing = !existsSync(PROGRAM) && process.env.CI !== "true";

/** A server of Redis that the test started. */
export interface RedisServer {
  readonly port: number;
  readonly process: ChildProcess;
  /** Sends a command on a connection of the test's own, and returns what redis-cli prints. */
  command(...args: string[]): string;
  /** Ends the process, as a crash does. */
  kill(): Promise<void>;
  /** Starts it again on the same port, with nothing in it. */
  restart(): Promise<void>;
}

const started = new Set<ChildProcess>();
const folders: string[] = [];

export async function startRedis(...args: string[]): Promise<RedisServer> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), "tautline-redis-"));
  folders.push(folder);
  const launch = async () => {
    const child = spawn(PROGRAM, ["--port", String(port), "--dir", folder, ...QUIET, ...args], { stdio: "ignore" });
    started.add(child);
    await untilListening(port);
    return child;
  };
  let child = await launch();
  return {
    port,
    get process() {
      return child;
    },
    command: (...command) =>
      execFileSync("/usr/bin/redis-cli", ["-p", String(port), ...command], { encoding: "utf8" }).trim(),
    kill: () => end(child),
    async restart() {
      await end(child);
      child = await launch();
    },
  };
}

/** Ends all that were started. For `afterAll`. */
export async function stopAll(): Promise<void> {
  await Promise.all([...started].map(end));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

async function end(child: ChildProcess): Promise<void> {
  if (!started.delete(child)) return;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await exited;
}

/** A client of the port, which an engine takes as its pattern. */
export function clientOf(port: number, options: RedisClientOptions = {}): ReturnType<typeof createClient> {
  return createClient({ ...options, socket: { host: "127.0.0.1", port } });
}

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Waits until `isDone`, or fails after `ms`. */
export async function until(isDone: () => boolean | Promise<boolean>, ms = 10_000): Promise<void> {
  const end = performance.now() + ms;
  let is = await isDone();
  while (!is && performance.now() < end) {
    await sleep(5);
    is = await isDone();
  }
  expect(is).toBe(true);
}
