// Runs the contract in a runtime that is no test runner: `bun run.mjs <order as JSON>` prints the results as JSON. With
// `serving` in the order, the server's half.
import * as tautline from "tautline";
import { resume } from "tautline/resume";
import { runAll, runCases } from "./contract.ts";

const { native, serving, ...env } = JSON.parse(process.argv[2]);
const WebSocket = native ? globalThis.WebSocket : undefined;

async function serve() {
  const server = await import("tautline/server");
  const { faultProxy } = await import("tautline/testing");
  const { serving: cases } = await import("./serving.ts");
  return runCases(cases, { tautline, server, resume, faultProxy });
}

const results = await (serving ? serve() : runAll({ ...env, tautline, resume, WebSocket }));
console.log(JSON.stringify(results));
