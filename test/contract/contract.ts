import type { Case, Env } from "./case-context.ts";
import { closedAtOnce } from "./closed-at-once.ts";
import { endings } from "./endings.ts";
import { leaving } from "./leaving.ts";
import { likeGo } from "./like-go.ts";
import { messages } from "./messages.ts";
import { opening } from "./opening.ts";
import { resuming } from "./resuming.ts";

/**
 * The behaviour of tautline, once, for every runtime: nothing in the cases knows a test runner or a platform. The other end is
 * in `server.ts`.
 */
export const contract: readonly Case[] = [
  ...opening,
  ...messages,
  ...endings,
  ...closedAtOnce,
  ...leaving,
  ...likeGo,
  ...resuming,
];

/** The facts of a whole run, besides its cases. */
export const UNHANDLED = "leaves no rejection unhandled";

/** Browsers slow down a page that dials many at once. */
const LANES = 8;
/** A rejection is known to be unhandled a little after it. */
const SETTLE_MS = 100;

interface Runnable<T> {
  readonly name: string;
  run(env: T): Promise<void>;
}

export interface Result {
  readonly name: string;
  /** Why the case failed, `""` if it did not. */
  readonly failure: string;
}

/** Runs all cases, a few at a time, for runtimes that report to a test runner from outside. */
export function runAll(env: Env): Promise<Result[]> {
  return runCases(contract, env);
}

/** The same for other cases than those of the contract. */
export async function runCases<T>(cases: readonly Runnable<T>[], env: T): Promise<Result[]> {
  const queue = [...cases];
  const unhandled: unknown[] = [];
  const forget = watchRejections((reason) => unhandled.push(reason));
  const results: Result[] = [];
  const lane = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const { name } = next;
      const failure = await next.run(env).then(
        () => "",
        (error: Error) => `${error.message}\n${error.stack}`,
      );
      results.push({ name, failure });
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  forget();
  return [...results, { name: UNHANDLED, failure: unhandled.map(String).join("\n") }];
}

/** Observes each unhandled rejection, in the platform's way, until the function that it returns is called. */
function watchRejections(hear: (reason: unknown) => void): () => void {
  const { process } = globalThis as { process?: Partial<NodeJS.Process> };
  if (process?.on && process.off) {
    process.on("unhandledRejection", hear);
    return () => process.off?.("unhandledRejection", hear);
  }
  const listener = (event: { readonly reason: unknown }) => hear(event.reason);
  globalThis.addEventListener("unhandledrejection", listener as never);
  return () => globalThis.removeEventListener("unhandledrejection", listener as never);
}
