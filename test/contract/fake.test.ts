import { readFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { beforeAll, describe, expect, test } from "vitest";
import { CHROMIUM_ARGS, findChromium } from "../../scripts/browsers.mjs";
import { contract, type Result, UNHANDLED } from "./contract.ts";
import { NOT_ON_THE_FAKE, runOnFake } from "./fake-suite.ts";
import { FAKE, judge, NOT_ON_THE_FAKE as NO_STEPS } from "./whatwg/differences.ts";

const ROOT = join(import.meta.dirname, "../..");
const executablePath = findChromium();

runOnFake("the fake server");

// Where Chromium is not installed: apt-get install chromium, or set CHROMIUM to its path.
describe.skipIf(!executablePath)("the fake server in Chromium", () => {
  let results: readonly Result[] = [];
  let followed: readonly Result[] = [];

  beforeAll(async () => {
    const { outputFiles } = await build({
      entryPoints: [join(import.meta.dirname, "fake-program.ts")],
      bundle: true,
      write: false,
      format: "iife",
      globalName: "Program",
    });
    const browser = await chromium.launch({ executablePath: executablePath as string, args: CHROMIUM_ARGS });
    try {
      const page = await browser.newPage();
      for (const name of ["tautline", "tautline-resume", "tautline-fake"]) {
        await page.addScriptTag({ content: readFileSync(join(ROOT, `dist/${name}.min.js`), "utf8") });
      }
      await page.addScriptTag({ content: outputFiles[0]?.text ?? "" });
      results = (await page.evaluate(`Program.run(${JSON.stringify(Object.keys(NOT_ON_THE_FAKE))})`)) as Result[];
      followed = (await page.evaluate(`Program.follow(${JSON.stringify(Object.keys(NO_STEPS))})`)) as Result[];
    } finally {
      await browser.close();
    }
  }, 60_000);

  const names = contract.map(({ name }) => name).filter((name) => !(name in NOT_ON_THE_FAKE));
  test.each([...names, UNHANDLED])("%s", (name) => {
    expect(results.find((result) => result.name === name)?.failure).toBe("");
  });

  describe("follows the text", () => judge(() => followed, FAKE, NO_STEPS));
});
