import { closing } from "./closing.ts";
import { constructing } from "./constructing.ts";
import { dispatching } from "./dispatching.ts";
import { sending } from "./sending.ts";
import type { StepCase, StepEnv } from "./stage.ts";

/** The WebSocket interface of WHATWG, one case for each step that a script can see. Knows no test runner. */
export const steps: readonly StepCase[] = [...constructing, ...sending, ...closing, ...dispatching];

export interface StepResult {
  readonly name: string;
  /** Why the case failed, `""` if it did not. */
  readonly failure: string;
}

/** Runs all cases but those `without`, one after another. */
export async function runSteps(env: StepEnv, without: readonly string[] = []): Promise<StepResult[]> {
  const results: StepResult[] = [];
  for (const { name, run } of steps) {
    if (without.includes(name)) continue;
    const failure = await run(env).then(
      () => "",
      (error: Error) => String(error.message),
    );
    results.push({ name, failure });
  }
  return results;
}
