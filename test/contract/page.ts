import type * as Tautline from "../../src/index.ts";
import type { resume } from "../../src/resume/client/index.ts";
import type { Env } from "./case-context.ts";
import { type Result, runAll } from "./contract.ts";

/** The parameters in the address of a page: how the contract is run there, and where the results go. */
export interface Order {
  readonly env: Omit<Env, "tautline" | "resume">;
  readonly report: string;
  /** Whether a Content-Security-Policy without `unsafe-eval` is in force. */
  readonly strict: boolean;
}

export const MAY_NOT_EVAL = "runs where eval() is forbidden";

/** Runs the contract in this page, or in this worker. */
export function run(order: Order, tautline: typeof Tautline, resumes: typeof resume): Promise<Result[]> {
  return runAll({ ...order.env, tautline, resume: resumes });
}

/** Has `work` done for the order in the page's address, and reports. */
export async function drive(work: (order: Order) => Promise<Result[]>): Promise<void> {
  const order: Order = JSON.parse(decodeURIComponent(location.hash.slice(1)));
  const results = await work(order).catch((error) => [{ name: "The contract", failure: String(error) }]);
  if (order.strict) results.push({ name: MAY_NOT_EVAL, failure: canEval() ? "It may." : "" });
  await fetch(order.report, { method: "POST", body: JSON.stringify(results) });
}

function canEval(): boolean {
  try {
    // biome-ignore lint/security/noGlobalEval: what is asked is whether it is forbidden.
    globalThis.eval("1");
    return true;
  } catch {
    return false;
  }
}

/** Has a worker do it. */
export function delegate(
  post: (order: Order) => void,
  target: { onmessage: unknown },
): (order: Order) => Promise<Result[]> {
  return (order) =>
    new Promise((resolve) => {
      target.onmessage = ({ data }: { data: Result[] }) => resolve(data);
      post(order);
    });
}
