import { readFileSync } from "node:fs";
import { join } from "node:path";
import { transformSync } from "esbuild";
import { expect, test } from "vitest";
import { Program, startDemo } from "./program.ts";

const SOURCE = readFileSync(join(import.meta.dirname, "../../demo/client.ts"), "utf8");
/** The longest wait of the demo's backoff. */
const BACK_MS = 5_000;
/** The time that a busy machine may add. */
const SLACK_MS = 2_000;
/** Less than the 2 s for which a Conn waits for the answer to its close frame. */
const AT_ONCE_MS = 1_500;
const TOP_THREE = /1\. .+ \d+\.\d\d [▲■▼] +2\. .+ +3\. .+/;

/** Runs the client as `npm run demo:client` does. */
function startClient(url: string): Program {
  const { code } = transformSync(SOURCE, { loader: "ts" });
  return new Program(["--input-type=module", "-", url.replace("http", "ws").concat("websocket")], code);
}

test("the service prints the top three, is back within 5 s of a killed server's return, and ends at once", async () => {
  const killed = await startDemo();
  const client = startClient(killed.url);
  await killed.line(/sent hello \{"text":"a service on Node /);
  await client.line(TOP_THREE);

  await killed.end("SIGKILL");
  await client.line(/disconnected 1006/);
  await client.line(/waiting \d\.\d s \(backoff\)/);
  const before = client.linesLike(TOP_THREE).length;

  await startDemo(killed.port);
  await expect.poll(() => client.linesLike(TOP_THREE).length, { timeout: BACK_MS + SLACK_MS }).toBeGreaterThan(before);

  const start = performance.now();
  expect(await client.end("SIGINT")).toBe(0);
  expect(performance.now() - start).toBeLessThan(AT_ONCE_MS);
});

test("the service ends at once while it waits for a server", async () => {
  const client = startClient("http://127.0.0.1:1/");
  await client.line(/waiting \d\.\d s \(backoff\)/);
  const start = performance.now();
  expect(await client.end("SIGINT")).toBe(0);
  expect(performance.now() - start).toBeLessThan(AT_ONCE_MS);
});
