import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import manifest from "../../package.json" with { type: "json" };

const ROOT = join(import.meta.dirname, "../..");
const page = readFileSync(join(ROOT, "docs/guides/comparison.md"), "utf8");

/** The tables of the page: their headers, and the cells of their rows. */
const tables = [...page.matchAll(/^\|(.*)\|\n\|[ -|]*\|\n((?:\|.*\|\n)+)/gm)].map(([, header = "", body = ""]) => ({
  columns: cellsOf(`|${header}|`),
  rows: body.trim().split("\n").map(cellsOf),
}));
const compared = tables.filter(({ columns }) => columns[1] !== "shown by");
const shown = tables.find(({ columns }) => columns[1] === "shown by")?.rows ?? [];

function cellsOf(row: string): string[] {
  return row
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim());
}

test("every column of the comparison has a cell of tautline's, and a row that says where it is shown", () => {
  expect(compared).toHaveLength(3);
  for (const { rows } of compared) expect(rows[0]?.[0]).toBe("**tautline**");
  const columns = compared.flatMap(({ columns: [, ...rest] }) => rest);
  expect(new Set(shown.map(([column]) => column))).toEqual(new Set(columns));
});

test.each(shown)("%s is shown by what is there: %s", (_column, by = "") => {
  const [, where = "", title] = /^`([^`]+)`(?:: (.*))?$/.exec(by) ?? [];
  const script = /^npm run (\S+)$/.exec(where)?.[1];
  if (script) return expect(Object.keys(manifest.scripts)).toContain(script);
  expect(existsSync(join(ROOT, where)), where).toBe(true);
  // In the place of a title, and not in a comment.
  const titles = [
    ...readFileSync(join(ROOT, where), "utf8").matchAll(/^\s*(?:test|it|\(?")?.*?(["'])((?:(?!\1).)+)\1,/gm),
  ];
  expect(titles.map(([, , text]) => text)).toContain(title);
});
