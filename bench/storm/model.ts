import { type ExponentialOptions, exponential } from "../../src/core/backoff.ts";
import { decideRetry, describeEnd, type RetryContext } from "../../src/core/retry-policy.ts";
import { transition } from "../../src/core/state-machine.ts";
import type { Formula } from "./clients.ts";
import type { Random } from "./random.ts";
import type { Loss } from "./server.ts";

/** Clients of one kind: how long each of them waits after a loss, in milliseconds, or undefined when it gives up. */
export type Fleet = (client: number, loss: Loss) => number | undefined;

/** Makes a fleet. */
export type FleetFactory = (clients: number, random: Random) => Fleet;

/** Clients that follow a formula. */
export function following({ wait, retries = Number.POSITIVE_INFINITY, needsStable = false }: Formula): FleetFactory {
  return (clients, random) => {
    const tries = new Uint16Array(clients);
    return (client, { had }) => {
      const n = had === "opened" && !needsStable ? 0 : (tries[client] ?? 0);
      tries[client] = n + 1;
      return n < retries ? wait(n, random, (client + 0.5) / clients) : undefined;
    };
  };
}

/** Creates clients that run the code of a Conn: `decideRetry()` for the wait, and the retry count of `transition()`. */
export function tautline(options: Omit<ExponentialOptions, "random"> = {}): FleetFactory {
  return (clients, random) => {
    const attempts = new Uint16Array(clients);
    const rules = {
      backoff: exponential({ ...options, random }),
      shouldRetry: undefined,
      maxRetries: Number.POSITIVE_INFINITY,
      giveUpAfterMs: Number.POSITIVE_INFINITY,
    };
    const past: { -readonly [fact in keyof RetryContext]: RetryContext[fact] } = {
      state: { name: "idle" },
      everOpened: true,
      canRenew: false,
      refusals: 0,
      triedMs: 0,
      isOnline: true,
      retryReason: "backoff",
    };
    return (client, { had, ending }) => {
      const attempt = attempts[client] ?? 0;
      past.state =
        had === "failed" ? { name: "connecting", attempt } : { name: "open", attempt, isStable: had === "been stable" };
      const plan = decideRetry(ending, past, rules, (_name, act) => act(), random);
      const info = describeEnd(ending, past.state, plan.retry);
      const [next] = transition(past.state, { type: "disconnected", info, plan });
      if ("attempt" in next) attempts[client] = next.attempt;
      return plan.retry ? plan.delayMs : undefined;
    };
  };
}
