import { readFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { beforeAll, describe, expect, test } from "vitest";
import { CHROMIUM_ARGS, findChromium } from "../../scripts/browsers.mjs";
import type { Env } from "./case-context.ts";
import { contract, type Result, UNHANDLED } from "./contract.ts";
import { fakePeer } from "./fake.ts";
import { FAKE, judge, NOT_ON_THE_FAKE as NO_STEPS } from "./whatwg/differences.ts";

const ROOT = join(import.meta.dirname, "../..");
const executablePath = findChromium();

// By a name that TypeScript does not follow: what is tested is the build, which is made after the types are checked.
const [name, resumeName, fakeName]: string[] = ["tautline", "tautline/resume", "tautline/testing/fake"];

const FRAMES = "It is about the frames and headers of a real server, and the fake has neither.";

/**
 * Cases that a server in memory can't show, and why. All others run. The suite in serving.ts is about the server of tautline,
 * in whose place the fake stands, so none of its cases applies.
 */
const NOT_ON_THE_FAKE: Readonly<Record<string, string>> = {
  "sends the Origin of its page, or of the URL where ws can, else none": "The fake has no headers.",
  "speaks with a server like Go's, though that never answers a close frame": FRAMES,
  "leaves a server like Go's within closeTimeoutMs, though its function does not return": FRAMES,
  "connects again to a server like Go's, whose function ends without a close frame": FRAMES,
  "is refused by a server like Go's for two subprotocols, not for one": FRAMES,
  "is let in by a server that knows its Origin, and by another only if that is its own": "The fake has no headers.",
};

describe.concurrent("the fake server", () => {
  let env: Env;

  beforeAll(async () => {
    const [tautline, { resume }, { fakeServer }] = await Promise.all([
      import(name as string),
      import(resumeName as string),
      import(fakeName as string),
    ]);
    env = { ...fakePeer(fakeServer), tautline, resume, isNode: false, knowsStatus: false };
  });

  for (const { name, run } of contract) if (!(name in NOT_ON_THE_FAKE)) test(name, () => run(env));

  test("leaves out only cases that there are, and that fail on it", async () => {
    const left = contract.filter(({ name }) => name in NOT_ON_THE_FAKE);
    expect(left.map(({ name }) => name).sort()).toEqual(Object.keys(NOT_ON_THE_FAKE).sort());
    // In a page, because without an origin there is nothing in some cases that could fail.
    const page = { ...env, origin: "https://page.test" };
    const results = await Promise.allSettled(left.map(({ run }) => run(page)));
    expect(left.filter((_, i) => results[i]?.status === "fulfilled").map(({ name }) => name)).toEqual([]);
  });
});

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
      results = (await page.evaluate("Program.run()")) as Result[];
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
