import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { CHROMIUM_ARGS, findChromium } from "../../scripts/browsers.mjs";
import { freePort } from "../support/free-port.ts";
import { type LiveServer, liveServer } from "./live-server.ts";
import { workplace } from "./workplace.ts";

const load = createRequire(import.meta.url);
const EDITS = 10;
const SOON = { timeout: 60_000, interval: 50 };
/** Longer than a Conn lingers. */
const LATER = { timeout: 5_000, interval: 50 };

const { folder, remove } = workplace();
const executablePath = findChromium();
afterAll(remove);

/** Replaces the number of the last edit in a file by the next, as a developer who saves it. */
function edit(file: string, number: number): void {
  const path = join(folder, file);
  writeFileSync(path, readFileSync(path, "utf8").replace(/edit \d+/, `edit ${number}`));
}

// Where Chromium is not installed: apt-get install chromium, or set CHROMIUM to its path.
describe.skipIf(!executablePath)("after ten edits", () => {
  let browser: Browser;
  let live: LiveServer;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: executablePath ?? "", args: CHROMIUM_ARGS });
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    live = await liveServer({}, 1);
    return () => live.close();
  });

  async function visit(url: string): Promise<Page> {
    const page = await browser.newPage();
    onTestFinished(() => page.close());
    await page.goto(url);
    return page;
  }
  const shown = (page: Page) => page.locator("#app").textContent();

  test("a page of Vite has one live connection of useConn(), and one of a module", async () => {
    const vite = await import(load.resolve("vite"));
    const react = (await import(load.resolve("@vitejs/plugin-react"))).default;
    const server = await vite.createServer({
      root: join(folder, "vite"),
      configFile: false,
      logLevel: "error",
      plugins: [react()],
      server: {
        host: "127.0.0.1",
        port: await freePort(),
        fs: { strict: false },
        proxy: { "/live": { target: `ws://127.0.0.1:${live.port}`, ws: true } },
      },
    });
    onTestFinished(() => server.close());
    await server.listen();
    const page = await visit(server.resolvedUrls.local[0]);
    const sees = (app: number, prices: number) =>
      expect.poll(() => shown(page), SOON).toBe(`edit ${app}: open, edit ${prices}: prices`);
    await sees(0, 0);

    for (let number = 1; number <= EDITS; number++) {
      edit("vite/App.tsx", number);
      await sees(number, 0);
    }
    expect([live.madeTo("/live?room"), live.madeTo("/live?prices")]).toEqual([1, 1]);

    for (let number = 1; number <= EDITS; number++) {
      edit("vite/prices.ts", number);
      await sees(EDITS, number);
    }
    expect(live.madeTo("/live?prices")).toBe(1 + EDITS);
    await expect.poll(() => [live.openTo("/live?room"), live.openTo("/live?prices")], LATER).toEqual([1, 1]);
  });

  test("a page of Next.js has one live connection, and its server refuses a hook in words", async () => {
    const port = await freePort();
    const next = load.resolve("next/dist/bin/next");
    const child: ChildProcess = spawn(process.execPath, [next, "dev", "-H", "127.0.0.1", "-p", String(port)], {
      cwd: join(folder, "next"),
      env: {
        ...process.env,
        NODE_ENV: "development",
        NEXT_TELEMETRY_DISABLED: "1",
        LIVE: `ws://127.0.0.1:${live.port}/live`,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk) => {
        output += chunk;
      });
    }
    const ended = once(child, "exit");
    onTestFinished(async () => {
      child.kill("SIGTERM");
      await ended;
    });
    await expect.poll(() => output, SOON).toContain("Ready in");
    const page = await visit(`http://127.0.0.1:${port}/`);
    await expect.poll(() => shown(page), SOON).toBe("edit 0: open");
    for (let number = 1; number <= EDITS; number++) {
      edit("next/app/room.tsx", number);
      await expect.poll(() => shown(page), SOON).toBe(`edit ${number}: open`);
    }
    await expect.poll(() => live.openTo("/live"), LATER).toBe(1);
    expect(live.madeTo("/live"), output).toBe(1);

    const wrong = await fetch(`http://127.0.0.1:${port}/wrong`);
    expect(wrong.status).toBe(500);
    expect(output).toContain("Attempted to call useStatus() from the server but useStatus is on the client");
  });
});
