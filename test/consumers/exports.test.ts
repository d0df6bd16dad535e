import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { publint } from "publint";
import { afterAll, expect, test } from "vitest";
import { consumer } from "./packed.ts";

const ROOT = join(import.meta.dirname, "../..");
const { folder, remove } = consumer();
afterAll(remove);

const own = join(folder, "node_modules/tautline");
const text = readFileSync(join(own, "package.json"), "utf8");
const entries = Object.keys((JSON.parse(text) as { exports: object }).exports);
const modules = entries.filter((entry) => entry !== "./package.json");

test("attw resolves the types of every entry point, in each way there is, without a problem", () => {
  const attw = ["--no-install", "attw", "--pack", ".", "--format", "json"];
  const { analysis, problems } = JSON.parse(
    execFileSync("npx", attw, { cwd: ROOT, encoding: "utf8", maxBuffer: 2 ** 26 }),
  );
  expect(problems).toEqual({});
  expect(Object.keys(analysis.entrypoints).sort()).toEqual([...entries].sort());
  const ways = modules.map((entry) =>
    Object.entries(analysis.entrypoints[entry].resolutions as Record<string, { resolution: { isTypeScript: boolean } }>)
      .filter(([, { resolution }]) => resolution.isTypeScript)
      .map(([way]) => way),
  );
  expect(ways).toEqual(modules.map(() => ["node10", "node16-cjs", "node16-esm", "bundler"]));
});

const lint = async () => (await publint({ pkgDir: own, pack: false, strict: true })).messages;

test("publint finds nothing in the package as packed", async () => {
  expect(await lint()).toEqual([]);
});

test.each(modules)("publint looks at %s", async (entry) => {
  const manifest = JSON.parse(text);
  const conditions = manifest.exports[entry];
  (conditions.import ?? conditions.node.import).default = "./dist/nowhere.mjs";
  writeFileSync(join(own, "package.json"), JSON.stringify(manifest));
  try {
    expect(await lint()).toContainEqual(
      expect.objectContaining({
        code: "FILE_DOES_NOT_EXIST",
        path: expect.arrayContaining(["exports", entry]),
      }),
    );
  } finally {
    writeFileSync(join(own, "package.json"), text);
  }
});
