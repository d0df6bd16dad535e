// Runs the contract in a runtime that is no test runner: `bun run.mjs <order as JSON>` prints the results as JSON.
import * as tautline from "tautline";
import { resume } from "tautline/resume";
import { runAll } from "./contract.ts";

const { native, ...env } = JSON.parse(process.argv[2]);
const WebSocket = native ? globalThis.WebSocket : undefined;
const results = await runAll({ ...env, tautline, resume, WebSocket });
console.log(JSON.stringify(results));
