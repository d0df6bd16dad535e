import { FLOOR_MS, MAX_MS } from "./backoff.ts";
import { ConnError } from "./errors.ts";
import type { ResolvedOptions } from "./options.ts";
import type { ClosedBy, RetryDecision, State, WaitReason } from "./state.ts";
import { MAX_TIMER_MS } from "./timer.ts";
import { type ConnectionEnd, type DisconnectInfo, isRetryable, requestedDelay } from "./verdict.ts";

/** What a Conn has been through when a connection ends. */
export interface RetryContext {
  readonly state: State;
  /** Whether it has ever been open. */
  readonly everOpened: boolean;
  /** Whether a function is asked again on each attempt. */
  readonly canRenew: boolean;
  /** Endings for want of authentication since the last stable connection. */
  readonly refusals: number;
  /** Milliseconds of trying without a usable connection so far. */
  readonly triedMs: number;
  /** Whether the platform believes that there is a network. */
  readonly isOnline: boolean;
  /** Why we wait for another connection; false where there will be none. */
  readonly retryReason: WaitReason | false;
}

type Rules = Pick<ResolvedOptions<never, never>, "shouldRetry" | "backoff" | "maxRetries" | "giveUpAfterMs">;

/**
 * What comes of an ending: another attempt after a wait, or the end. `guard` runs the user's functions; it answers
 * undefined for one that throws. `random` gives a number from 0 up to 1.
 */
export function decideRetry(
  ending: ConnectionEnd,
  past: RetryContext,
  { shouldRetry, backoff, maxRetries, giveUpAfterMs }: Rules,
  guard: <T>(name: string, act: () => T) => T | undefined,
  random: () => number = Math.random,
): { info: DisconnectInfo; plan: RetryDecision } {
  const { state } = past;
  const { code, reason, clean, cause } = ending;
  const own = cause instanceof ConnError ? cause : undefined;
  const told = (retry: boolean): DisconnectInfo => ({
    ...ending,
    wasOpen: state.name === "open" || state.name === "closing",
    willRetry: retry,
  });
  const over = (by: ClosedBy) => {
    const why = reason || (cause instanceof Error ? cause.message : "no reason was given");
    const error = by === "peer" ? undefined : new ConnError("closed", `Ended by ${by}, ${code}: ${why}`, { cause });
    return { info: told(false), plan: { retry: false, by, error } as const };
  };

  if (!past.retryReason || state.name === "closing") return over(clean ? "peer" : "gave-up");
  if (own?.fatal) return over("policy");
  const verdict = isRetryable(ending, past);
  const answer = (shouldRetry && guard("shouldRetry", () => shouldRetry(told(verdict)))) ?? verdict;
  if (answer === false) {
    if (own?.code === "too-large" || own?.code === "inbox-full") return over("local");
    return over(code === 1000 ? "peer" : "policy");
  }

  const attempt = "attempt" in state ? state.attempt + 1 : 1;
  const asked = requestedDelay(ending);
  // A wish of nothing, such as a date that has passed, says nothing of how long: taken at its word it would be a storm.
  const window = answer === true && asked?.[1] ? asked : undefined;
  const waitMs = window
    ? window[0] + random() * (window[1] - window[0])
    : Number(answer === true ? guard("backoff", () => backoff(attempt)) : answer);
  // The platform's word is a hint: without a network the longest wait, cut when it says that there is one.
  const isOffline = !past.isOnline && answer === true && !window;
  const longestMs = isOffline ? Math.min(MAX_MS, giveUpAfterMs - past.triedMs) : MAX_MS;
  const floorMs = state.name === "open" && state.isStable ? 0 : FLOOR_MS;
  // A wait that is no number must not become a storm.
  const delayMs = Math.min(Math.max(floorMs, waitMs >= 0 && !isOffline ? waitMs : longestMs), MAX_TIMER_MS);
  if (attempt > maxRetries || past.triedMs + delayMs > giveUpAfterMs) return over("gave-up");
  return {
    info: told(true),
    plan: { retry: true, delayMs, reason: window ? "server" : isOffline ? "offline" : past.retryReason },
  };
}
