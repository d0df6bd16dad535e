import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import type { Platform, Urls } from "../contract/case-context.ts";
import { freePort } from "../support/free-port.ts";
import { answers, ended } from "./engines.ts";
import type { ProcessRun } from "./processes.ts";

const COMMAND = join(process.cwd(), "test/runtimes/node_modules/.bin/workerd");
/** The version of its behaviour that is asked for. */
const COMPATIBILITY = "2026-01-01";

const WORKER = `import * as tautline from "tautline";
import { resume } from "tautline/resume";
import { runAll } from "./test/contract/contract.ts";
export default {
  async fetch(request) {
    if (request.method !== "POST") return new Response("ready");
    return Response.json(await runAll({ ...(await request.json()), tautline, resume }));
  },
};`;

/** Runs the contract in a worker of Cloudflare's runtime; undefined where it is not installed. */
export async function runWorkerd(
  platform: Platform,
  { base, never, refused, secure }: Urls,
): Promise<ProcessRun | undefined> {
  if (!existsSync(COMMAND)) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "tautline-workerd-"));
  const port = await freePort();
  // Its network allows loopback only when configured.
  const config = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [ (name = "main", worker = .worker), (name = "net", network = (allow = ["local"])) ],
  sockets = [ (name = "http", address = "127.0.0.1:${port}", http = (), service = "main") ]);
const worker :Workerd.Worker = (
  modules = [ (name = "worker.mjs", esModule = embed "worker.mjs") ],
  compatibilityDate = "${COMPATIBILITY}", globalOutbound = "net");`;
  try {
    await build({
      stdin: { contents: WORKER, resolveDir: process.cwd() },
      bundle: true,
      format: "esm",
      conditions: ["workerd"],
      target: "es2022",
      outfile: join(folder, "worker.mjs"),
      logLevel: "warning",
    });
    writeFileSync(join(folder, "config.capnp"), config);
    const child = spawn(COMMAND, ["serve", join(folder, "config.capnp")], { stdio: ["ignore", "ignore", "inherit"] });
    try {
      const address = `http://127.0.0.1:${port}/`;
      await answers(address);
      const body = JSON.stringify({ base, never, refused, secure, ...platform });
      const response = await fetch(address, { method: "POST", body, signal: AbortSignal.timeout(90_000) });
      if (!response.ok) throw new Error(`workerd answered ${response.status}: ${await response.text()}`);
      return { version: await versionOf(), results: (await response.json()) as ProcessRun["results"] };
    } finally {
      await ended(child);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function versionOf(): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(COMMAND, ["--version"], { stdio: ["ignore", "pipe", "ignore"] });
    child.once("error", reject);
    child.stdout.once("data", (chunk) =>
      resolve(
        String(chunk)
          .trim()
          .replace(/^workerd /, ""),
      ),
    );
  });
}
