import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";

const COUNT = 1_000_000;
const MAX_GROWTH = 2 * 2 ** 20;
const folder = mkdtempSync(join(tmpdir(), "tautline-"));
const program = join(folder, "many-sessions.mjs");

beforeAll(async () => {
  await build({
    entryPoints: [join(import.meta.dirname, "many-sessions.ts")],
    outfile: program,
    bundle: true,
    platform: "node",
    format: "esm",
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
  });
});

afterAll(() => rmSync(folder, { recursive: true }));

test.for([
  ["short sessions", "short"],
  ["sockets that never take their session", "silent"],
] as const)("a million %s leave nothing behind", { timeout: 900_000 }, async ([, kind]) => {
  const { stdout } = await promisify(execFile)(process.execPath, ["--expose-gc", program, kind, String(COUNT)]);
  const { before, after, left } = JSON.parse(stdout);
  console.log(`${kind}: ${((after - before) / 1024).toFixed(0)} KiB more than before, after ${COUNT}`);
  expect(left).toBe(0);
  expect(after - before).toBeLessThan(MAX_GROWTH);
});
