// Runs the contract in a runtime that is no test runner: `bun run.mjs <urls as JSON>` prints the results as JSON.
import * as tautline from "tautline";
import { runAll } from "./contract.ts";

const results = await runAll({ ...JSON.parse(process.argv[2]), tautline });
console.log(JSON.stringify(results));
