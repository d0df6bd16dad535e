import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type BrowserContext, chromium } from "playwright-core";

/** Seconds in the background until timers run once a minute: five minutes by default. */
const GRACE = "--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/1";
const ARGS =
  "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update";

/** A Chromium whose pages live as a user's do. */
export interface BareChromium {
  /** Its window: the page that was brought to the front is visible, the others are hidden. */
  readonly window: BrowserContext;
  close(): Promise<void>;
}

/**
 * Starts `executablePath` without Playwright's arguments and overrides: they keep each page visible, unthrottled, out
 * of the back/forward cache and impossible to freeze.
 */
export async function bareChromium(executablePath: string): Promise<BareChromium> {
  const profile = await mkdtemp(join(tmpdir(), "tautline-chromium-"));
  const own = ["--remote-debugging-port=0", `--user-data-dir=${profile}`, GRACE, "about:blank"];
  const child = spawn(executablePath, [...ARGS.split(" "), "--disable-sync", ...own], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = once(child, "exit");
  const close = async () => {
    child.kill("SIGTERM");
    await ended;
    await rm(profile, { recursive: true, force: true, maxRetries: 10 });
  };
  try {
    const address = await new Promise<string>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`Chromium ended with ${code}.`)));
      createInterface(child.stderr).on("line", (line) => {
        const found = /^DevTools listening on (\S+)/.exec(line)?.[1];
        if (found) resolve(found);
      });
    });
    const browser = await chromium.connectOverCDP(address, { noDefaults: true });
    const [window] = browser.contexts();
    if (!window) throw new Error("Chromium has no window.");
    return {
      window,
      async close() {
        await browser.close();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}
