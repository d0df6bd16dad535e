import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const isMissing = !existsSync("/usr/bin/redis-server") && process.env.CI !== "true";
const SMALL = { clients: 20, messages: 20, bytes: 64, seconds: 0.1, idle: 1, rounds: 1 };
const NUMBER = /^[\d,.]+$/;
const MS = /^[\d.]+ ms$/;

/** Runs one part with small numbers, and returns the rows that it prints by their first cell, and all of its text. */
async function run(part: string): Promise<{ rows: Map<string, string[]>; text: string }> {
  const small = Object.entries(SMALL).flatMap(([name, number]) => [`--${name}`, String(number)]);
  const command = ["run", "--silent", "redis-bench", "--", "--only", part, ...small];
  const { stdout } = await promisify(execFile)("npm", command, { cwd: ROOT });
  const lines = stdout.split("\n").filter((line) => line.startsWith("| "));
  const cells = lines.map((line) =>
    line
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim()),
  );
  return { rows: new Map(cells.map(([first = "", ...others]) => [first, others])), text: stdout };
}

/** Each part takes some seconds, of which most are starts of processes: many times as long on a busy machine. */
const LIMIT = { timeout: 180_000 };

describe.skipIf(isMissing)("the bench of Redis", LIMIT, () => {
  test("prints what operations cost beside the script called by hand, and what a message takes", async () => {
    const { rows, text } = await run("operations");
    for (const name of [
      "the script of a publish, called by hand",
      "the same by `engine.publish()`",
      "the same by `hub.publish()`",
      "a publish without a history",
      "a read of 20 messages",
    ]) {
      expect(rows.get(name)).toEqual([1, 2, 3].map(() => expect.stringMatching(NUMBER)));
    }
    expect(Number(/is kept: (\d+) bytes/.exec(text)?.[1])).toBeGreaterThan(SMALL.bytes);
  });

  test("prints what a connection, an entry and a delivery cost a node", async () => {
    const { rows } = await run("node");
    for (const [name, unit] of [
      ["a connection with a channel", "bytes of RSS"],
      ["a client that connects and subscribes", "µs"],
      ["a connection at rest", "µs a second"],
      ["a delivery", "µs"],
      ["an entry that Redis sends, besides", "µs"],
      ["a node that receives a publish", "µs of Redis"],
    ] as const) {
      expect(rows.get(name)).toEqual([expect.stringMatching(`^-?[\\d.]+ ${unit}$`)]);
    }
  });

  test("prints the delays to another node for the hub and for each adapter of socket.io", async () => {
    const { rows } = await run("delays");
    for (const name of [
      "**tautline/hub**, with a history",
      "**tautline/hub**, without one",
      "socket.io, `@socket.io/redis-adapter`",
      "socket.io, `@socket.io/redis-streams-adapter`",
    ]) {
      expect(rows.get(name)).toEqual([expect.stringMatching(MS), expect.stringMatching(MS)]);
    }
  });

  test("finds that an idle connection makes no command of Redis", async () => {
    const { text } = await run("idle");
    expect(text).toContain("An idle connection: 0.00 commands a second");
  });

  test("finds one read of a log at most for each channel and node when all clients of a node return, and no gap", async () => {
    const { rows } = await run("returns");
    expect(rows.get("bare `ws` with the same backoff")?.[0]).toMatch(MS);
    const [ms, , reads, most, gaps] = rows.get("**tautline/channels**, one message missed") ?? [];
    expect(ms).toMatch(MS);
    expect(Number(reads)).toBeGreaterThan(0);
    expect(Number(reads)).toBeLessThanOrEqual(Number(most));
    expect(gaps).toBe("0");
  });

  test("refuses a part that it does not have", async () => {
    await expect(run("speed")).rejects.toThrow("--only must be one of operations, node, delays, idle, returns");
  });
});
