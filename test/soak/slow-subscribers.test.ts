import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";

// A thousand that stop reading, as in the aim for channels, and few that read: what they get costs time and no memory.
const SLOW = 1_000;
const FAST = 100;
/** Enough to fill what the network holds for a socket that is not read, and then as many again as a log of its own would take. */
const MESSAGES = 3_000;
const MAX_GROWTH = 96 * 2 ** 20;
const folder = mkdtempSync(join(tmpdir(), "tautline-"));
const programs = ["slow-subscribers", "slow-subscriber-clients"];
const children: ChildProcess[] = [];

beforeAll(async () => {
  await build({
    entryPoints: programs.map((name) => join(import.meta.dirname, `${name}.ts`)),
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
  });
});

afterAll(() => {
  for (const child of children) child.kill();
  rmSync(folder, { recursive: true });
});

interface Report {
  readonly subscribers: number;
  readonly counts: readonly [number, number];
  readonly gaps: number;
  readonly holes: number;
  readonly atLast: number;
}
interface Line {
  readonly phase: string;
  readonly rss: number;
  readonly port: number;
  readonly full: number;
  readonly fast: Report;
  readonly all: Report;
  readonly newest: Report;
  readonly fitting: Report;
}

/** Starts a program, and returns a function that sends it a command and resolves with its line of a phase. */
function start(name: string, ...args: number[]) {
  const child = fork(join(folder, `${name}.mjs`), args.map(String), {
    silent: true,
    execArgv: ["--expose-gc"],
  });
  children.push(child);
  child.stderr?.pipe(process.stderr);
  const waiting = new Map<string, (line: Line) => void>();
  const seen = new Map<string, Line>();
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on("line", (text) => {
    const line: Line = JSON.parse(text);
    seen.set(line.phase, line);
    waiting.get(line.phase)?.(line);
  });
  return (phase: string, command?: string): Promise<Line> => {
    if (command) {
      seen.delete(phase);
      child.send(command);
    }
    const line = seen.get(phase);
    return line ? Promise.resolve(line) : new Promise((resolve) => waiting.set(phase, resolve));
  };
}

test("subscribers that stop reading cost no queue, and each recovers as its channel says", {
  timeout: 240_000,
}, async () => {
  const server = start("slow-subscribers", MESSAGES);
  const { port } = await server("listening");
  const clients = start("slow-subscriber-clients", port, SLOW, FAST);
  await clients("connected");
  const before = await server("start", "start");
  const full = server("full");
  const published = await server("published", "publish");
  const growth = { full: (await full).rss - before.rss, published: published.rss - before.rss };
  console.log(
    `${published.full} of ${SLOW} full; ${Math.round(growth.full / 2 ** 20)} MiB more after ${(MESSAGES * 2) / 3} messages, ` +
      `${Math.round(growth.published / 2 ** 20)} MiB after ${MESSAGES}`,
  );
  expect(published.full).toBe(SLOW);
  expect(growth.published).toBeLessThan(MAX_GROWTH);
  expect(growth.published - growth.full).toBeLessThan(MAX_GROWTH / 6);
  await clients("resumed", "resume");
  // Until the slow ones have read what the network held for them.
  await pause(8_000);
  await server("last", "last");
  await pause(3_000);
  const { fast, all, newest, fitting } = await clients("report", "report");
  console.log(JSON.stringify({ fast, all, newest, fitting }));
  expect(fast).toMatchObject({ counts: [MESSAGES + 1, MESSAGES + 1], gaps: 0, holes: 0, atLast: FAST });
  for (const group of [all, newest, fitting]) expect(group).toMatchObject({ holes: 0, atLast: group.subscribers });
  // Their log held 100 messages.
  expect([all.gaps, newest.gaps, fitting.gaps]).toEqual([all.subscribers, 0, 0]);
});
