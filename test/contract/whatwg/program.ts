// Runs the steps on the platform's own class, or on ours, where there is no test runner.
import { runSteps, type StepResult } from "./cases.ts";
import type { StepEnv } from "./stage.ts";

/** In a page: with the script builds of tautline loaded or not. */
export function run(env: Omit<StepEnv, "WebSocket">): Promise<StepResult[]> {
  const { Tautline } = globalThis as { Tautline?: { webSocket(): typeof WebSocket } };
  return runSteps({ ...env, WebSocket: Tautline ? Tautline.webSocket() : globalThis.WebSocket });
}

// In Node: `node program.mjs <env as JSON>` prints the results as JSON.
const { process } = globalThis as { process?: { readonly argv: readonly string[] } };
if (process) {
  // An error that a socket leaves unhandled is not what is judged.
  (process as NodeJS.Process).on("uncaughtException", () => {});
  run(JSON.parse(process.argv[2] as string)).then((results) => {
    console.log(JSON.stringify(results));
    (process as NodeJS.Process).exit();
  });
}
