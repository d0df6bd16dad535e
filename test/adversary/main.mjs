// npm run test:adversary: each attack against a server with 256 MiB of heap, 3 s each; a minute each with --long.
// Then random sessions by explorer.mjs: 500, or 10,000 with --long. The server has to live, to serve an honest client meanwhile and afterwards, and to give back what it held.
import { fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Conn, json } from "tautline";
import { attacks } from "./attacks/index.mjs";

const { values: options } = parseArgs({ options: { long: { type: "boolean" }, only: { type: "string" } } });
const MS = options.long ? 60_000 : 3_000;
const HEAP_MIB = 256;
/** Heap, stacks, buffers and code together stay below this limit. */
const MAX_RSS_MIB = 640;
/** How long an honest client may wait for its echo while the attack goes on. */
const HONEST_MS = 5_000;
const file = (name) => fileURLToPath(new URL(name, import.meta.url));

async function ask(child, message) {
  const answer = once(child, "message");
  child.send(message);
  const [given] = await Promise.race([answer, once(child, "exit").then(() => [undefined])]);
  return given;
}

/** Milliseconds that an honest client waits for an echo. */
async function honest(port) {
  const start = performance.now();
  const conn = new Conn(`ws://127.0.0.1:${port}/echo`, {
    codec: json(),
    connectTimeoutMs: HONEST_MS,
    giveUpAfterMs: HONEST_MS,
  });
  try {
    await conn.send("honest");
    const answer = await conn.receive({ signal: AbortSignal.timeout(HONEST_MS) });
    return answer === "honest" ? performance.now() - start : undefined;
  } catch {
    return undefined;
  } finally {
    await conn.close();
  }
}

async function run(name) {
  const execArgv = [`--max-old-space-size=${HEAP_MIB}`, "--expose-gc"];
  const server = fork(file("victim-server.mjs"), { execArgv, stdio: ["ignore", "ignore", "pipe", "ipc"] });
  let stderr = "";
  server.stderr.on("data", (text) => {
    stderr = (stderr + text).slice(-2_000);
  });
  const [{ port }] = await once(server, "message");
  const failures = [];
  const before = await ask(server, { type: "report" });
  const attacker = fork(file("attacker.mjs"), [String(port), String(MS), name], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const spent = once(attacker, "message");
  await pause(MS / 2);
  const meanwhileMs = await honest(port);
  if (meanwhileMs === undefined) failures.push("an honest client was not served during the attack");
  const [attack] = await Promise.race([spent, once(attacker, "exit").then(() => [undefined])]);
  attacker.kill("SIGKILL");
  if (!attack) failures.push("the attacker died");
  if (server.exitCode === null && server.signalCode === null) {
    if ((await honest(port)) === undefined) failures.push("an honest client was not served after the attack");
  }
  const report =
    server.exitCode === null && server.signalCode === null ? await ask(server, { type: "report" }) : undefined;
  if (!report) failures.push(`the server died (${server.exitCode ?? server.signalCode}): ${reasonIn(stderr)}`);
  else if (report.peakRss > MAX_RSS_MIB * 2 ** 20) {
    failures.push(`the server took ${Math.round(report.peakRss / 2 ** 20)} MiB, more than ${MAX_RSS_MIB}`);
  }
  if (report) {
    server.send({ type: "shutdown" });
    const ended = await Promise.race([once(server, "exit"), pause(5_000)]);
    if (!ended) failures.push("the server did not shut down");
  }
  server.kill("SIGKILL");
  return { name, failures, attack, report, before };
}

/** The line of a crash report that says why. */
const reasonIn = (text) => /^.*(?:FATAL ERROR|Error:|error:).*$/m.exec(text)?.[0] ?? text.trim().split("\n").at(-1);

const mib = (bytes) => (bytes / 2 ** 20).toFixed(0);
let passed = 0;
let failed = 0;
console.log("| attack | the attacker sends | its CPU | the server's CPU | its peak RSS |");
console.log("|---|---|---|---|---|");
for (const name of Object.keys(attacks)) {
  if (options.only && !name.includes(options.only)) continue;
  const { failures, attack, report, before } = await run(name);
  const cells = [
    name,
    attack ? `${mib(attack.bytes)} MiB, ${attack.connections} connections` : "–",
    attack ? `${(attack.cpuMs / 1000).toFixed(1)} s` : "–",
    report ? `${((report.cpuMs - before.cpuMs) / 1000).toFixed(1)} s` : "–",
    report ? `${mib(report.peakRss)} MiB` : "–",
  ];
  console.log(`| ${cells.join(" | ")} |`);
  for (const failure of failures) console.log(`  FAILED: ${failure}`);
  if (failures.length > 0) failed++;
  else passed++;
}

/** Runs the explorer in a process of its own. */
async function explore(...args) {
  const child = fork(file("explorer.mjs"), args, { stdio: "inherit" });
  const [code] = await once(child, "exit");
  if (code === 0) passed++;
  else failed++;
}

if (!options.only) {
  console.log("");
  await explore("--sessions", options.long ? "10000" : "500");
  // An oracle that finds nothing wrong where counts are wrong would prove nothing above.
  await explore("--sessions", "1000", "--miscount", "0.005");
}
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
