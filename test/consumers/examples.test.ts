import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { afterAll, expect, onTestFinished, test, vi } from "vitest";
import { CHROMIUM_ARGS, findChromium } from "../../scripts/browsers.mjs";
import { Conn, json } from "../../src/index.ts";
import { consumer } from "./packed.ts";

const ROOT = join(import.meta.dirname, "../..");
const EXAMPLES = join(ROOT, "examples");
const MAX_LINES = 50;
const SOON = { timeout: 20_000, interval: 50 };

const { folder, remove } = consumer();
afterAll(remove);
cpSync(EXAMPLES, folder, { recursive: true });
symlinkSync(join(import.meta.dirname, "node_modules/express"), join(folder, "node_modules/express"));
for (const name of ["react-dom", "@types/react-dom"]) {
  symlinkSync(join(ROOT, "node_modules", name), join(folder, "node_modules", name));
}

const programs = readdirSync(EXAMPLES).filter((file) => !file.endsWith(".md"));

interface Running {
  readonly child: ChildProcess;
  readonly lines: readonly string[];
  readonly exitCode: Promise<number | null>;
}

/** Starts an example beside the packed package, and kills it when the test is over. */
function start(file: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Running {
  const child = spawn(process.execPath, [file, ...args], { cwd: folder, env: { ...process.env, PORT: "0", ...env } });
  const lines: string[] = [];
  for (const input of [child.stdout, child.stderr]) createInterface(input).on("line", (line) => lines.push(line));
  const exitCode = new Promise<number | null>((resolve) => child.once("close", resolve));
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await exitCode;
  });
  return { child, lines, exitCode };
}

/** The part of a program's output that `pattern` captures, as soon as it is printed. */
const printed = ({ lines }: Running, pattern: RegExp): Promise<string> =>
  vi.waitFor(() => {
    const found = lines.map((line) => pattern.exec(line)).find(Boolean);
    if (!found) throw new Error(`No line like ${pattern} in:\n${lines.join("\n")}`);
    return found[1] ?? found[0];
  }, SOON);

const addressOf = (program: Running) => printed(program, /^http:\/\/(127\.0\.0\.1:\d+)\/$/);

/** A client of the example's server, closed when the test is over. */
function client(url: string, headers: Readonly<Record<string, string>> = {}): Conn<unknown, unknown> {
  const conn = new Conn(url, { codec: json<unknown, unknown>(), headers, backoff: () => 250 });
  onTestFinished(async () => {
    await conn.close();
  });
  return conn;
}

test.each(programs)("%s has at most 50 lines", (file) => {
  expect(readFileSync(join(EXAMPLES, file), "utf8").trimEnd().split("\n").length).toBeLessThanOrEqual(MAX_LINES);
});

test("the chat sends each line to everybody, and earlier lines to a client that comes later", async () => {
  const address = await addressOf(start("chat.mjs"));
  const ada = client(`ws://${address}/chat`);
  const bob = client(`ws://${address}/chat`);
  await bob.ready();
  await ada.send({ text: "ahoy" });
  expect([await ada.receive(), await bob.receive()]).toEqual([{ text: "ahoy" }, { text: "ahoy" }]);
  expect(await client(`ws://${address}/chat`).receive()).toEqual({ text: "ahoy" });
  const script = await (await fetch(`http://${address}/tautline.min.js`)).text();
  expect(script).toContain("Tautline");
});

test("the ticker prints five tables of prices and ends by itself", async () => {
  const { lines, exitCode } = start("ticker.mjs");
  expect(await exitCode).toBe(0);
  expect(lines).toHaveLength(5);
  for (const line of lines) expect(Object.keys(JSON.parse(line)).sort()).toEqual(["MAST", "ROPE", "SAIL"]);
});

test("the Express server answers requests, knows its users, and ends when it is asked to", async () => {
  const program = start("express.mjs");
  const address = await addressOf(program);
  const login = await fetch(`http://${address}/login/ada`, { method: "POST" });
  const cookie = login.headers.getSetCookie()[0]?.split(";")[0] ?? "";
  const stranger = client(`ws://${address}/websocket`);
  expect(await stranger.closed).toMatchObject({ code: 4401, reason: "log in first", by: "policy" });
  const ada = client(`ws://${address}/websocket`, { cookie });
  expect(await ada.receive()).toEqual({ hello: "ada" });
  await ada.send("ahoy");
  expect(await ada.receive()).toEqual({ user: "ada", message: "ahoy" });
  expect(await (await fetch(`http://${address}/online`)).json()).toEqual(["ada"]);
  program.child.kill("SIGTERM");
  expect(await program.exitCode).toBe(0);
});

test("the Node client prints each message, returns after a restart, and closes when it is asked to", async () => {
  const first = start("chat.mjs");
  const address = await addressOf(first);
  const service = start("node-client.mjs", [`ws://${address}/chat`]);
  await printed(service, /^open /);
  await client(`ws://${address}/chat`).send({ text: "ahoy" });
  await printed(service, /^message {"text":"ahoy"}$/);
  first.child.kill("SIGKILL");
  await printed(service, /^disconnected { code: 1006/);
  await first.exitCode;
  start("chat.mjs", [], { PORT: address.split(":")[1] as string });
  await vi.waitFor(() => expect(service.lines.filter((line) => line.startsWith("open ")).length).toBe(2), SOON);
  service.child.kill("SIGTERM");
  expect(await service.exitCode).toBe(0);
  expect(service.lines.at(-1)).toBe("closed { by: 'local', unsent: 0 }");
});

// Where Chromium is not installed: apt-get install chromium, or set CHROMIUM to its path.
test.skipIf(!findChromium())("the React room and the chat's own page talk to each other in Chromium", async () => {
  const address = await addressOf(start("chat.mjs"));
  const { outputFiles } = await build({
    entryPoints: [join(folder, "react.tsx")],
    bundle: true,
    write: false,
    format: "iife",
    jsx: "automatic",
    define: { "process.env.NODE_ENV": '"production"' },
  });
  const browser = await chromium.launch({ executablePath: findChromium() ?? "", args: CHROMIUM_ARGS });
  onTestFinished(() => browser.close());
  const page = await browser.newPage();
  await page.goto(`http://${address}/`);
  const room = await browser.newPage();
  // A page of the same server: Chromium lets no other page connect to loopback.
  await room.goto(`http://${address}/tautline.min.js`);
  await room.setContent('<div id="root"></div>');
  await room.addScriptTag({ content: outputFiles[0]?.text ?? "" });
  await room.locator("output", { hasText: "open" }).waitFor();
  await page.locator("output", { hasText: "open" }).waitFor();

  await page.fill("input", "from the page");
  await page.press("input", "Enter");
  await room.locator("li", { hasText: "from the page" }).waitFor();
  await room.fill("input", "from the room");
  await room.press("input", "Enter");
  await page.locator("li", { hasText: "from the room" }).waitFor();
  expect(await page.locator("li").allTextContents()).toEqual(["from the page", "from the room"]);
  expect(await room.locator("li").allTextContents()).toEqual(["from the page", "from the room"]);
});

test("the React example has the right types", () => {
  const tsc = createRequire(import.meta.url).resolve("typescript-6.0/bin/tsc");
  const flags = ["--noEmit", "--strict", "--jsx", "react-jsx", "--module", "esnext", "--moduleResolution", "bundler"];
  const child = spawn(process.execPath, [tsc, ...flags, "--target", "es2022", "--types", "react", "react.tsx"], {
    cwd: folder,
  });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  return new Promise<void>((resolve, reject) => {
    child.once("close", (code) => (code === 0 ? resolve() : reject(new Error(output))));
  });
});
