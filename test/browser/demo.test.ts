import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { findChromium } from "../../scripts/find.mjs";
import { startDemo } from "./program.ts";

const ARGS = "--no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update";
/** The longest wait of the demo's backoff. */
const BACK_MS = 5_000;
const SOON = { timeout: 5_000 };
/** What Chromium itself writes to the console when a server is away. */
const REFUSED = /^WebSocket connection to '\S+' failed/;

const executablePath = findChromium();

/** Opens the page, which must load nothing from elsewhere and leave nothing of its own on the console. */
async function openPage(browser: Browser, url: string): Promise<Page> {
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (line) => {
    if (!REFUSED.test(line.text())) complaints.push(line.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith("data:")) complaints.push(request.url());
  });
  onTestFinished(async () => {
    await page.close();
    expect(complaints).toEqual([]);
  });
  await page.goto(url);
  return page;
}

const state = (page: Page) => page.locator("#state").textContent();
const rows = (page: Page) => page.locator("#rows tr").allTextContents();
const history = (page: Page) => page.locator("#events tr").allTextContents();
const fateOf = (page: Page, note: string) => page.locator("#sent li", { hasText: note }).locator("span").textContent();
const screenshot = (page: Page, name: string) => page.screenshot({ path: join(tmpdir(), `tautline-demo-${name}.png`) });

async function sendNote(page: Page, note: string): Promise<void> {
  await page.getByRole("textbox", { name: "Note" }).fill(note);
  await page.getByRole("button", { name: "Send" }).click();
}

describe.skipIf(!executablePath)("the demo's page", () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: executablePath ?? "",
      args: [...ARGS.split(" "), "--disable-sync"],
    });
  });
  afterAll(() => browser?.close());

  test("shows ten products whose prices move, and the server prints its note", async () => {
    const server = await startDemo();
    const page = await openPage(browser, server.url);
    await expect.poll(() => rows(page), SOON).toHaveLength(10);
    const before = await rows(page);
    await expect.poll(() => rows(page), SOON).not.toEqual(before);
    await sendNote(page, "hello");
    await server.line(/sent \{"type":"note","data":"hello"\}$/);
    await expect.poll(() => fateOf(page, "hello"), SOON).toMatch(/^sent/);
  });

  test("shows the loss of a killed server, and is back within 5 s of its return with what was queued, once", async () => {
    const killed = await startDemo();
    const page = await openPage(browser, killed.url);
    await expect.poll(() => rows(page), SOON).toHaveLength(10);

    await killed.end("SIGKILL");
    await expect.poll(() => history(page), SOON).toContainEqual(expect.stringContaining("lost 1006"));
    await expect.poll(() => history(page), SOON).toContainEqual(expect.stringMatching(/waiting \d\.\d s \(backoff\)/));
    await sendNote(page, "written while away");
    expect(await fateOf(page, "written while away")).toBe("queued");
    expect(await page.getByRole("status").textContent()).not.toContain("open");
    await screenshot(page, "lost");
    const stale = await rows(page);

    const server = await startDemo(killed.port);
    await expect.poll(() => state(page), { timeout: BACK_MS }).toBe("open");
    await expect.poll(() => rows(page), SOON).not.toEqual(stale);
    expect(await rows(page)).toHaveLength(10);
    await expect.poll(() => fateOf(page, "written while away"), SOON).toMatch(/^sent/);
    await sendNote(page, "the next");
    await server.line(/"the next"/);
    expect(server.linesLike(/"written while away"/)).toHaveLength(1);
    await screenshot(page, "back");
  });

  test("loses the connection by its cut button, and connects again by itself", async () => {
    const server = await startDemo();
    const page = await openPage(browser, server.url);
    await page.getByRole("button", { name: "Cut the connection" }).click();
    await server.line(/client 1 gone, 1006/);
    await expect.poll(() => history(page), SOON).toContainEqual(expect.stringContaining("lost 1006"));
    await server.line(/client 2 connected/);
    await expect.poll(() => state(page), SOON).toBe("open");
  });

  test("stays closed by its close button until it is opened again", async () => {
    const server = await startDemo();
    const page = await openPage(browser, server.url);
    await expect.poll(() => state(page), SOON).toBe("open");
    await page.getByRole("button", { name: "Close" }).click();
    await server.line(/client 1 gone, 1000/);
    await expect.poll(() => state(page), SOON).toBe("closed");
    await page.getByRole("button", { name: "Open again" }).click();
    await server.line(/client 2 connected/);
    await expect.poll(() => state(page), SOON).toBe("open");
  });
});
