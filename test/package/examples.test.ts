import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const MAX_LINES = 50;
const root = join(import.meta.dirname, "../../examples");
const programs = readdirSync(root, { recursive: true, encoding: "utf8" }).filter(
  (path) => /\.(mjs|tsx)$/.test(path) && !path.includes("node_modules"),
);

test("there is a program for each use", () => {
  const folders = new Set(programs.map((path) => path.split("/")[0]));
  expect([...folders].sort()).toEqual(["chat", "express", "node-client", "react", "ticker"]);
});

test.for(programs)("%s is read at a glance: it has at most 50 lines", (path) => {
  const lines = readFileSync(join(root, path), "utf8").trimEnd().split("\n");
  expect(lines.length).toBeLessThanOrEqual(MAX_LINES);
});
