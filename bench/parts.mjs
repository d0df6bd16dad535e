// What is measured, and how it is told: each part makes a table, and a chart where a picture says more.
import { readFileSync } from "node:fs";
import { bars, lines } from "./chart.mjs";
import { compare, contest, median } from "./contest.mjs";
import { IMPORTS, sizeOf } from "./sizes.mjs";
import { figure, ratio, table } from "./table.mjs";

const BARE = "bare ws";
const OURS = [BARE, "bare ws again", "tautline"];
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
const RESUME = ["tautline, resume off", "tautline, resume on"];
const BUFFERUTIL = ["bare ws + bufferutil", "tautline + bufferutil"];
const of = (results, name, measure) => results.get(name).map((result) => result[measure]);

/** A part that sets clients beside the first of them: what each measured, and the ratios round by round. */
function beside(title, task, given, { names = ALL, measures, ...how }) {
  return {
    title,
    async run({ rounds, scale }) {
      const options = { ...given };
      if (options.count) options.count = Math.max(10, Math.round(options.count * scale));
      const results = await contest(names, task, { rounds, options, ...how });
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
      return { text: table(head, rows), chart: bars(`${title}: ${label}`, medians) };
    },
  };
}

const SPEED = { rate: "messages a second", cpuUs: "CPU µs a message" };
const LATENCY = { p50Us: "p50, µs", p99Us: "p99, µs" };
const text = { kind: "text", bytes: 64 };

function growing(title, unit, steps, task, optionsOf, names = [BARE, "tautline"]) {
  return {
    title,
    async run({ rounds, scale }) {
      const few = scale < 1 ? steps.slice(0, 2) : steps;
      const points = new Map(names.map((name) => [name, []]));
      for (const step of few) {
        const options = optionsOf(step);
        options.count = scale < 1 && !options.isExact ? Math.min(options.count, 200) : options.count;
        const results = await contest(names, task, {
          rounds: Math.min(rounds, 3),
          options,
          isFresh: options.conns > 1_000,
          warmUps: 1,
        });
        for (const name of names) points.get(name).push([step, median(of(results, name, "cpuUs"))]);
      }
      const head = [unit, ...names.map((name) => `${name}: CPU µs a message`)];
      const rows = few.map((step, at) => [
        step.toLocaleString("en-US"),
        ...names.map((name) => figure(points.get(name)[at][1])),
      ]);
      return { text: table(head, rows), chart: lines(`${title}: CPU µs a message`, unit, points) };
    },
  };
}

export const parts = {
  "up-1000": beside(
    "64-byte text up, 1,000 in one turn",
    "up",
    { count: 50_000, burst: 1_000, ...text },
    { measures: SPEED },
  ),
  "up-50": beside("64-byte text up, 50 in one turn", "up", { count: 50_000, burst: 50, ...text }, { measures: SPEED }),
  "up-1": beside("64-byte text up, one a turn", "up", { count: 20_000, burst: 1, ...text }, { measures: SPEED }),
  down: beside("64-byte text down, flood", "down", { count: 100_000, bytes: 64 }, { measures: SPEED }),
  echo: beside("64-byte echo, one in flight", "echo", { count: 3_000, inFlight: 1, ...text }, { measures: LATENCY }),
  json: beside(
    "JSON of 300 bytes, echo, 100 in flight",
    "echo",
    { count: 20_000, inFlight: 100, kind: "json", bytes: 300 },
    { measures: SPEED },
  ),
  binary: beside(
    "64 KiB binary both ways",
    "echo",
    { count: 300, inFlight: 8, kind: "binary", bytes: 65_536 },
    { names: [...OURS, ...BUFFERUTIL], measures: SPEED },
  ),
  "resume-up": beside(
    "resume on, 64-byte text up, 1,000 in one turn",
    "up",
    { count: 50_000, burst: 1_000, ...text },
    { names: RESUME, measures: SPEED },
  ),
  "resume-down": beside(
    "resume on, 64-byte text down",
    "down",
    { count: 50_000, bytes: 64 },
    { names: RESUME, measures: SPEED },
  ),
  "resume-echo": beside(
    "resume on, 64-byte echo, one in flight",
    "echo",
    { count: 3_000, inFlight: 1, ...text },
    { names: RESUME, measures: LATENCY },
  ),
  "resume-json": beside(
    "resume on, JSON of 300 bytes, 100 in flight",
    "echo",
    { count: 20_000, inFlight: 100, kind: "json", bytes: 300 },
    { names: RESUME, measures: SPEED },
  ),
  "resume-binary": beside(
    "resume on, 64 KiB binary both ways",
    "echo",
    { count: 300, inFlight: 8, kind: "binary", bytes: 65_536 },
    { names: RESUME, measures: SPEED },
  ),
  memory: beside(
    "memory of an idle connection, 2,000 in one process",
    "memory",
    { count: 2_000 },
    {
      names: ALL.filter((name) => !["socket.io-client", "centrifuge"].includes(name)),
      measures: { heapBytes: "bytes of heap", rssBytes: "bytes of RSS" },
      isFresh: true,
    },
  ),
  idle: beside(
    "10,000 idle connections that ping every 5 s",
    "idle",
    { count: 10_000, pingMs: 5_000, ms: 10_000 },
    { names: OURS, measures: { cpuUs: "CPU µs a ping" }, isFresh: true },
  ),
  leftovers: beside(
    "10,000 connections made, opened and closed",
    "leftovers",
    { count: 10_000 },
    {
      names: [BARE, "tautline"],
      measures: { keptBytes: "bytes of heap kept a connection", left: "left in a heap snapshot" },
      isFresh: true,
    },
  ),
  start: beside(
    "from the start of the process to the first message",
    "start",
    {},
    { names: OURS, measures: { ms: "ms" }, isFresh: true },
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
    "messages of 16 B to 16 MiB, up",
    "bytes of a message",
    [16, 256, 4_096, 65_536, 1_048_576, 16_777_216],
    "up",
    (bytes) => ({
      count: Math.max(4, Math.min(20_000, Math.floor(33_554_432 / bytes))),
      burst: 1,
      kind: "binary",
      bytes,
    }),
  ),
  "grow-outbox": growing(
    "outboxes of 10 to 100,000 messages, filled and drained",
    "messages",
    [10, 100, 1_000, 10_000, 100_000],
    "drain",
    (count) => ({ count, bytes: 64, isExact: true }),
    ["tautline"],
  ),
  "grow-conns": growing(
    "64-byte echoes over 1 to 10,000 connections",
    "connections",
    [1, 10, 100, 1_000, 10_000],
    "spread",
    (conns) => ({ conns, count: 20_000, bytes: 64 }),
  ),
  "grow-listeners": growing(
    "64-byte text down to 1 to 100 listeners",
    "listeners",
    [1, 10, 100],
    "listeners",
    (listeners) => ({ listeners, count: 50_000, bytes: 64 }),
    ["tautline"],
  ),
};

/** The versions that are set beside each other, from what is installed. */
export function versions() {
  const read = (file) => JSON.parse(readFileSync(new URL(file, import.meta.url), "utf8"));
  const { dependencies, optionalDependencies } = read("package.json");
  const ours = read("../package.json");
  const all = { tautline: ours.version, ws: ours.dependencies.ws, ...dependencies, ...optionalDependencies };
  return Object.entries(all).map(([name, version]) => `${name} ${version}`);
}
