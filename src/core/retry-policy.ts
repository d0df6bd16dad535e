import { ConnError } from "../base/errors.ts";
import { MAX_TIMER_MS } from "../base/timer.ts";
import type { ConnectionEnd } from "../socket/socket.ts";
import { FLOOR_MS, MAX_MS } from "./backoff.ts";
import type { DisconnectInfo } from "./disconnect-info.ts";
import type { ResolvedOptions } from "./options.ts";
import type { ClosedBy, RetryDecision, State, WaitReason } from "./state-machine.ts";

/** What the verdict rests on, besides the ending itself. */
export interface RetryHistory {
  /** Whether this Conn has ever been open. */
  readonly everOpened: boolean;
  /** Whether a function is asked again on each attempt, so that another try may bring other credentials. */
  readonly canRenew: boolean;
  /** Endings for want of authentication since the last stable connection, this one not counted. */
  readonly refusals: number;
}

/** Close codes after which another attempt would end the same way. */
const FINAL = new Set([1000, 1003, 1007, 1008, 1009, 1010]);
const AUTH = new Set([401, 403, 3000, 3003, 4401, 4403]);
/** HTTP statuses, and their 44xx counterparts, that another attempt may well cure. */
const CURABLE = new Set([408, 425, 429]);
const MAX_REQUESTED_MS = 600_000;
/** A server that names one moment would get everybody at it: they spread over this much more. */
const SPREAD = 1.25;

/** Whether the server, or a gateway before it, asked who we are. */
export function isAuth(ending: ConnectionEnd): boolean {
  return AUTH.has(ending.status ?? ending.code);
}

/** Whether an ending deserves another attempt. */
export function isRetryable(ending: ConnectionEnd, history: RetryHistory): boolean {
  const { code, status } = ending;
  if (isAuth(ending)) return history.canRenew && history.refusals === 0;
  if (status !== undefined) return status < 400 || status >= 500 || CURABLE.has(status) || history.everOpened;
  const final = code >= 4400 && code < 4500 ? !CURABLE.has(code - 4000) : FINAL.has(code);
  return !final || requestedDelay(ending) !== undefined;
}

/**
 * When the server wants us back, in milliseconds from now: a window to draw from. Read from a close reason
 * `retry=<min>-<max>` or `retry=<ms>`, or from `Retry-After`, in seconds or as a date. What it asks for is capped at
 * {@link MAX_REQUESTED_MS}.
 */
export function requestedDelay(
  { reason, retryAfter }: ConnectionEnd,
  now = Date.now(),
): readonly [number, number] | undefined {
  const match = /(?:^|[\s;,])retry=(\d+)(?:-(\d+))?(?![^\s;,])/.exec(reason);
  if (match) return toRange(Number(match[1]), match[2] && Number(match[2]));
  if (!retryAfter) return undefined;
  const ms = /^\s*\d+\s*$/.test(retryAfter) ? Number(retryAfter) * 1000 : Date.parse(retryAfter) - now;
  return Number.isNaN(ms) ? undefined : toRange(Math.max(0, ms), undefined);
}

function toRange(min: number, max: number | "" | undefined): readonly [number, number] {
  const from = Math.min(min, MAX_REQUESTED_MS);
  const to = Math.min(max || from * SPREAD, MAX_REQUESTED_MS);
  // Capped waits are spread too, or the cap would gather the crowd that the server meant to part.
  return [from, to > from ? to : from * SPREAD];
}

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
