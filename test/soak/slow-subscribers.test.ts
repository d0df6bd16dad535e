import { type ChildProcess, execFileSync, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";

// A thousand of five thousand stop reading, as in the aim for channels.
const WANTED = 5_000;
/** Files that a server has open beside its connections. */
const OTHER_FILES = 256;
const limit = Number(execFileSync("sh", ["-c", "ulimit -Hn"], { encoding: "utf8" })) || Number.POSITIVE_INFINITY;
const SUBSCRIBERS = Math.min(WANTED, limit - OTHER_FILES);
const SLOW = Math.floor(SUBSCRIBERS / 5);
/** Processes of those that read. */
const READERS = 2;
const FAST = Math.floor((SUBSCRIBERS - SLOW) / READERS);
const MESSAGES = 2_000;
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
  timeout: 300_000,
}, async () => {
  if (SUBSCRIBERS < WANTED) console.log(`${SUBSCRIBERS} subscribers instead of ${WANTED}: ulimit -n is ${limit}`);
  const server = start("slow-subscribers", MESSAGES, SLOW);
  const { port } = await server("listening");
  const readers = Array.from({ length: READERS }, () => start("slow-subscriber-clients", port, 0, FAST));
  const clients = start("slow-subscriber-clients", port, SLOW, 0);
  await Promise.all([clients, ...readers].map((each) => each("connected")));
  const before = await server("start", "start");
  const half = server("half");
  const published = await server("published", "publish");
  const growth = { half: (await half).rss - before.rss, published: published.rss - before.rss };
  console.log(
    `${SLOW} of ${SLOW + READERS * FAST} stop reading, ${published.full} are full; ${inMiB(growth.half)} MiB more after ` +
      `${MESSAGES / 2} messages, ${inMiB(growth.published)} MiB after ${MESSAGES}`,
  );
  expect(published.full).toBe(SLOW);
  expect(growth.published).toBeLessThan(MAX_GROWTH);
  expect(growth.published - growth.half).toBeLessThan(MAX_GROWTH / 6);
  await clients("resumed", "resume");
  // Until the slow ones have read what the network held for them.
  await waitFor(async () => (await server("drained", "drained")).full === 0);
  await server("last", "last");
  const isThere = ({ atLast, subscribers }: Report) => atLast === subscribers;
  const reports = () => Promise.all([clients, ...readers].map((each) => each("report", "report")));
  await waitFor(async () =>
    (await reports()).every(({ fast, all, newest, fitting }) => [fast, all, newest, fitting].every(isThere)),
  );
  const [slow, ...fast] = (await reports()) as [Line, ...Line[]];
  for (const line of fast) {
    expect(line.fast).toMatchObject({ counts: [MESSAGES + 1, MESSAGES + 1], gaps: 0, holes: 0, atLast: FAST });
  }
  const { all, newest, fitting } = slow;
  console.log(JSON.stringify({ all, newest, fitting }));
  for (const group of [all, newest, fitting]) expect(group).toMatchObject({ holes: 0, atLast: group.subscribers });
  // Their log held 100 messages.
  expect([all.gaps, newest.gaps, fitting.gaps]).toEqual([all.subscribers, 0, 0]);
});

const inMiB = (bytes: number) => Math.round(bytes / 2 ** 20);

/** Asks once a second, at most two minutes. The expectations that follow say what is missing. */
async function waitFor(isDone: () => Promise<boolean>): Promise<void> {
  for (let second = 0; second < 120; second++) {
    if (await isDone()) return;
    await pause(1_000);
  }
}
