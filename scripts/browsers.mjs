import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const BROWSERS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const BUN = fileURLToPath(new URL("../test/runtimes/node_modules/.bin/bun", import.meta.url));

/** Path of the Chromium to test with, from the environment's CHROMIUM if set, or undefined where there is none. */
export function findChromium() {
  return [process.env.CHROMIUM || BROWSERS].flat().find((path) => existsSync(path));
}

/** Path of the Bun to test with, or undefined before `npm ci --prefix test/runtimes`. */
export function findBun() {
  return existsSync(BUN) ? BUN : undefined;
}

/** The flags of a Chromium that a program drives, so that it does nothing of its own. */
export const CHROMIUM_ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
