import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { faultsIn, proseOf, proseOfPage } from "./words.ts";

const ROOT = join(import.meta.dirname, "../..");
const tracked = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], { cwd: ROOT, encoding: "utf8" });
const files = tracked.split("\n").filter((file) => /\.(ts|tsx|mts|mjs|js|md)$/.test(file) && !/\.api\.md$/.test(file));

/** Pages about what happens when all clients return at once, where the word for it is the subject. */
const ABOUT_STORMS = /^(docs\/guides\/storms\.md$|bench\/storm\/|test\/bench\/storm)/;

function faultsOf(file: string): string[] {
  const source = readFileSync(join(ROOT, file), "utf8");
  const prose = file.endsWith(".md") ? proseOfPage(source) : proseOf(file, source);
  const faults = prose.flatMap(faultsIn);
  return ABOUT_STORMS.test(file) ? faults.filter((fault) => !fault.startsWith("the word storm:")) : faults;
}

test("every sentence keeps the rules", () => {
  expect(files.flatMap((file) => faultsOf(file).map((fault) => `${file}: ${fault}`))).toEqual([]);
});

test.each([
  ["// The peer's goodbye would wait.", "the word goodbye: The peer's goodbye would wait."],
  ["/** What a Conn has. */", "a sentence that begins with What: What a Conn has."],
  ["// It is late. Nobody\n// knows.", "a sentence that begins with Nobody: Nobody knows."],
  ['test("is told once", () => {});', "the word told: is told once"],
  [`// ${"word ".repeat(26)}`, `a sentence of 26 words: ${"word ".repeat(26).trim()}`],
])("reports %s", (source, fault) => {
  expect(proseOf("a.ts", source).flatMap(faultsIn)).toEqual([fault]);
});

test.each([
  ["code", "The event `told` is emitted."],
  ["a heading", "# What a verdict is"],
  ["a link", "See [the storm page](storms.md)."],
  ["a block of code", "```ts\n// Whoever is deaf\n```"],
  ["a part of a word", "Untold years, and a wishlist."],
  ["a word inside a sentence", "This is what it is made of."],
])("lets %s pass", (_what, markdown) => {
  expect(proseOfPage(markdown).flatMap(faultsIn)).toEqual([]);
});
