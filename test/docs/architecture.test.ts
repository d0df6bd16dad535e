import { readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const page = readFileSync(join(ROOT, "docs/internals/architecture.md"), "utf8");
const files = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .map((path) => path.split(sep).join("/"));
/** Folders whose table has a row for each file. */
const WITH_TABLE = /^(base|codec|socket|core|resume|server)\//;

test("each file of src that the architecture page names exists", () => {
  const named = [...page.matchAll(/`((?:[a-z]+\/)+[a-z-]+\.ts)`/g)].map(([, path]) => path as string);
  expect(named.length).toBeGreaterThan(60);
  const missing = named.filter((path) => !files.includes(path) && !path.startsWith("test/"));
  expect(missing).toEqual([]);
});

test("each file of the lower folders has a place in the tables of the architecture page", () => {
  const unnamed = files.filter(
    (path) => WITH_TABLE.test(path) && !path.endsWith("index.ts") && !page.includes(`\`${path}\``),
  );
  expect(unnamed).toEqual([]);
});

test("each folder of src is described on the architecture page", () => {
  const folders = [...new Set(files.map((path) => path.split("/").slice(0, -1)))].filter(({ length }) => length > 0);
  const unnamed = folders
    .map((names) => names.join("/"))
    .filter((folder) => !page.includes(`\`${folder}/`) && !page.includes(`\`${folder.split("/").at(-1)}/\``));
  expect(unnamed).toEqual([]);
});
