// Takes the picture of the demo for the README: npm run demo:picture.
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { createDemo } from "../demo/server.mjs";
import { findChromium } from "./browsers.mjs";

const executablePath = findChromium();
if (!executablePath) throw new Error("No Chromium found. Install it, or set CHROMIUM to its path.");

const SIZE = { width: 1280, height: 1040 };
const TALK = ["The line just went slack.", "Only for a moment. Say again?", "No need: you have it all, once."];

const demo = await createDemo({ everyMs: 500, print: () => {} });
demo.server.listen(0, "127.0.0.1");
await once(demo.server, "listening");
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
try {
  const page = await browser.newPage({ viewport: SIZE });
  await page.goto(`http://127.0.0.1:${demo.server.address().port}/`);
  await page.waitForTimeout(15_000);
  for (const [index, text] of TALK.entries()) {
    const form = page.locator(".say").nth(index % 2);
    await form.locator("input").fill(text);
    await form.locator("button").click();
    await page.waitForTimeout(400);
  }
  await press(page, "Black hole", 4_000);
  await page.getByRole("button", { name: "Heal now" }).click();
  await page.waitForTimeout(8_000);
  await press(page, "Flood", 4_500);
  await press(page, "Cut", 5_000);
  await page.mouse.click(1, 1);
  await page.waitForTimeout(500);
  await page.screenshot({ path: fileURLToPath(new URL("../docs/demo.png", import.meta.url)), fullPage: true });
} finally {
  await browser.close();
  await demo.close();
}

async function press(page, name, ms) {
  await page.getByRole("button", { name, exact: true }).click();
  await page.waitForTimeout(ms);
}
