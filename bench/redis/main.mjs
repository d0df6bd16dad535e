// npm run bench:redis: what channels on Redis do and cost, beside socket.io with its two adapters, the script called by hand,
// and bare ws. It starts a Redis of its own.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { endAll, startRedis } from "../../test/cluster/machines.mjs";
import { freePort } from "../../test/support/free-port.ts";
import { measureDelays } from "./delays.mjs";
import { measureIdle } from "./idle.mjs";
import { measureNode } from "./node-costs.mjs";
import { measureOperations } from "./operations.mjs";
import { measureReturns } from "./returns.mjs";

const PARTS = {
  operations: measureOperations,
  node: measureNode,
  delays: measureDelays,
  idle: measureIdle,
  returns: measureReturns,
};
const { values } = parseArgs({
  options: {
    only: { type: "string" },
    clients: { type: "string", default: "2000" },
    messages: { type: "string", default: "1000" },
    bytes: { type: "string", default: "256" },
    seconds: { type: "string", default: "3" },
    idle: { type: "string", default: "30" },
    rounds: { type: "string", default: "3" },
  },
});
const { only, ...numbers } = values;
const options = Object.fromEntries(Object.entries(numbers).map(([name, text]) => [name, Number(text)]));
for (const [name, number] of Object.entries(options)) {
  if (!(number > 0)) throw new Error(`--${name} must be a number above 0; got ${JSON.stringify(numbers[name])}.`);
}
if (only !== undefined && !Object.hasOwn(PARTS, only)) {
  throw new Error(`--only must be one of ${Object.keys(PARTS).join(", ")}; got ${JSON.stringify(only)}.`);
}
if (!existsSync("/usr/bin/redis-server")) throw new Error("redis-server is not installed.");

const folder = mkdtempSync(join(tmpdir(), "tautline-bench-redis-"));
try {
  for (const [name, measure] of Object.entries(PARTS)) {
    if (only !== undefined && name !== only) continue;
    // A new one for each part, so that none measures the keys of another.
    const port = await freePort();
    await startRedis(folder, port);
    await measure(port, options);
    await endAll();
  }
} finally {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
}
