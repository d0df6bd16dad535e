import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe } from "vitest";
import { CHROMIUM_ARGS, findChromium } from "../../../scripts/browsers.mjs";
import { type ContractServer, contractServer } from "../server.ts";
import type { StepResult } from "./cases.ts";
import { type Differences, judge, OURS } from "./differences.ts";

const ROOT = join(import.meta.dirname, "../../..");
const RUNTIMES = join(ROOT, "test/runtimes/node_modules");
const executablePath = findChromium();

const UNDICI: Differences = {
  "`binaryType` keeps its value when it is set to what is neither": "it becomes blob",
  "send(data): a Blob keeps its place among the others, and before close()": "close() overtakes a Blob, which is lost",
  "bufferedAmount grows by what is sent after close(), and stays when the socket is CLOSED": "it is 0",
  "close(code, reason) checks its arguments in every state": "no close event comes after close() while connecting",
  "close the WebSocket, step 2: before open it is CLOSING, then error and close 1006, never open":
    "the error comes inside",
  "listeners are called in the order of their registration, handler attributes among them":
    "an attribute goes to the end",
  "an event is trusted, is not composed, and is on the way to its socket only": "it is not trusted",
  "a removed listener is not called, also when it is removed during the event": "one that is added meanwhile is called",
};

/** The steps that the platforms' own classes do not follow. A step that a new version follows comes off the list. */
const NODE: Readonly<Record<string, Differences>> = {
  node22: {
    ...UNDICI,
    "close(code, reason): a reason without a code travels with 1000": "the connection is lost",
    "establish a connection: a subprotocol that was not offered fails it": "no close event comes",
    "establish a connection: none of the offered subprotocols selected fails it": "no close event comes",
    "establish a connection: a status other than 101 fails it": "no close event comes",
    "establish a connection: a refused one fails": "no close event comes",
    "close the WebSocket, step 2: a server that never answers does not keep it": "no close event comes",
    "connection closed: CLOSED is set before the events, and nothing comes after close": "no close event comes",
  },
  node24: UNDICI,
};
const CHROMIUM: Differences = {
  "close(code, reason): the code is clamped to an unsigned short and rounded": "the code is cut",
  "close(code, reason): a reason without a code travels with 1000": "it is an InvalidAccessError",
};

async function bundle(format: "esm" | "iife"): Promise<string> {
  const entryPoints = [join(import.meta.dirname, "program.ts")];
  const { outputFiles } = await build({ entryPoints, bundle: true, write: false, format, globalName: "Steps" });
  return outputFiles[0]?.text ?? "";
}

describe.each(Object.keys(NODE))("the class of %s", (name) => {
  const binary = join(RUNTIMES, name, "bin/node");
  // Where it is not installed: npm ci --prefix test/runtimes.
  describe.skipIf(!existsSync(binary))("itself", () => {
    let results: readonly StepResult[] = [];

    beforeAll(async () => {
      const folder = mkdtempSync(join(tmpdir(), "tautline-steps-"));
      const server = await contractServer();
      const { close: _, ...env } = server;
      try {
        const program = join(folder, "program.mjs");
        writeFileSync(program, await bundle("esm"));
        const { stdout } = await promisify(execFile)(binary, [program, JSON.stringify(env)], { timeout: 100_000 });
        results = JSON.parse(stdout);
      } finally {
        rmSync(folder, { recursive: true });
        await server.close();
      }
    }, 110_000);

    judge(() => results, NODE[name]);
  });
});

// Where Chromium is not installed: apt-get install chromium, or set CHROMIUM to its path.
describe.skipIf(!executablePath)("in Chromium", () => {
  let browser: Browser;
  let server: ContractServer;
  let ours: readonly StepResult[] = [];
  let platform: readonly StepResult[] = [];

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: executablePath as string, args: CHROMIUM_ARGS });
    server = await contractServer();
    const { close: _, ...env } = server;
    const program = await bundle("iife");
    const run = async (...scripts: string[]) => {
      const page = await browser.newPage();
      await page.goto(`http://${server.base}/log?id=page`);
      for (const content of [...scripts, program]) await page.addScriptTag({ content });
      return page.evaluate(`Steps.run(${JSON.stringify(env)})`) as Promise<StepResult[]>;
    };
    const script = readFileSync(join(ROOT, "dist/tautline-websocket.min.js"), "utf8");
    [platform, ours] = await Promise.all([run(), run(script)]);
  }, 110_000);
  afterAll(() => Promise.all([browser.close(), server.close()]));

  describe("the class of the page", () => judge(() => platform, CHROMIUM));
  describe("webSocket()", () => judge(() => ours, OURS));
});
