import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

const MAIN = join(import.meta.dirname, "../../bench/channels/main.mjs");
const NUMBER = /^[\d,.]+$/;

test("the bench of channels prints a row for each server, and one read of the log for all that return", () => {
  const printed = execFileSync(
    process.execPath,
    [MAIN, "--subscribers", "20", "--messages", "5", "--rounds", "1", "--pause", "1"],
    { encoding: "utf8" },
  );
  const rows = printed
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .map((line) => line.split("|").map((cell) => cell.trim()));
  const rowOf = (name: string) => rows.find(([, first]) => first === name) as string[];
  for (const name of ["bare `ws`", "bare `ws` again", "**tautline/hub**", "socket.io room"]) {
    expect([rowOf(name)[2], rowOf(name)[4]]).toEqual([expect.stringMatching(NUMBER), expect.stringMatching(NUMBER)]);
  }
  const [, returned] = rows.filter(([, first]) => first === "**tautline/hub**");
  expect(Number(returned?.[4])).toBeLessThanOrEqual(1);
  expect(rowOf("4 of 20, 16 read")[2]).toMatch(/^[\d.]+ ms$/);
});
