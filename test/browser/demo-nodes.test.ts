import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isMissing, type RedisServer, startRedis, stopAll } from "../engines/redis-server.ts";
import { allOpen, counted, executablePath, launch, log, number, openPage, picture, press, SOON } from "./demo-page.ts";
import { startDemo } from "./program.ts";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const LATER = { timeout: 10_000 };
/** Three processes start one after another, and three leave, each within 2 s. */
const ROLLED = { timeout: 20_000 };
const CONN_NAMES = ["Chat 1", "Chat 2", "Game", "Meter", "System", "Ticker"];

/** The words of each node's row. */
const rows = (page: Page) => page.locator("#node-rows td:nth-child(2)").allTextContents();
const pidsOf = (all: readonly string[]) => all.map((words) => words.match(/ \(process (\d+)\)$/)?.[1]);
/** The panes that the rows name, of all nodes. */
const panesOf = (all: readonly string[]) =>
  CONN_NAMES.filter((name) => all.filter((words) => words.includes(name)).length === 1);
const texts = (page: Page, window: 1 | 2) =>
  page
    .getByRole("region", { name: `Chat window ${window}` })
    .locator("li:not(.pending) span")
    .allTextContents();

async function say(page: Page, text: string): Promise<void> {
  const field = page.getByRole("region", { name: "Chat window 1" }).getByLabel("Message", { exact: true });
  await field.fill(text);
  await field.press("Enter");
}

/** Numbers arrive, those of before as well, and none is lost or doubled. */
async function expectWhole(page: Page): Promise<void> {
  await allOpen(page, LATER.timeout);
  const [before = 0] = await counted(page, "with");
  await expect.poll(async () => (await counted(page, "with"))[0], LATER).toBeGreaterThan(before + 40);
  await expect.poll(async () => (await counted(page, "with")).slice(1), SOON).toEqual([0, 0]);
  expect([await number(page, "lost"), await number(page, "doubled")]).toEqual([0, 0]);
}

describe.skipIf(!executablePath || isMissing)("the demo on three nodes", () => {
  let browser: Browser;
  let redis: RedisServer;

  beforeAll(async () => {
    [browser, redis] = await Promise.all([launch(), startRedis()]);
  });
  afterAll(() => Promise.all([browser?.close(), stopAll()]));

  test("loses and doubles nothing on channels while nodes are killed and rolled, and shows where each pane is", async () => {
    const { url } = await startDemo(0, "--nodes", "3", "--redis", `redis://127.0.0.1:${redis.port}`);
    const page = await openPage(browser, url);
    // Each pane is on one node, and the fewest connections come first: two on each.
    await expect.poll(async () => panesOf(await rows(page)), SOON).toEqual(CONN_NAMES);
    expect((await rows(page)).map((words) => words.split(", ").length)).toEqual([2, 2, 2]);
    expect(await page.locator(".on-node:visible").allTextContents()).toEqual(
      Array.from({ length: 5 }, () => expect.stringMatching(/^on node [123]$/)),
    );
    await say(page, "before");
    await expect.poll(() => texts(page, 2), SOON).toEqual(["before"]);

    const first = pidsOf(await rows(page));
    // The node of the meter, in the middle of a flood.
    const meter = (await rows(page)).findIndex((words) => words.includes("Meter"));
    await press(page, "Flood");
    await expect.poll(async () => (await counted(page, "with"))[0], SOON).toBeGreaterThan(300);
    await press(page, `Kill this node: ${meter + 1}`);
    await say(page, "while a node is away");
    await expect.poll(() => log(page), SOON).toContainEqual(expect.stringMatching(/Meter.* disconnected, 1006/));
    await expect.poll(async () => (await counted(page, "with"))[0], LATER).toBeGreaterThan(3_000);
    await expectWhole(page);
    await expect.poll(async () => pidsOf(await rows(page)).every(Boolean), SOON).toBe(true);
    const second = pidsOf(await rows(page));
    expect(second.map((pid, index) => pid === first[index])).toEqual([0, 1, 2].map((index) => index !== meter));
    await picture(page, "nodes", "#nodes");

    await press(page, "Roll all nodes");
    await say(page, "while all are rolled");
    await expect
      .poll(async () => pidsOf(await rows(page)).filter((pid) => pid && !second.includes(pid)), ROLLED)
      .toHaveLength(3);
    await expectWhole(page);
    await expect.poll(async () => panesOf(await rows(page)), LATER).toEqual(CONN_NAMES);
    for (const window of [1, 2] as const) {
      await expect
        .poll(() => texts(page, window), LATER)
        .toEqual(["before", "while a node is away", "while all are rolled"]);
    }

    await page.evaluate(AXE);
    expect(await page.evaluate("axe.run().then(({ violations }) => violations)")).toEqual([]);
    for (const width of [390, 1280]) {
      await page.setViewportSize({ width, height: 900 });
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
      await picture(page, `page-nodes-${width}`);
    }
  });

  test("loses and doubles nothing on channels without sessions either", async () => {
    const { url } = await startDemo(0, "--nodes", "2", "--redis", `redis://127.0.0.1:${redis.port}`);
    const page = await openPage(browser, url);
    await page.getByRole("checkbox", { name: "Resume" }).click();
    await expect.poll(async () => (await counted(page, "without"))[0], LATER).toBeGreaterThan(40);
    for (const node of [1, 2]) {
      const [before = 0] = await counted(page, "without");
      await press(page, `Kill this node: ${node}`);
      await expect.poll(async () => (await counted(page, "without"))[0], LATER).toBeGreaterThan(before + 80);
      await expect.poll(async () => pidsOf(await rows(page)).filter((pid) => pid !== undefined), LATER).toHaveLength(2);
    }
    expect((await counted(page, "without")).slice(1)).toEqual([0, 0]);
  });
});
