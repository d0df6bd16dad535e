import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { contest } from "../../bench/runner.mjs";
import { findChromium } from "../../scripts/browsers.mjs";

const NAMES = ["native WebSocket", "tautline in a page"];
const OPTIONS = { count: 20, burst: 10, inFlight: 1, kind: "text", bytes: 64 };
const ROOT = join(import.meta.dirname, "../..");

describe.skipIf(!findChromium())("the bench in Chromium", () => {
  test.each(["up", "down"])("a page measures what it takes: %s", async (task) => {
    const results = await contest(NAMES, task, { rounds: 2, options: OPTIONS });
    expect([...results.keys()]).toEqual(NAMES);
    for (const [, rounds] of results) {
      expect(rounds).toHaveLength(2);
      for (const round of rounds) {
        expect(round).toEqual({ rate: expect.any(Number), cpuUs: expect.any(Number) });
        expect(round.rate).toBeGreaterThan(0);
      }
    }
  });

  test("a page measures latency by a clock that tells less than 100 µs apart", async () => {
    const results = await contest(NAMES, "echo", { rounds: 3, options: { ...OPTIONS, count: 200 } });
    const times = [...results.values()].flat().flatMap(({ p50Us, p99Us }) => [p50Us, p99Us]);
    expect(times).toHaveLength(12);
    for (const us of times) expect(us).toBeGreaterThan(0);
    expect(times.some((us) => Math.round(us) % 100 > 0)).toBe(true);
  });

  test("a page that can't do a task fails the contest", async () => {
    const lost = contest(NAMES, "no such task", { rounds: 1, options: OPTIONS });
    await expect(lost).rejects.toThrow("The page threw: TypeError");
  });
});

test("without Chromium its parts say so, and the others go on", async () => {
  const env = { ...process.env, CHROMIUM: "/nowhere" };
  const args = ["bench/run.mjs", "--only", "chromium-echo", "--only", "sizes"];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT, env });
  expect(stdout).toMatch(/^### In Chromium, 64-byte echo, one in flight\n\nNot measured: there is no Chromium/);
  expect(stdout).toContain("### Bytes that a page downloads\n\n| client |");
}, 30_000);
