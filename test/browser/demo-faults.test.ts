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

/** The price lists that the ticker has skipped for newer ones. */
const skipped = async (page: Page) =>
  Number((await pulled(page))?.match(/ ([\d,]+) skipped/)?.[1]?.replaceAll(",", ""));
const pulled = (page: Page) => page.locator("#pulled").textContent();
const CONN_NAMES = ["Chat 1", "Chat 2", "Game", "Ticker", "System", "Meter"];
/** The connections that are named in lines like `pattern`. */
const named = async (page: Page, pattern: RegExp) => {
  const lines = await linesLike(page, pattern);
  return CONN_NAMES.filter((name) => lines.some((line) => line.includes("All 6 ") || line.includes(name)));
};
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
    // One line for all that happens to all, and not twelve.
    await expect.poll(() => linesLike(page, /All 6 disconnected, 1006$/), SOON).toHaveLength(1);
    await expect.poll(() => linesLike(page, /All 6 back after .+, resumed$/), SOON).toHaveLength(1);
    expect((await log(page)).length).toBeLessThan(5);
    await expectWell(page);
  });

  test.each(["Black hole", "Half-open"])("notices the silence of %s by heartbeat, and leaves it", async (name) => {
    await press(page, name);
    expect(await linesLike(page, /disconnected/)).toEqual([]);
    await expect.poll(() => page.locator('#lanes tr:not([data-state="open"])').count(), NOTICED).toBeGreaterThan(1);
    await expect.poll(() => linesLike(page, /(disconnected|failed), /), NOTICED).not.toEqual([]);
    await picture(page, `inspector-${name}`, "#inspector");
    if (name === "Black hole") await press(page, "Heal now");
    await expectWell(page);
    expect(await named(page, /back after .+, resumed$/)).toHaveLength(CONNS);
  });

  test("stays open on a slow line, and shows the round trip", async () => {
    await press(page, "Slow");
    const roundTrip = async () => Number.parseInt((await page.locator("#rtt").textContent()) ?? "", 10);
    await expect.poll(roundTrip, NOTICED).toBeGreaterThan(700);
    expect(await page.locator("#fault-text").textContent()).toMatch(/^Slow: heals in \d\.\d s$/);
    await press(page, "Heal now");
    await expect.poll(roundTrip, NOTICED).toBeLessThan(500);
    // Late, and complete.
    expect(await page.locator("#pictures").textContent()).toMatch(/ 0 skipped for a newer one, 0 shown twice$/);
    expect(await linesLike(page, /disconnected/)).toEqual([]);
    await expectWell(page);
  });

  test("counts attempts and waits down while it is refused", async () => {
    await press(page, "Refuse");
    const lane = page.locator("#lanes tr", { hasText: "Meter" });
    await expect.poll(() => lane.textContent(), SOON).toMatch(/retry \d+ in \d\.\d s/);
    await expect
      .poll(() => linesLike(page, /(All 6|Meter.*) failed, 1006/).then(({ length }) => length), NOTICED)
      .toBeGreaterThan(0);
    expect(await number(page, "queued")).toBeGreaterThan(0);
    await press(page, "Heal now");
    await expectWell(page);
    expect(await number(page, "queued")).toBe(0);
  });

  test("is turned away by 503, and comes again", async () => {
    await press(page, "Answer 503");
    await expect.poll(() => linesLike(page, /failed, 1006/).then(({ length }) => length), SOON).toBeGreaterThan(0);
    await expectWell(page);
  });

  test("tells of a restarted server what became of each message, and loses none", async () => {
    await press(page, "Flood");
    await press(page, "Restart");
    await expect
      .poll(
        () => named(page, /session lost: [\d,]+ messages had arrived, [\d,]+ are sent now, [\d,]+ in doubt/),
        NOTICED,
      )
      .toContain("Meter");
    await expectWell(page);
    expect(await named(page, /back after .+, resumed/)).not.toContain("Meter");
  });

  test("never says that all is open while a row says otherwise", async () => {
    await page.evaluate(() => {
      const lies: string[] = [];
      Object.assign(globalThis, { lies });
      const status = document.getElementById("status");
      new MutationObserver(() => {
        const rows = [...document.querySelectorAll<HTMLElement>("#lanes tbody tr")];
        const away = rows.filter(({ dataset }) => !["open", "silent"].includes(dataset.state ?? ""));
        const isWell = status?.textContent?.startsWith("All 6 connections are open");
        if (isWell !== (away.length === 0)) lies.push(`${status?.textContent}: ${away.map((row) => row.textContent)}`);
      }).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
    });
    await press(page, "Restart");
    await expect.poll(() => linesLike(page, /session lost/), NOTICED).not.toEqual([]);
    await allOpen(page);
    expect(await page.evaluate(() => Reflect.get(globalThis, "lies"))).toEqual([]);
  });

  test("says that a line is silent which nobody can know to be dead, without resume, and ends it by Retry now", async () => {
    await page.getByRole("checkbox", { name: "Resume" }).click();
    await allOpen(page);
    await press(page, "Half-open");
    const silent = page.locator('#lanes tr[data-state="silent"]');
    await expect
      .poll(() => silent.allTextContents(), { timeout: 15_000 })
      .toContainEqual(expect.stringMatching(/^Game.*silent for \d+ s$/));
    await expect
      .poll(() => page.locator('[data-conn="Game"]').textContent(), SOON)
      .toMatch(/^Silent for \d+ s\. Without resume the page can't tell whether the line is dead\.$/);
    expect(await page.locator("#status").textContent()).toMatch(/ [2-6] of them silent for up to \d+ s$/);
    await expect.poll(() => page.locator("#fault-text").textContent(), { timeout: 8_000 }).toMatch(/^The line is fine/);
    await press(page, "Retry now");
    await expect
      .poll(() => page.locator('#lanes tr:is([data-state="silent"], [data-state="waiting"])').count(), SOON)
      .toBe(0);
    await allOpen(page);
  });

  test("shows what is lost in red, and what is not doubled in green", async () => {
    const tones = () =>
      page.locator("#lost, #doubled").evaluateAll((all) => all.map((one) => (one as HTMLElement).dataset.tone));
    await expect.poll(tones, SOON).toEqual(["good", "good"]);
    await page.getByRole("checkbox", { name: "Resume" }).click();
    await allOpen(page);
    await press(page, "Flood");
    await expect.poll(async () => (await counted(page, "without"))[0], SOON).toBeGreaterThan(1_000);
    await press(page, "Reset");
    await expect.poll(tones, NOTICED).toEqual(["bad", "good"]);
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

  test.each(["with", "without"])("shows a ticker that was paused the newest list, %s resume", async (session) => {
    if (session === "without") await page.getByRole("checkbox", { name: "Resume" }).click();
    await allOpen(page);
    await expect.poll(() => pulled(page), SOON).toMatch(/^List [1-9]/);
    await press(page, "Pause");
    await expect.poll(() => pulled(page), SOON).toMatch(/^Paused for [3-9]\.\d s\. List/);
    const rows = await page.locator("#rows tr").allTextContents();
    const list = async () => Number((await pulled(page))?.match(/List ([\d,]+) of/)?.[1]?.replaceAll(",", ""));
    const before = [await list(), await skipped(page)] as const;
    await picture(page, "ticker", "#ticker");
    await press(page, "Go on");
    // Each 0.3 s has its list: one waited here, and the newest came after it.
    await expect.poll(list, SOON).toBeGreaterThan(before[0] + 8);
    await expect.poll(() => skipped(page), SOON).toBeGreaterThan(before[1] + 6);
    expect(await page.locator("#rows tr").allTextContents()).not.toEqual(rows);
    expect(await pulled(page)).toMatch(/ 0 shown twice$/);
  });

  test("skips pictures and lists that came and went while the line was away, and shows none twice", async () => {
    const pictures = () => page.locator("#pictures").textContent();
    await expect.poll(pictures, SOON).toMatch(/^[\d,]+ pictures shown, 0 skipped for a newer one, 0 shown twice$/);
    await press(page, "Refuse");
    await expect.poll(() => page.locator("#status").textContent(), SOON).toBe("All connections are away");
    await press(page, "Heal now");
    await expectWell(page);
    await expect.poll(pictures, SOON).toMatch(/^[\d,]+ pictures shown, [1-9]\d* skipped .* 0 shown twice$/);
    await expect.poll(() => skipped(page), SOON).toBeGreaterThan(0);
    expect(await pulled(page)).toMatch(/ 0 shown twice$/);
  });
});
