// @ts-check
// A node of the demo: the WebSockets in a process of their own, which the demo's server starts, rolls and kills.
import { createBackend } from "../backend.mjs";
import { enginesOn } from "../engines.mjs";
import { print } from "../print.mjs";

/** @type {{ number: number, redis: string, everyMs: number }} */
const { number, redis, everyMs } = JSON.parse(process.argv[2] ?? "{}");
const printHere = (/** @type {string} */ line) => print(`node ${number}: ${line}`);
const onError = (/** @type {unknown} */ error) => printHere(`error: ${error instanceof Error ? error.message : error}`);
const backend = await createBackend({ everyMs, print: printHere, engineOf: enginesOn(redis, onError) });

// Ctrl-C reaches every process of the terminal: the demo's server decides.
process.on("SIGINT", () => {});
process.on("disconnect", () => process.exit());
process.on("message", async (message) => {
  if (message === "restart") {
    await backend.restart();
    process.send?.("restarted");
  }
  if (message !== "leave") return;
  await backend.leave();
  process.send?.("left");
  // At once: memberships outlive their hub, until the clients that move are members elsewhere.
  await backend.close();
  process.exit();
});
process.send?.({ port: backend.port });
