import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { allOpen, counted, executablePath, launch, log, number, openPage, picture, press, SOON } from "./demo-page.ts";
import { type Program, startDemo } from "./program.ts";

const CONNS = 6;
/** Heartbeat and its timeout in the page, and some. */
const NOTICED = { timeout: 6_000 };

/** Still counting, after whatever happened, and nothing was lost or doubled. */
async function expectWell(page: Page): Promise<void> {
  await allOpen(page);
  const [before = 0] = await counted(page, "with");
  await expect.poll(async () => (await counted(page, "with"))[0], SOON).toBeGreaterThan(before + 20);
  // A message that is in doubt for a moment is not lost, because it arrives later.
  await expect.poll(async () => (await counted(page, "with")).slice(1), SOON).toEqual([0, 0]);
  expect([await number(page, "lost"), await number(page, "doubled")]).toEqual([0, 0]);
}

const pulled = (page: Page) => page.locator("#pulled").textContent();
const linesLike = async (page: Page, pattern: RegExp) => (await log(page)).filter((line) => pattern.test(line));

describe.skipIf(!executablePath)("the demo's line", () => {
  let browser: Browser;
  let server: Program & { readonly url: string };
  let page: Page;

  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    server = await startDemo();
    page = await openPage(browser, server.url);
  });

  test.each([
    ["Cut", "cut"],
    ["Reset", "reset"],
  ])("resumes all connections after %s", async (name, fault) => {
    await press(page, name);
    await server.line(new RegExp(`fault: ${fault}$`));
    await expect.poll(() => linesLike(page, /disconnected 1006/), SOON).toHaveLength(CONNS);
    await expect.poll(() => linesLike(page, /back after .+, resumed$/), SOON).toHaveLength(CONNS);
    await expectWell(page);
  });

  test.each(["Black hole", "Half-open"])("notices the silence of %s by heartbeat, and leaves it", async (name) => {
    await press(page, name);
    expect(await linesLike(page, /disconnected/)).toEqual([]);
    await expect
      .poll(() => linesLike(page, /(disconnected|failed) /).then(({ length }) => length), NOTICED)
      .toBeGreaterThanOrEqual(CONNS);
    await picture(page, `inspector-${name}`, "#inspector");
    if (name === "Black hole") await press(page, "Heal now");
    await expectWell(page);
    expect(await linesLike(page, /back after .+, resumed$/)).toHaveLength(CONNS);
  });

  test("stays open on a slow line, and shows the round trip", async () => {
    await press(page, "Slow");
    const roundTrip = async () => Number.parseInt((await page.locator("#rtt").textContent()) ?? "", 10);
    await expect.poll(roundTrip, NOTICED).toBeGreaterThan(700);
    expect(await page.locator("#fault-text").textContent()).toMatch(/^Slow: heals in \d\.\d s$/);
    await press(page, "Heal now");
    await expect.poll(roundTrip, NOTICED).toBeLessThan(500);
    expect(await linesLike(page, /disconnected/)).toEqual([]);
    await expectWell(page);
  });

  test("counts attempts and waits down while it is refused", async () => {
    await press(page, "Refuse");
    const lane = page.locator("#lanes tr", { hasText: "Meter" });
    await expect.poll(() => lane.textContent(), SOON).toMatch(/retry \d+ in \d\.\d s/);
    await expect
      .poll(() => linesLike(page, /Meter\s*failed 1006/).then(({ length }) => length), NOTICED)
      .toBeGreaterThan(0);
    expect(await number(page, "queued")).toBeGreaterThan(0);
    await press(page, "Heal now");
    await expectWell(page);
    expect(await number(page, "queued")).toBe(0);
  });

  test("is turned away by 503, and comes again", async () => {
    await press(page, "Answer 503");
    await expect.poll(() => linesLike(page, /failed 1006/).then(({ length }) => length), SOON).toBeGreaterThan(0);
    await expectWell(page);
  });

  test("tells of a restarted server what became of each message, and loses none", async () => {
    await press(page, "Flood");
    await press(page, "Restart");
    await expect
      .poll(() => linesLike(page, /session-lost: \d+ had arrived, \d+ are sent now, \d+ in doubt/), NOTICED)
      .toContainEqual(expect.stringContaining("Meter"));
    await expectWell(page);
    expect(await linesLike(page, /Meter\s*back after .+, resumed/)).toEqual([]);
  });

  test("carries a flood over a cut with resume, and loses some of it without", async () => {
    const flood = async (row: "with" | "without") => {
      await press(page, "Flood");
      await expect.poll(async () => (await counted(page, row))[0], SOON).toBeGreaterThan(1_000);
      await press(page, "Cut");
      await allOpen(page);
    };
    await flood("with");
    await expect.poll(async () => (await counted(page, "with"))[0], NOTICED).toBeGreaterThan(6_000);
    await expectWell(page);

    await page.getByRole("checkbox", { name: "Resume" }).click();
    // Without a session nobody knows.
    await expect.poll(() => page.locator("#acknowledged").textContent(), SOON).toBe("–");
    await allOpen(page);
    await flood("without");
    await expect.poll(async () => (await counted(page, "without"))[1], SOON).toBeGreaterThan(0);
    expect(await number(page, "lost")).toBeGreaterThan(0);
    expect((await counted(page, "with")).slice(1)).toEqual([0, 0]);
    await picture(page, "inspector-compared", "#inspector");
  });

  test("holds the server back while its ticker is paused with resume, and fills up without", async () => {
    await press(page, "Pause");
    await expect.poll(() => pulled(page), SOON).toMatch(/held back for [1-9]/);
    const waiting = async () => Number((await pulled(page))?.match(/waiting here (\d+)/)?.[1]);
    const held = await waiting();
    expect(held).toBeLessThan(8);
    await picture(page, "ticker", "#ticker");
    await press(page, "Go on");
    await expect.poll(() => pulled(page), SOON).not.toContain("held back for");
    await expect.poll(waiting, SOON).toBe(0);

    await page.getByRole("checkbox", { name: "Resume" }).click();
    await allOpen(page);
    await press(page, "Pause");
    await expect.poll(waiting, { timeout: 8_000 }).toBeGreaterThan(held + 4);
    expect(await pulled(page)).not.toContain("held back for");
  });
});
