import { spawn } from "node:child_process";
import { once } from "node:events";
import { symlinkSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { afterAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { Conn } from "../../src/index.ts";
import { COMPILED_BESIDE, complaintsOf } from "../support/compile-examples.ts";
import { examplesOf } from "../support/examples.ts";
import { freePort } from "../support/free-port.ts";
import { consumer } from "./packed.ts";

// The samples of the guides that import a framework for servers, or a library of another kind.

const ROOT = join(import.meta.dirname, "../..");
const MODULES = join(import.meta.dirname, "frameworks/node_modules");
const SOON = { timeout: 20_000, interval: 50 };

/** The warning of a server that refuses a page of another site, and Node's own line under it. */
const OF_REFUSALS = /\[TAUTLINE_ORIGIN_REFUSED\]|^\(Use `node --trace-warnings/;

const samples = examplesOf(ROOT).filter(({ notRun = "" }) => COMPILED_BESIDE.frameworks.test(notRun));
const { folder, remove } = consumer();
afterAll(remove);
for (const name of ["express", "@types/express", "fastify", "hono", "@hono", "msw", "react-use-websocket"]) {
  symlinkSync(join(MODULES, name), join(folder, "node_modules", name));
}

/** The samples of a framework, by their place. */
const of = (library: string) =>
  samples.filter(({ notRun }) => notRun === `needs ${library}`).map(({ name, code }) => [name, code] as const);

test("every sample compiles beside its library, with its types", () => {
  expect(samples.length).toBeGreaterThanOrEqual(8);
  expect(complaintsOf(samples, folder, { checkJs: true })).toEqual([]);
});

/** Starts a sample as the program of a reader, and ends it when the test is over. */
async function start(code: string, port: number) {
  const file = join(folder, `sample-${port}.mjs`);
  writeFileSync(file, code.replace(/\b8080\b/, String(port)));
  const child = spawn(process.execPath, [file], { cwd: folder });
  let errors = "";
  let output = "";
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  const exitCode = new Promise<number | null>((resolve) => child.once("close", resolve));
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await exitCode;
    expect(errors.split("\n").filter((line) => line !== "" && !OF_REFUSALS.test(line))).toEqual([]);
  });
  return { child, exitCode, printed: () => output };
}

/** Waits until the port answers, and returns the status and the text of its first page. */
const pageAt = (port: number) =>
  vi.waitFor(async () => {
    const response = await fetch(`http://127.0.0.1:${port}/`);
    return { status: response.status, text: await response.text() };
  }, SOON);

/** The status with which an upgrade is refused. */
async function refusal(port: number, headers: Readonly<Record<string, string>>): Promise<number | undefined> {
  const asked = {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
  };
  const [response] = await once(
    request({ host: "127.0.0.1", port, path: "/websocket", headers: { ...asked, ...headers } }).end(),
    "response",
  );
  response.resume();
  return response.statusCode;
}

describe.each(["express", "fastify", "hono"])("the samples of %s", (library) => {
  test.each(of(library))("%s serves a page and a WebSocket on one port", async (_name, code) => {
    const port = await freePort();
    const program = await start(code, port);
    const { status, text } = await pageAt(port);
    const hasPage = code.includes('"a page"');
    expect([status, hasPage ? text : "a page"]).toEqual([hasPage ? 200 : 404, "a page"]);
    const isNamed = code.includes("userOf");
    const headers = { cookie: "user=ada" };
    const conn = new Conn(`ws://127.0.0.1:${port}/websocket`, { headers });
    onTestFinished(() => conn.close().then(() => {}));
    if (isNamed) await conn.send('"ahoy"');
    const received = await conn.receive();
    expect(received).toBe(isNamed ? '{"echo":"ahoy"}' : code.includes("json()") ? '"hello"' : "hello");
    if (isNamed) expect(await refusal(port, {})).toBe(401);
    expect(await refusal(port, { ...headers, origin: "http://elsewhere.example" })).toBe(403);
    if (!code.includes("SIGTERM")) return;
    program.child.kill("SIGTERM");
    expect(await program.exitCode).toBe(0);
    // The program asked its client to come back later, as a restarted one would be there.
    expect(conn.state).toBe("waiting");
  });
});

// MSW replaces the WebSocket of the runtime, which Node has from version 22 on.
test.skipIf(!globalThis.WebSocket).each(of("msw"))("%s prints what MSW answers", async (_name, code) => {
  const { printed } = await start(code, 0);
  await vi.waitFor(() => expect(printed()).toContain("{ hello: 'from MSW' }"), SOON);
});
