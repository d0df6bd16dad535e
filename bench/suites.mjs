// What is measured, and how it is told: each part makes a table, and a chart where a picture says more.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { findChromium } from "../scripts/browsers.mjs";
import { bars, lines } from "./chart.mjs";
import { compare, contest, median } from "./runner.mjs";
import { IMPORTS, sizeOf } from "./sizes.mjs";
import { figure, ratio, table } from "./table.mjs";

/** In each the second is the first again: how far apart the two are is the noise. */
const OURS = ["bare ws", "bare ws again", "tautline"];
const ALL = [
  ...OURS,
  "Node's own WebSocket",
  "reconnecting-websocket",
  "partysocket",
  "websocket-ts",
  "sockette",
  "socket.io-client",
  "centrifuge",
];
const BUFFERUTIL = ["bare ws", "bare ws again", "tautline + bufferutil", "bare ws + bufferutil"];
const RESUME = ["tautline, resume off", "tautline, resume off again", "tautline, resume on"];
const PAGE = ["native WebSocket", "native WebSocket again", "tautline in a page"];
const CALLS = ["json() by hand", "json() by hand again", "tautline/rpc", "socket.io-client"];
const ALONE = ["tautline", "tautline again"];

const SPEED = { rate: "messages a second", cpuUs: "CPU µs a message" };
const LATENCY = { p50Us: "p50, µs", p99Us: "p99, µs" };
const CPU = "CPU µs a message";
/** Rounds of the parts that have many steps. */
const MOST_ROUNDS = 3;

const text = { kind: "text", bytes: 64 };
const up1000 = {
  title: "64-byte text up, 1,000 in one turn",
  task: "up",
  options: { count: 50_000, burst: 1_000, ...text },
  measures: SPEED,
};
const up50 = {
  title: "64-byte text up, 50 in one turn",
  task: "up",
  options: { count: 50_000, burst: 50, ...text },
  measures: SPEED,
};
const up1 = {
  title: "64-byte text up, one a turn",
  task: "up",
  options: { count: 20_000, burst: 1, ...text },
  measures: SPEED,
};
const down = {
  title: "64-byte text down, flood",
  task: "down",
  options: { count: 100_000, bytes: 64 },
  measures: SPEED,
};
const echo = {
  title: "64-byte echo, one in flight",
  task: "echo",
  options: { count: 3_000, inFlight: 1, ...text },
  measures: LATENCY,
};
const json = {
  title: "JSON of 300 bytes, echo, 100 in flight",
  task: "echo",
  options: { count: 20_000, inFlight: 100, kind: "json", bytes: 300 },
  measures: SPEED,
};
const calls = {
  title: "calls of 100 bytes and their answers, 100 in flight",
  task: "calls",
  options: { count: 20_000, inFlight: 100, bytes: 100 },
  measures: { rate: "calls a second", cpuUs: "CPU µs a call" },
};
const binary = {
  title: "64 KiB binary both ways",
  task: "echo",
  options: { count: 300, inFlight: 8, kind: "binary", bytes: 65_536 },
  measures: SPEED,
};

const withBufferutil = (work) => ({ ...work, title: `with bufferutil, ${work.title}` });
const withResume = (work) => ({ ...work, title: `resume on, ${work.title}` });
/** A message costs a page so much more that fewer of them take as long. */
const inChromium = ({ title, options, ...work }) => ({
  ...work,
  title: `in Chromium, ${title}`,
  options: { ...options, count: options.count / 2 },
  lacks: findChromium() ? undefined : "there is no Chromium. Install it, or set CHROMIUM to its path.",
});

/** Bounds of the ratios to the first client: no lower for a rate, no higher for what is paid. */
const LEVEL = { rate: 0.95, cpuUs: 1.05 };
const LEVEL_RATE = { rate: 0.95 };
const RESUME_RATE = { rate: 0.85 };

const of = (results, name, measure) => results.get(name).map((result) => result[measure]);

