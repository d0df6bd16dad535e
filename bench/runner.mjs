// Runs clients in turns: each has its own process or page, and one round in each turn. The server has its own process.
import { fork } from "node:child_process";
import { once } from "node:events";
import { delimiter } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { clients } from "./adapters.mjs";
import { startPage } from "./chromium.mjs";

const path = (file) => fileURLToPath(new URL(file, import.meta.url));
/** Rounds that do not count, because code is compiled in them. */
const WARM_UPS = 2;
const AFTERMATH_MS = 1_000;

/** A process that answers questions by messages. */
class Child {
  #process;
  /** Rejects when the process ends. There is one promise, because each question would add a listener. */
  #ended;

  constructor(file, args, execArgv = [], env = {}) {
    this.#process = fork(path(file), args, {
      cwd: path(".."),
      execArgv,
      env: { ...process.env, ...env },
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.#ended = once(this.#process, "exit").then(([code]) => {
      throw new Error(`${this.#process.spawnargs.slice(1).join(" ")} ended with ${code}.`);
    });
    this.#ended.catch(() => {});
  }

  async answer() {
    const [answer] = await Promise.race([once(this.#process, "message"), this.#ended]);
    return answer;
  }

  ask(question = {}) {
    const answer = this.answer();
    this.#process.send(question);
    return answer;
  }

  async end() {
    if (!this.#process.connected) return;
    const ended = once(this.#process, "exit");
    this.#process.disconnect();
    await ended;
  }
}

/** Runs `use` with a server of this kind. */
async function beside(kind, use) {
  const server = new Child("server.mjs", [kind]);
  const { port } = await server.answer();
  try {
    return await use(`ws://127.0.0.1:${port}`);
  } finally {
    await server.end();
  }
}

async function start(name, url, task, options) {
  const { page, flags = [], bufferutil } = clients[name];
  if (page) return startPage(page, url, task, options);
  // The second folder is for another build, whose dependencies are those of this package.
  const folders = [path("node_modules"), path("../node_modules")].join(delimiter);
  const env = { NODE_PATH: folders, ...(!bufferutil && { WS_NO_BUFFER_UTIL: "1" }) };
  const child = new Child("client.mjs", [name, url], ["--expose-gc", ...flags], env);
  await child.answer();
  await child.ask({ task, options });
  return child;
}

/**
 * Measures each client in `rounds` rounds of `task`. The clients take turns, and each round begins at another client. With
 * `isFresh` each round has processes of its own.
 */
export async function contest(names, task, { rounds, options, isFresh = false }) {
  const warmUps = isFresh ? 0 : WARM_UPS;
  const kinds = [...new Set(names.map((name) => clients[name].server))];
  const urls = new Map();
  const results = new Map(names.map((name) => [name, []]));
  const children = new Map();
  const turn = async (name, round) => {
    if (!children.has(name)) children.set(name, await start(name, urls.get(clients[name].server), task, options));
    const child = children.get(name);
    const result = await child.ask();
    if (round >= 0) results.get(name).push(result);
    if (!isFresh) return;
    children.delete(name);
    await child.end();
    // The server releases as many sockets before it can accept those of the next client.
    await setTimeout(AFTERMATH_MS);
  };
  const run = async ([kind, ...others]) => {
    if (kind) {
      return beside(kind, (url) => {
        urls.set(kind, url);
        return run(others);
      });
    }
    try {
      for (let round = -warmUps; round < rounds; round++) {
        for (let i = 0; i < names.length; i++) await turn(names[(i + Math.abs(round)) % names.length], round);
      }
    } finally {
      for (const child of children.values()) await child.end();
    }
  };
  await run(kinds);
  return results;
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Returns the ratios of two clients' results, round by round: their median and their range. */
export function compare(ours, theirs) {
  const ratios = ours.map((value, round) => value / theirs[round]);
  return { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) };
}
