import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "tautline-api-"));
afterAll(() => rmSync(folder, { recursive: true }));

const reports = (path: string) =>
  Object.fromEntries(readdirSync(path).map((file) => [file, readFileSync(join(path, file), "utf8")]));

test("the checked-in reports are the public API (npm run api writes them)", () => {
  execFileSync(process.execPath, ["scripts/api-report.mjs", folder], { cwd: ROOT, stdio: "inherit" });
  const { exports } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { exports: object };
  expect(readdirSync(folder)).toHaveLength(Object.keys(exports).length - 1);
  expect(reports(join(ROOT, "etc"))).toEqual(reports(folder));
});

test("a report holds what is public, and nothing private", () => {
  const { "index.api.md": index = "" } = reports(join(ROOT, "etc"));
  expect(index).toContain("export class Conn<");
  expect(index).toContain("    reconnect(): void;");
  expect(index).not.toMatch(/#private|private /);
});