/** A part that sets clients beside the first of them: what each measured, and the ratios round by round. */
function beside({ title, task, options, measures, lacks, isFresh }, names, aims = {}) {
  return {
    title,
    lacks,
    async run({ rounds, scale }) {
      const given = { ...options };
      if (given.count) given.count = Math.max(10, Math.round(given.count * scale));
      const results = await contest(names, task, { rounds, options: given, isFresh });
      const columns = Object.entries(measures);
      const head = ["client", ...columns.flatMap(([, label]) => [label, `beside ${names[0]}`])];
      const rows = names.map((name) => [
        name,
        ...columns.flatMap(([measure]) => {
          const values = of(results, name, measure);
          return [figure(median(values)), ratio(compare(values, of(results, names[0], measure)))];
        }),
      ]);
      const [[measure, label]] = columns;
      const medians = names.map((name) => [name, median(of(results, name, measure))]);
      const text = [table(head, rows), `Rounds: ${rounds}.`, ...verdict(results, names, measures, aims)].join("\n\n");
      return { text, chart: bars(`${title}: ${label}`, medians) };
    },
  };
}

/** Whether the median is where it is aimed at. A miss that the first client has beside itself is no finding. */
export function verdict(results, [first, again, ours], measures, aims) {
  const told = Object.entries(aims).map(([measure, bound]) => {
    const base = of(results, first, measure);
    const { median } = compare(of(results, ours, measure), base);
    const noise = compare(of(results, again, measure), base);
    const isRate = measure === "rate";
    const isReached = isRate ? median >= bound : median <= bound;
    const missed = noise.min <= median && median <= noise.max ? "missed, within the noise" : "missed";
    return `${measures[measure]} at ${isRate ? "least" : "most"} ${bound}× (${isReached ? "reached" : missed})`;
  });
  return told.length > 0 ? [`Aim: ${told.join(", ")}.`] : [];
}

/** A part that does more from step to step: what each client's CPU time was, and the ratios to the first of them. */
function growing({ title, unit, task, steps, optionsOf }, names) {
  const [first, ...others] = names;
  return {
    title,
    async run({ rounds: most, scale }) {
      const rounds = Math.min(most, MOST_ROUNDS);
      // A line drawn twice can't be told apart.
      const points = new Map(names.filter((name) => !name.endsWith(" again")).map((name) => [name, []]));
      const rows = [];
      for (const step of scale < 1 ? steps.slice(0, 2) : steps) {
        const options = optionsOf(step);
        if (scale < 1 && !options.isExact) options.count = Math.min(options.count, 200);
        const results = await contest(names, task, { rounds, options, isFresh: options.conns > 1_000 });
        const base = of(results, first, "cpuUs");
        const cells = others.flatMap((name) => {
          const values = of(results, name, "cpuUs");
          return [figure(median(values)), ratio(compare(values, base))];
        });
        rows.push([step.toLocaleString("en-US"), figure(median(base)), ...cells]);
        for (const [name, line] of points) line.push([step, median(of(results, name, "cpuUs"))]);
      }
      const head = [unit, `${first}: ${CPU}`, ...others.flatMap((name) => [name, `beside ${first}`])];
      const text = [table(head, rows), `Rounds: ${rounds}.`].join("\n\n");
      return { text, chart: lines(`${title}: ${CPU}`, unit, points) };
    },
  };
}

