import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import { findChromium } from "../../scripts/browsers.mjs";
import { freePort } from "../support/free-port.ts";

/** A browser that opens pages. */
export interface Engine {
  readonly version: string;
  open(url: string): Promise<void>;
  close(): Promise<void>;
}

export interface EngineKind {
  readonly name: string;
  /** Undefined where it is not installed. */
  start(trustsAnyCertificate: boolean): Promise<Engine> | undefined;
  readonly advice: string;
}

const FIREFOX = "/usr/bin/firefox-esr";
const WEBKIT_DRIVER = "/usr/bin/WebKitWebDriver";
const XVFB = "/usr/bin/Xvfb";
const LIBRARIES = "/usr/lib";
const ARGS = "--no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update";
const START_MS = 10_000;

export const engines: readonly EngineKind[] = [
  {
    name: "Chromium",
    advice: "apt-get install chromium",
    start(trustsAnyCertificate) {
      const executablePath = findChromium();
      return executablePath ? startChromium(executablePath, trustsAnyCertificate) : undefined;
    },
  },
  {
    name: "Firefox",
    advice: "apt-get install firefox-esr, and npm ci --prefix test/runtimes",
    start(trustsAnyCertificate) {
      const puppeteer = existsSync(FIREFOX) && loadPuppeteer();
      return puppeteer ? startFirefox(puppeteer, trustsAnyCertificate) : undefined;
    },
  },
  {
    name: "WebKitGTK",
    advice: "apt-get install webkit2gtk-driver xvfb",
    start(trustsAnyCertificate) {
      const browser = findMiniBrowser();
      const isThere = browser && existsSync(WEBKIT_DRIVER) && existsSync(XVFB);
      return isThere ? startWebKit(browser, trustsAnyCertificate) : undefined;
    },
  },
];

async function startChromium(executablePath: string, trustsAnyCertificate: boolean): Promise<Engine> {
  const args = [...ARGS.split(" "), ...(trustsAnyCertificate ? ["--ignore-certificate-errors"] : [])];
  const browser = await chromium.launch({ executablePath, args });
  return {
    version: browser.version(),
    async open(url) {
      await (await browser.newPage()).goto(url);
    },
    close: () => browser.close(),
  };
}

/** The part of puppeteer-core that is relied on: it is installed beside the runtimes, if at all. */
interface Puppeteer {
  launch(options: object): Promise<{
    version(): Promise<string>;
    newPage(): Promise<{ goto(url: string, options: object): Promise<unknown> }>;
    close(): Promise<void>;
  }>;
}

function loadPuppeteer(): Puppeteer | undefined {
  try {
    return createRequire(`${process.cwd()}/test/runtimes/`)("puppeteer-core") as Puppeteer;
  } catch (error) {
    if ((error as { code?: string }).code === "MODULE_NOT_FOUND") return undefined;
    throw error;
  }
}

async function startFirefox(puppeteer: Puppeteer, acceptInsecureCerts: boolean): Promise<Engine> {
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: FIREFOX,
    headless: true,
    acceptInsecureCerts,
    // Turned off, because Firefox delays connecting to an address that failed before. A deliberate failure in one case would delay the others.
    extraPrefsFirefox: { "network.websocket.delay-failed-reconnects": false },
  });
  return {
    version: (await browser.version()).replace(/^.*\//, ""),
    async open(url) {
      await (await browser.newPage()).goto(url, { waitUntil: "domcontentloaded" });
    },
    close: () => browser.close(),
  };
}

function findMiniBrowser(): string | undefined {
  const folders = existsSync(LIBRARIES) ? readdirSync(LIBRARIES) : [];
  return folders
    .filter((name) => name.endsWith("-linux-gnu"))
    .flatMap((name) => readdirSync(`${LIBRARIES}/${name}`).map((inner) => `${LIBRARIES}/${name}/${inner}/MiniBrowser`))
    .find((path) => path.includes("/webkit2gtk-") && existsSync(path));
}

async function startWebKit(binary: string, acceptInsecureCerts: boolean): Promise<Engine> {
  const children: ChildProcess[] = [];
  const end = () => Promise.all(children.splice(0).map(ended));
  try {
    // It draws on a display, headless or not. -displayfd has the server choose a free one and tell.
    const xvfb = spawn(XVFB, ["-displayfd", "3", "-screen", "0", "1024x768x24", "-nolisten", "tcp"], {
      stdio: ["ignore", "ignore", "ignore", "pipe"],
    });
    children.push(xvfb);
    const display = await firstLine(xvfb);
    const port = await freePort();
    const env = { ...process.env, DISPLAY: `:${display}` };
    children.unshift(spawn(WEBKIT_DRIVER, ["--host=127.0.0.1", `--port=${port}`], { stdio: "ignore", env }));
    const base = `http://127.0.0.1:${port}`;
    await answers(`${base}/status`);
    const browserOptions = { binary, args: ["--automation"] };
    const wanted = { browserName: "MiniBrowser", acceptInsecureCerts, "webkitgtk:browserOptions": browserOptions };
    const { sessionId, capabilities } = await ask("POST", `${base}/session`, { capabilities: { alwaysMatch: wanted } });
    const session = `${base}/session/${sessionId}`;
    return {
      version: String(capabilities.browserVersion),
      async open(url) {
        await ask("POST", `${session}/url`, { url });
      },
      async close() {
        await ask("DELETE", session).finally(end);
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}

interface Answer {
  readonly sessionId: string;
  readonly capabilities: { readonly browserVersion: string };
}

/** A command of WebDriver. */
async function ask(method: string, url: string, body?: object): Promise<Answer> {
  const response = await fetch(url, { method, body: body ? JSON.stringify(body) : null });
  const { value } = (await response.json()) as { value: Answer };
  if (!response.ok) throw new Error(`${method} ${url}: ${JSON.stringify(value)}`);
  return value;
}

export async function answers(url: string): Promise<void> {
  const end = performance.now() + START_MS;
  while (!(await fetch(url).catch(() => undefined))) {
    if (performance.now() > end) throw new Error(`No answer from ${url} within ${START_MS} ms.`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`Xvfb ended with ${code}.`)));
    child.stdio[3]?.once("data", (chunk) => resolve(String(chunk).trim()));
  });
}

/** Ends `child`, one of ours. */
export function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.kill("SIGTERM");
  });
}
