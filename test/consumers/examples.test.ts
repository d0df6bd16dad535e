import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";
import { afterAll, expect, onTestFinished, test, vi } from "vitest";
import { CHROMIUM_ARGS, findChromium } from "../../scripts/browsers.mjs";
import { channels } from "../../src/channels/index.ts";
import { Conn, json } from "../../src/index.ts";
import { rpc } from "../../src/rpc/index.ts";
import { consumer } from "./packed.ts";

const ROOT = join(import.meta.dirname, "../..");
const EXAMPLES = join(ROOT, "examples");
const MAX_LINES = 60;
const SOON = { timeout: 20_000, interval: 50 };

const { folder, remove } = consumer();
afterAll(remove);
cpSync(EXAMPLES, folder, { recursive: true });
for (const name of ["express", "esbuild"]) {
  symlinkSync(join(import.meta.dirname, "node_modules", name), join(folder, "node_modules", name));
}
for (const name of ["react-dom", "@types/react-dom"]) {
  symlinkSync(join(ROOT, "node_modules", name), join(folder, "node_modules", name));
}

const names = readdirSync(EXAMPLES).filter((file) => !file.endsWith(".md"));
const sources = names.flatMap((name) => readdirSync(join(EXAMPLES, name)).map((file) => `${name}/${file}`));

interface Manifest {
  readonly scripts: { readonly start: string };
  readonly dependencies: Readonly<Record<string, string>>;
}
const manifestOf = (name: string): Manifest =>
  JSON.parse(readFileSync(join(EXAMPLES, name, "package.json"), "utf8")) as Manifest;

interface Running {
  readonly child: ChildProcess;
  readonly lines: readonly string[];
  readonly exitCode: Promise<number | null>;
}

/** Starts an example beside the packed package, as its manifest says, and kills it when the test is over. */
function start(name: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Running {
  // Without npm and its shell between, so that a signal reaches the program.
  const [command, ...own] = manifestOf(name).scripts.start.split(" ");
  expect(command).toBe("node");
  const cwd = join(folder, name);
  const child = spawn(process.execPath, [...own, ...args], { cwd, env: { ...process.env, PORT: "0", ...env } });
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

test.each(sources)("%s has at most 60 lines", (file) => {
  expect(readFileSync(join(EXAMPLES, file), "utf8").trimEnd().split("\n").length).toBeLessThanOrEqual(MAX_LINES);
});

test.each(names)("%s installs all that it imports, and nothing else", (name) => {
  const text = sources
    .filter((file) => file.startsWith(`${name}/`) && /\.(mjs|tsx)$/.test(file))
    .map((file) => readFileSync(join(EXAMPLES, file), "utf8"))
    .join("\n");
  const imported = [...text.matchAll(/^import .*?from "(?!node:|\.)([^"]+)";$/gms)].map(([, from]) => {
    const [first, second] = (from as string).split("/");
    return first?.startsWith("@") ? `${first}/${second}` : (first as string);
  });
  expect([...new Set(imported)].sort()).toEqual(Object.keys(manifestOf(name).dependencies).sort());
});

interface ServerApi {
  say(params: { id: string; text: string }): void;
}
type Line = { text: string };

/** The chat's room, and a way to speak in it. */
function chatRoom(address: string) {
  const peer = rpc<ServerApi>(client(`ws://${address}/chat`));
  const room = channels(peer).subscribe<Line>("chat", { from: { last: 100 } });
  const lines: string[] = [];
  room.on("message", ({ data }) => lines.push(data.text));
  return { lines, room, say: (id: string, text: string) => peer.call("say", { id, text }) };
}

test("the chat sends each line to everybody once, and earlier lines to a client that comes later", async () => {
  const address = await addressOf(start("chat"));
  const ada = chatRoom(address);
  const bob = chatRoom(address);
  await bob.room.ready;
  await ada.say("1", "ahoy");
  await ada.say("1", "ahoy");
  await ada.say("2", "anybody there?");
  const late = chatRoom(address);
  for (const { lines } of [ada, bob, late])
    await vi.waitFor(() => expect(lines).toEqual(["ahoy", "anybody there?"]), SOON);
  const page = await (await fetch(`http://${address}/`)).text();
  const modules = [...page.matchAll(/from "(\/package\/[^"]+)"/g)].map(([, path]) => path);
  expect(modules.length).toBeGreaterThan(2);
  for (const path of modules) {
    const answer = await fetch(`http://${address}${path}`);
    expect([path, answer.headers.get("content-type")]).toEqual([path, "text/javascript"]);
  }
});

test("the ticker prints five tables of prices and ends by itself", async () => {
  const { lines, exitCode } = start("ticker");
  expect(await exitCode).toBe(0);
  expect(lines).toHaveLength(5);
  for (const line of lines) expect(Object.keys(JSON.parse(line)).sort()).toEqual(["MAST", "ROPE", "SAIL"]);
});

test("the Express server answers requests, knows its users, and ends when it is asked to", async () => {
  const program = start("express");
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
  const first = start("chat");
  const address = await addressOf(first);
  const service = start("node-client", [`ws://${address}/chat`]);
  await printed(service, /^open /);
  await chatRoom(address).say("1", "ahoy");
  await printed(service, /^message {"text":"ahoy"}$/);
  first.child.kill("SIGKILL");
  await printed(service, /^disconnected { code: 1006/);
  await first.exitCode;
  start("chat", [], { PORT: address.split(":")[1] as string });
  await vi.waitFor(() => expect(service.lines.filter((line) => line.startsWith("open ")).length).toBe(2), SOON);
  // The server began anew, and its log with it.
  await printed(service, /^gap: some messages were missed$/);
  service.child.kill("SIGTERM");
  expect(await service.exitCode).toBe(0);
  expect(service.lines.at(-1)).toBe("closed { by: 'local', unsent: 0 }");
});

// Where Chromium is not installed: apt-get install chromium, or set CHROMIUM to its path.
test.skipIf(!findChromium()).each(["chat", "react"])("two pages of %s talk to each other in Chromium", async (name) => {
  const address = await addressOf(start(name));
  const browser = await chromium.launch({ executablePath: findChromium() ?? "", args: CHROMIUM_ARGS });
  onTestFinished(() => browser.close());
  const pages = await Promise.all([browser.newPage(), browser.newPage()]);
  for (const page of pages) {
    await page.goto(`http://${address}/`);
    await page.locator("output", { hasText: "open" }).waitFor();
  }
  for (const [index, page] of pages.entries()) {
    await page.fill("input", `from page ${index}`);
    await page.press("input", "Enter");
    await page.locator("li", { hasText: `from page ${index}` }).waitFor();
  }
  const all = ["from page 0", "from page 1"];
  for (const page of pages) await expect.poll(() => page.locator("li").allTextContents()).toEqual(all);
});

test("the React example has the right types", () => {
  const tsc = createRequire(import.meta.url).resolve("typescript-6.0/bin/tsc");
  const flags = ["--noEmit", "--strict", "--jsx", "react-jsx", "--module", "esnext", "--moduleResolution", "bundler"];
  const child = spawn(process.execPath, [tsc, ...flags, "--target", "es2022", "--types", "react", "react/app.tsx"], {
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
