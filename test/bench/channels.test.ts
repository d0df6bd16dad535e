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
  expect(rowOf("**tautline/hub**, nothing missed")[5]).toBe("0");
  expect(rowOf("**tautline/hub**, 400 messages missed")[5]).toBe("1");
  expect(rowOf("1 of 5, 4 read")[2]).toMatch(/^[\d.]+ ms$/);
});