export const parts = {
  "up-1000": beside(up1000, ALL, { rate: 4.5, cpuUs: 0.25 }),
  "up-50": beside(up50, ALL, { rate: 4, cpuUs: 0.25 }),
  "up-1": beside(up1, ALL, LEVEL),
  down: beside(down, ALL, LEVEL),
  echo: beside(echo, ALL, { p50Us: 1.05, p99Us: 1.25 }),
  json: beside(json, ALL, { rate: 1.5 }),
  calls: beside(calls, CALLS, { rate: 0.85 }),
  binary: beside(binary, OURS, LEVEL),
  "binary-bufferutil": beside(withBufferutil(binary), BUFFERUTIL, { rate: 1.5 }),
  "chromium-up-1000": beside(inChromium(up1000), PAGE, LEVEL_RATE),
  "chromium-up-1": beside(inChromium(up1), PAGE, LEVEL_RATE),
  "chromium-down": beside(inChromium(down), PAGE, LEVEL_RATE),
  "chromium-echo": beside(inChromium(echo), PAGE, { p50Us: 1.05 }),
  "resume-up": beside(withResume(up1000), RESUME, RESUME_RATE),
  "resume-down": beside(withResume(down), RESUME, RESUME_RATE),
  "resume-echo": beside(withResume(echo), RESUME),
  "resume-json": beside(withResume(json), RESUME, RESUME_RATE),
  "resume-binary": beside(withResume(binary), RESUME, RESUME_RATE),
  memory: beside(
    {
      title: "memory of an idle connection, 2,000 in one process",
      task: "memory",
      options: { count: 2_000 },
      measures: { heapBytes: "bytes of heap", rssBytes: "bytes of RSS" },
      isFresh: true,
    },
    ALL.filter((name) => !["socket.io-client", "centrifuge"].includes(name)),
    { heapBytes: 1.7, rssBytes: 1.35 },
  ),
  idle: beside(
    {
      title: "10,000 idle connections that ping every 5 s",
      task: "idle",
      options: { count: 10_000, pingMs: 5_000, ms: 10_000 },
      measures: { cpuUs: "CPU µs a ping" },
      isFresh: true,
    },
    OURS,
    { cpuUs: 1.15 },
  ),
  leftovers: beside(
    {
      title: "10,000 connections made, opened and closed",
      task: "leftovers",
      options: { count: 10_000 },
      measures: { keptBytes: "bytes of heap kept a connection", left: "left in a heap snapshot" },
      isFresh: true,
    },
    OURS,
  ),
  start: beside(
    {
      title: "from the start of the process to the first message",
      task: "start",
      options: {},
      measures: { ms: "ms" },
      isFresh: true,
    },
    OURS,
    { ms: 1.1 },
  ),
  sizes: {
    title: "bytes that a page downloads",
    async run() {
      const sizes = [];
      for (const name of Object.keys(IMPORTS)) sizes.push({ name, ...(await sizeOf(name)) });
      const rows = sizes.map(({ name, minified, brotli }) => [name, figure(minified), figure(brotli)]);
      const chart = bars(
        "bytes of minified code, brotli",
        sizes.map(({ name, brotli }) => [name, brotli]),
      );
      return { text: table(["client", "minified", "brotli"], rows), chart };
    },
  },
  "grow-bytes": growing(
    {
      title: "messages of 16 B to 16 MiB, up",
      unit: "bytes of a message",
      task: "up",
      steps: [16, 256, 4_096, 65_536, 1_048_576, 16_777_216],
      optionsOf: (bytes) => ({
        count: Math.max(4, Math.min(20_000, Math.floor(33_554_432 / bytes))),
        burst: 1,
        kind: "binary",
        bytes,
      }),
    },
    OURS,
  ),
  "grow-outbox": growing(
    {
      title: "outboxes of 10 to 100,000 messages, filled and drained",
      unit: "messages",
      task: "drain",
      steps: [10, 100, 1_000, 10_000, 100_000],
      optionsOf: (count) => ({ count, bytes: 64, isExact: true }),
    },
    ALONE,
  ),
  "grow-conns": growing(
    {
      title: "64-byte echoes over 1 to 10,000 connections",
      unit: "connections",
      task: "spread",
      steps: [1, 10, 100, 1_000, 10_000],
      optionsOf: (conns) => ({ conns, count: 20_000, bytes: 64 }),
    },
    OURS,
  ),
  "grow-listeners": growing(
    {
      title: "64-byte text down to 1 to 100 listeners",
      unit: "listeners",
      task: "listeners",
      steps: [1, 10, 100],
      optionsOf: (listeners) => ({ listeners, count: 50_000, bytes: 64 }),
    },
    ALONE,
  ),
};

/** The versions that are set beside each other, from what is installed. */
export function versions() {
  const read = (file) => JSON.parse(readFileSync(new URL(file, import.meta.url), "utf8"));
  const { dependencies, optionalDependencies } = read("package.json");
  const ours = read("../package.json");
  const all = { tautline: ours.version, ws: ours.dependencies.ws, ...dependencies, ...optionalDependencies };
  const browser = findChromium();
  if (browser)
    all.Chromium = /[\d.]+/.exec(execFileSync(browser, ["--version"], { stdio: ["ignore", "pipe", "ignore"] }));
  return Object.entries(all).map(([name, version]) => `${name} ${version}`);
}
