// The parts of the bench: which clients do which task, with which options, and the ratios that are aimed at.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { findChromium } from "../scripts/browsers.mjs";
import { compareClients, compareGrowth, compareSizes } from "./comparison.mjs";
import { IMPORTS } from "./sizes.mjs";

/** In each list the second client is the first again: the difference between these two is the noise. */
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
const OTHER_BUILD = ["other build", "other build again", "this build"];
const OTHER_BUILD_RESUME = ["other build, resume on", "other build, resume on again", "this build, resume on"];

const SPEED = { rate: "messages a second", cpuUs: "CPU µs a message" };
const LATENCY = { p50Us: "p50, µs", p99Us: "p99, µs" };

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

const memory = {
  task: "memory",
  measures: { heapBytes: "bytes of heap", rssBytes: "bytes of RSS" },
  isFresh: true,
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

/** Bounds of the ratios to the first client: a minimum for a rate, a maximum for a cost. */
const LEVEL = { rate: 0.95, cpuUs: 1.05 };
const LEVEL_RATE = { rate: 0.95 };
const RESUME_RATE = { rate: 0.85 };
const MEMORY = { heapBytes: 1.7, rssBytes: 1.35 };

export const parts = {
  "up-1000": compareClients(up1000, ALL, { rate: 4.5, cpuUs: 0.25 }),
  "up-50": compareClients(up50, ALL, { rate: 4, cpuUs: 0.25 }),
  "up-1": compareClients(up1, ALL, LEVEL),
  down: compareClients(down, ALL, { rate: 1, cpuUs: 1 }),
  echo: compareClients(echo, ALL, { p50Us: 1.05, p99Us: 1.25 }),
  json: compareClients(json, ALL, { rate: 1.5 }),
  calls: compareClients(calls, CALLS, { rate: 0.85 }),
  binary: compareClients(binary, OURS, LEVEL),
  "binary-bufferutil": compareClients(withBufferutil(binary), BUFFERUTIL, { rate: 1.5 }),
  "chromium-up-1000": compareClients(inChromium(up1000), PAGE, LEVEL_RATE),
  "chromium-up-1": compareClients(inChromium(up1), PAGE, LEVEL_RATE),
  "chromium-down": compareClients(inChromium(down), PAGE, LEVEL_RATE),
  "chromium-echo": compareClients(inChromium(echo), PAGE, { p50Us: 1.05 }),
  "resume-up": compareClients(withResume(up1000), RESUME, RESUME_RATE),
  "resume-down": compareClients(withResume(down), RESUME, RESUME_RATE),
  "resume-echo": compareClients(withResume(echo), RESUME),
  "resume-json": compareClients(withResume(json), RESUME, RESUME_RATE),
  "resume-binary": compareClients(withResume(binary), RESUME, RESUME_RATE),
  memory: compareClients(
    { ...memory, title: "memory of an idle connection, 2,000 in one process", options: { count: 2_000 } },
    ALL.filter((name) => !["socket.io-client", "centrifuge"].includes(name)),
    MEMORY,
  ),
  // V8's space for young objects grows in steps of megabytes and stays: beside few connections it decides the RSS.
  "memory-8000": compareClients(
    { ...memory, title: "memory of an idle connection, 8,000 in one process", options: { count: 8_000 } },
    OURS,
    MEMORY,
  ),
  idle: compareClients(
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
  leftovers: compareClients(
    {
      title: "10,000 connections made, opened and closed",
      task: "leftovers",
      options: { count: 10_000 },
      measures: { keptBytes: "bytes of heap kept a connection", left: "left in a heap snapshot" },
      isFresh: true,
    },
    OURS,
  ),
  start: compareClients(
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
  sizes: compareSizes("bytes that a page downloads", Object.keys(IMPORTS)),
  "grow-bytes": compareGrowth(
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
  "grow-outbox": compareGrowth(
    {
      title: "outboxes of 10 to 100,000 messages, filled and drained",
      unit: "messages",
      task: "drain",
      steps: [10, 100, 1_000, 10_000, 100_000],
      optionsOf: (count) => ({ count, bytes: 64, isExact: true }),
    },
    ALONE,
  ),
  "grow-conns": compareGrowth(
    {
      title: "64-byte echoes over 1 to 10,000 connections",
      unit: "connections",
      task: "spread",
      steps: [1, 10, 100, 1_000, 10_000],
      optionsOf: (conns) => ({ conns, count: 20_000, bytes: 64 }),
    },
    OURS,
  ),
  "grow-listeners": compareGrowth(
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

/** The parts with another build of tautline in the place of the other clients. The server is this build in all of them. */
export const partsAgainst = Object.fromEntries(
  Object.entries(parts)
    .filter(([name]) => !/^chromium|bufferutil|^calls$/.test(name))
    .map(([name, { against }]) => [name, against(/^resume/.test(name) ? OTHER_BUILD_RESUME : OTHER_BUILD)]),
);

/** The versions of all that is compared, as installed. */
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
