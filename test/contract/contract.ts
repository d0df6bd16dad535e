import { endings } from "./endings.ts";
import { leaving } from "./leaving.ts";
import { likeGo } from "./like-go.ts";
import { messages } from "./messages.ts";
import { opening } from "./opening.ts";
import type { Case, Env } from "./stage.ts";

/**
 * What tautline does, once, for every runtime: nothing in the cases knows a test runner or a platform. The other end is
 * in `server.ts`.
 */
export const contract: readonly Case[] = [...opening, ...messages, ...endings, ...leaving, ...likeGo];

/** Browsers slow down a page that dials many at once. */
const LANES = 8;

export interface Result {
  readonly name: string;
  /** Why the case failed, `""` if it did not. */
  readonly failure: string;
}

/** Runs all cases, a few at a time, for runtimes that report to a test runner from outside. */
export async function runAll(env: Env): Promise<Result[]> {
  const queue = [...contract];
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
  return results;
}
