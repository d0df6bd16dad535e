import { join } from "node:path";
import { chromium } from "playwright-core";
import { beforeAll, describe } from "vitest";
import { CHROMIUM_ARGS, findChromium } from "../../scripts/browsers.mjs";
import { CHROMIUM_CASE_MS } from "./case-context.ts";
import type { Result } from "./contract.ts";
import { contractPages, type Way } from "./pages.ts";
import { report } from "./report.ts";
import { contractServer } from "./server.ts";

const executablePath = findChromium();
const BUILDS: readonly Way[] = ["script", "modules"];

// Where Chromium is not installed: apt-get install chromium, or set CHROMIUM to its path.
describe.skipIf(!executablePath)("Chromium", () => {
  const results = new Map<Way, readonly Result[]>();

  beforeAll(async () => {
    const pages = await contractPages({ root: join(import.meta.dirname, "../..") });
    const server = await contractServer({ origins: [pages.origin] });
    const browser = await chromium.launch({ executablePath: executablePath as string, args: CHROMIUM_ARGS });
    try {
      const env = { ...server, isNode: false, knowsStatus: false, caseMs: CHROMIUM_CASE_MS };
      const open = async (url: string) => void (await (await browser.newPage()).goto(url));
      await Promise.all(BUILDS.map(async (way) => results.set(way, await pages.run(way, env, open))));
    } finally {
      await Promise.all([browser, server, pages].map((each) => each.close()));
    }
  }, 60_000);

  describe.each(BUILDS)("over the %s build", (way) => report(() => results.get(way) ?? []));
});
