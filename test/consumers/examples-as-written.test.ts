import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { Conn } from "../../src/index.ts";
import { freePort } from "../support/free-port.ts";

// As a reader starts them: a copy of the one folder, `npm install`, `npm start`, with the package as packed.

const ROOT = join(import.meta.dirname, "../..");
const EXAMPLES = join(ROOT, "examples");
const INSTALL = ["install", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"];
const INSTALL_MS = 180_000;
const SOON = { timeout: 30_000, interval: 50 };
/** The lines of npm itself, and those of Node that warn. */
const OF_NPM = /^(> |\s*$|npm notice|\(node:|\(Use )/;

const folder = mkdtempSync(join(tmpdir(), "tautline-examples-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const names = readdirSync(EXAMPLES).filter((file) => !file.endsWith(".md"));

/** Runs npm to its end, which has to be a good one. */
function npm(cwd: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync("npm", args, { cwd, encoding: "utf8" });
  expect(status, `npm ${args.join(" ")}\n${stdout}${stderr}`).toBe(0);
  return stdout;
}

interface Started {
  readonly lines: string[];
  readonly exitCode: Promise<number | null>;
}

/** Starts an example by `npm start`, and ends it with the processes under it when the test is over. */
function start(name: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Started {
  const more = args.length > 0 ? ["--", ...args] : [];
  const child: ChildProcess = spawn("npm", ["start", ...more], {
    cwd: join(folder, name),
    env: { ...process.env, ...env },
    // A group of its own, because npm passes no signal on to the shell under it.
    detached: true,
  });
  const lines: string[] = [];
  for (const input of [child.stdout, child.stderr]) {
    if (input) createInterface(input).on("line", (line) => OF_NPM.test(line) || lines.push(line));
  }
  const exitCode = once(child, "close").then(([code]) => code as number | null);
  onTestFinished(async () => {
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    await exitCode;
  });
  return { lines, exitCode };
}

const hasPrinted = ({ lines }: Started, pattern: RegExp) =>
  vi.waitFor(() => expect(lines).toContainEqual(expect.stringMatching(pattern)), SOON);

beforeAll(() => {
  npm(ROOT, "pack", "--ignore-scripts", "--silent", "--pack-destination", folder);
  const tarball = readdirSync(folder).find((file) => file.endsWith(".tgz")) as string;
  for (const name of names) {
    cpSync(join(EXAMPLES, name), join(folder, name), { recursive: true });
    // In the place of the version that the registry has, or has not yet. The manifest names the rest.
    npm(join(folder, name), ...INSTALL, join(folder, tarball));
  }
}, INSTALL_MS);

test.each(names)("%s takes the package under the version that its manifest names, and no package besides", (name) => {
  const manifest = (of: string) => JSON.parse(readFileSync(join(of, "package.json"), "utf8"));
  const own = manifest(join(EXAMPLES, name));
  const { version } = manifest(join(folder, name, "node_modules/tautline"));
  expect(own.dependencies.tautline).toBe(`^${version}`);
  expect(Object.keys(manifest(join(folder, name)).dependencies).sort()).toEqual(Object.keys(own.dependencies).sort());
});

describe("npm start", () => {
  test("ends the ticker by itself, after five tables of prices", async () => {
    const { lines, exitCode } = start("ticker");
    expect(await exitCode).toBe(0);
    expect(lines.map((line) => Object.keys(JSON.parse(line)).sort())).toEqual(
      Array.from({ length: 5 }, () => ["MAST", "ROPE", "SAIL"]),
    );
  });

  test.each([
    ["chat", "/chat", "1000"],
    ["react", "/chat", "1000"],
    ["express", "/websocket", "4401"],
  ])("serves the page of %s and its WebSocket on one port", async (name, path, code) => {
    const port = await freePort();
    const program = start(name, [], { PORT: String(port) });
    await hasPrinted(program, new RegExp(`^http://127\\.0\\.0\\.1:${port}/$`));
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200);
    const conn = new Conn(`ws://127.0.0.1:${port}${path}`);
    conn.on("open", () => {
      // Express closes the connection of a stranger by itself.
      if (code === "1000") conn.close();
    });
    expect(String((await conn.closed).code)).toBe(code);
  });

  test("connects the Node client to the chat at the address that it is given", async () => {
    const port = await freePort();
    await hasPrinted(start("chat", [], { PORT: String(port) }), /^http:/);
    await hasPrinted(start("node-client", [`ws://127.0.0.1:${port}/chat`]), /^open /);
  });
});
