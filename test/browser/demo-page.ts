import { join } from "node:path";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { expect, onTestFinished } from "vitest";
import { findChromium } from "../../scripts/browsers.mjs";

const ARGS = "--no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update";
/** The lines that Chromium itself writes to the console when a server is away. */
const REFUSED = /^WebSocket connection to '\S+' failed/;
/** Pictures of the last run, to be looked at. */
const ARTEFACTS = join(import.meta.dirname, "../../artefacts");

export const SOON = { timeout: 5_000 };
export const executablePath = findChromium();

export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: executablePath ?? "", args: [...ARGS.split(" "), "--disable-sync"] });
}

/** Opens the page, which must load nothing from elsewhere and leave nothing of its own on the console. */
export async function openPage(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...options });
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
  await allOpen(page);
  return page;
}

export const status = (page: Page) => page.locator("#status").textContent();
export const log = (page: Page) => page.locator("#log li").allTextContents();
export const press = (page: Page, name: string) => page.getByRole("button", { name, exact: true }).click();
export const number = async (page: Page, id: string) =>
  Number((await page.locator(`#${id}`).textContent())?.replaceAll(",", ""));
/** Messages that were counted, lost and doubled, with resume or without. */
export const counted = async (page: Page, row: "with" | "without") =>
  (await page.locator(`#${row}-resume td`).allTextContents()).map((text) => Number(text.replaceAll(",", "")));

/** Waits until every Conn is open, and the status says so. Without resume a chat is silent while nobody writes. */
export async function allOpen(page: Page, timeout = 10_000): Promise<void> {
  await expect.poll(() => page.locator('#lanes tr:not([data-state="open"])').count(), { timeout }).toBe(1);
  await expect
    .poll(() => status(page), { timeout })
    .toMatch(/^All 6 connections are open(, [12] of them silent for (up to )?\d+ s)?$/);
}

export function picture(page: Page, name: string, selector?: string): Promise<Buffer> {
  const path = join(ARTEFACTS, `${name}.png`);
  return selector ? page.locator(selector).screenshot({ path }) : page.screenshot({ path, fullPage: true });
}
