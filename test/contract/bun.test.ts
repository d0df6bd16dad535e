import { spawn } from "node:child_process";
import { join } from "node:path";
import { beforeAll, describe } from "vitest";
import { findBun } from "../../scripts/browsers.mjs";
import type { Result } from "./contract.ts";
import { report } from "./report.ts";
import { contractServer } from "./server.ts";

const bun = findBun();

// Where Bun is not installed: npm ci --prefix test/runtimes.
describe.skipIf(!bun)("Bun", () => {
  let results: readonly Result[] = [];

  beforeAll(async () => {
    const server = await contractServer();
    const env = { ...server, isNode: true, knowsStatus: true, origin: `http://${server.base}` };
    results = JSON.parse(await output(bun as string, join(import.meta.dirname, "run.mjs"), JSON.stringify(env)));
    await server.close();
  }, 60_000);

  report(() => results);
});

function output(command: string, ...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    child.stdout.on("data", (chunk) => {
      text += chunk;
    });
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve(text) : reject(new Error(`${command} ended with ${code}.`))));
  });
}
