import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";

const script = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const LIMIT_MB = 32;

let server: ChildProcess;
let base: string;

beforeAll(async () => {
  server = spawn(process.execPath, [script("server.mjs")], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(server.stdout as NonNullable<typeof server.stdout>, "data");
  base = `ws://127.0.0.1:${String(line).trim()}`;
});

afterAll(() => {
  server.kill();
});

test.for([
  ["a reader of one message each 5 ms holds back 200 MB, and nobody is given up", "slow-reader"],
  ["a stream of 1 GiB passes and comes back", "stream"],
] as const)("%s, in flat memory", { timeout: 120_000 }, async ([, name]) => {
  const { stdout } = await promisify(execFile)(process.execPath, [script("client.mjs"), name, base]);
  const { received, expected, lost, peakMb } = JSON.parse(stdout);
  console.log(`${name}: ${received} messages, ${peakMb.toFixed(1)} MB above the start at most`);
  expect(received).toBe(expected);
  expect(lost).toBe(0);
  expect(peakMb).toBeLessThan(LIMIT_MB);
});
