import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Platform, Urls } from "../contract/case-context.ts";
import type { Result } from "../contract/contract.ts";

/** A runtime that is a process of its own. */
export interface ProcessKind {
  readonly name: string;
  readonly way: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly platform: Platform;
  /** Whether it is the server's half of the contract that runs. */
  readonly serving?: boolean;
  /** Whether Conns take the platform's own WebSocket in place of the entry's. */
  readonly native?: boolean;
  /** Whether the process is held by connections that were left, until their peer is gone. */
  readonly lingers?: boolean;
}

const MODULES = join(process.cwd(), "test/runtimes/node_modules");
/** The contract, bundled, with the package left to be found by the runtime under its own conditions. */
const RUN = ".matrix/run.mjs";
const REACT_NATIVE = ".matrix/react-native.mjs";
const DEADLINE_MS = 90_000;
const EXIT_MS = 3_000;
export const EXITS = "lets the process end by itself once its Conns are closed";
export const LINGERS = "leaves connections that hold the process, as the table says";

const ws = ({ base }: Urls): Platform => ({ isNode: true, knowsStatus: true, origin: `http://${base}` });
const page: Platform = { isNode: false, knowsStatus: false };

/** All of them. Those of a Node for other systems than Linux are missing there. */
export function processes(urls: Urls): readonly ProcessKind[] {
  const nodes = [20, 22, 24, 26].flatMap((version) => {
    const of = { name: `Node ${version}`, command: join(MODULES, `node${version}/bin/node`), args: [RUN] };
    const overWs = { ...of, way: "ws", platform: ws(urls) };
    const own = { ...page, eatsBom: true, repeatsOn401: version > 22 };
    const overOwn = { ...of, way: "its own WebSocket", platform: own, native: true, lingers: true };
    const server = { ...of, way: "server", platform: page, serving: true };
    return version === 20 ? [overWs, server] : [overWs, overOwn, server];
  });
  const bun = { name: "Bun", command: join(MODULES, ".bin/bun"), args: [RUN] };
  const args = ["run", "--allow-all", "--no-remote", RUN];
  const deno = { name: "Deno", command: join(MODULES, ".bin/deno"), args };
  return [
    ...nodes,
    { ...bun, way: "its stand-in for ws", platform: ws(urls) },
    { ...bun, way: "its own WebSocket", platform: page, native: true, lingers: true },
    { ...bun, way: "server", platform: page, serving: true },
    { ...deno, way: "its own WebSocket", platform: { ...page, opensUnselected: true }, lingers: true },
    { ...deno, way: "server", platform: page, serving: true },
    {
      name: "like React Native",
      way: "no Event, EventTarget, window, document",
      command: process.execPath,
      args: [REACT_NATIVE],
      platform: { ...page, origin: `http://${urls.base}`, hidesBuffer: true },
      lingers: true,
    },
  ];
}

export interface ProcessRun {
  readonly version: string;
  readonly results: readonly Result[];
}

/** Runs the contract in it; undefined where it is not installed. */
export async function runProcess(kind: ProcessKind, urls: Urls): Promise<ProcessRun | undefined> {
  const { command, args, platform, native, serving } = kind;
  if (!existsSync(command)) return undefined;
  const { base, never, refused, secure } = urls;
  const order = JSON.stringify({ base, never, refused, secure, ...platform, native, serving });
  const version = (await output(command, ["--version"], DEADLINE_MS)).text;
  const { text, wasEnded } = await output(command, [...args, order], DEADLINE_MS);
  const results: Result[] = JSON.parse(text);
  if (kind.lingers) results.push({ name: LINGERS, failure: wasEnded ? "" : "It ended: the table is out of date." });
  else results.push({ name: EXITS, failure: wasEnded ? `It was there ${EXIT_MS} ms after.` : "" });
  return { version: /\d+\.\d+\.\d+/.exec(version)?.[0] ?? version, results };
}

/** Returns the output of the command. It is ended if it is still there a while after its first whole line. */
function output(command: string, args: readonly string[], ms: number): Promise<{ text: string; wasEnded: boolean }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    let wasEnded = false;
    const end = () => {
      wasEnded = true;
      child.kill("SIGKILL");
    };
    let timer = setTimeout(end, ms);
    child.stdout.on("data", (chunk) => {
      text += chunk;
      if (!text.endsWith("\n")) return;
      clearTimeout(timer);
      timer = setTimeout(end, EXIT_MS);
    });
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      if (text.endsWith("\n") && (code === 0 || wasEnded)) resolve({ text, wasEnded });
      else reject(new Error(`${command} ended with ${code}${wasEnded ? ", by us," : ""} and no results.`));
    });
  });
}
