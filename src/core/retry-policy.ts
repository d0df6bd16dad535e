import { BAD_CERTIFICATE, NORMAL } from "../base/close-codes.ts";
import { ConnError, textOf } from "../base/errors.ts";
import { MAX_TIMER_MS } from "../base/timer.ts";
import type { ConnectionEnd } from "../socket/socket.ts";
import { FLOOR_MS, MAX_MS } from "./backoff.ts";
import type { DisconnectInfo } from "./disconnect-info.ts";
import type { ResolvedOptions } from "./options.ts";
import type { ClosedBy, RetryDecision, State, WaitReason } from "./state-machine.ts";

/** The part of a Conn's history that decides whether an ending deserves another attempt. */
export interface RetryHistory {
  /** Whether this Conn has ever been open. */
  readonly everOpened: boolean;
  /** Whether a function is called again on each attempt, so that another attempt may bring other credentials. */
  readonly canRenew: boolean;
  /** Endings for want of authentication since the last stable connection, without the present one. */
  readonly refusals: number;
}

/** The facts that decide when there is another attempt, and whether there is one at all. */
export interface RetryContext extends RetryHistory {
  readonly state: State;
  /** Milliseconds of trying without a usable connection so far. */
  readonly triedMs: number;
  /** Whether the platform believes that there is a network. */
  readonly isOnline: boolean;
  /** Why the Conn waits for another connection; false where there will be none. */
  readonly retryReason: WaitReason | false;
  /** The wait in place of the backoff, in milliseconds. */
  readonly retryDelayMs?: number | undefined;
}

type RetryOptions = Pick<ResolvedOptions<never, never>, "shouldRetry" | "backoff" | "maxRetries" | "giveUpAfterMs">;
/** Runs a function of the user; returns undefined for one that throws. */
type Guard = <T>(name: string, act: () => T) => T | undefined;
type Delay = Pick<Extract<RetryDecision, { retry: true }>, "delayMs" | "reason">;

/** Close codes after which another attempt would end the same way. */
const FINAL = new Set([1000, 1003, 1007, 1008, 1009, 1010]);
const AUTH = new Set([401, 403, 3000, 3003, 4401, 4403]);
/** HTTP statuses, and their 44xx counterparts, that another attempt may well cure. */
const CURABLE = new Set([408, 425, 429]);
const MAX_REQUESTED_MS = 600_000;
/** Clients that were given the same moment spread over this much more, so that they do not all come at once. */
const SPREAD = 1.25;

/**
 * Decides what follows an ending: another attempt after a wait, or the end of the Conn. `random` gives a number from 0
 * up to 1.
 */
export function decideRetry(
  end: ConnectionEnd,
  context: RetryContext,
  options: RetryOptions,
  guard: Guard,
  random: () => number = Math.random,
): RetryDecision {
  const { state, retryReason } = context;
  const by = endedBy(end, context, options, guard);
  if (by || !retryReason) return giveUp(end, by ?? "gave-up");
  const attempt = "attempt" in state ? state.attempt + 1 : 1;
  const delay = delayFor(end, attempt, { ...context, retryReason }, options, guard, random);
  return withinLimits(end, attempt, delay, context, options);
}

/** Describes an ending as the `disconnected` event does. */
export function describeEnd(end: ConnectionEnd, { name }: State, willRetry: boolean): DisconnectInfo {
  return { ...end, wasOpen: name === "open" || name === "closing", willRetry };
}

/** Whether the server, or a gateway before it, asked for other credentials. */
export function isAuth(end: ConnectionEnd): boolean {
  return AUTH.has(end.status ?? end.code);
}

/** Whether an ending deserves another attempt, before the user is asked. */
export function isRetryable(end: ConnectionEnd, history: RetryHistory): boolean {
  const { code, status } = end;
  if (isAuth(end)) return history.canRenew && history.refusals === 0;
  // A server that was reached before may renew its certificate, and another network may not intercept TLS.
  if (code === BAD_CERTIFICATE) return history.everOpened;
  if (status !== undefined) return status < 400 || status >= 500 || CURABLE.has(status) || history.everOpened;
  const isFinal = code >= 4400 && code < 4500 ? !CURABLE.has(code - 4000) : FINAL.has(code);
  return !isFinal || requestedDelay(end) !== undefined;
}

/**
 * Returns the delay that the server requests, as a range of milliseconds to draw from. Read from a close reason
 * `retry=<min>-<max>` or `retry=<ms>`, or from `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3). At most
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
  // A capped delay is spread too, because otherwise the cap would gather the clients that the server parts.
  return [from, to > from ? to : from * SPREAD];
}

/** Returns the side, or the rule, by which this ending ends the Conn; undefined when there may be another attempt. */
function endedBy(
  end: ConnectionEnd,
  { state, retryReason, ...history }: RetryContext,
  { shouldRetry }: RetryOptions,
  guard: Guard,
): ClosedBy | undefined {
  if (!retryReason || state.name === "closing") return end.clean ? "peer" : "gave-up";
  const { fatal, code: errorCode } = end.cause instanceof ConnError ? end.cause : {};
  if (fatal) return "policy";
  const isWorthIt = isRetryable(end, history);
  const answer = shouldRetry && guard("shouldRetry", () => check(shouldRetry(describeEnd(end, state, isWorthIt))));
  if (answer ?? isWorthIt) return undefined;
  if (errorCode === "too-large" || errorCode === "inbox-full") return "local";
  return end.code === NORMAL ? "peer" : "policy";
}

function check(answer: unknown): boolean {
  if (typeof answer === "boolean") return answer;
  throw new TypeError(`it must return true or false, and backoff the wait; got ${typeof answer}`);
}

/** Returns how long to wait before the attempt, and for what. */
function delayFor(
  end: ConnectionEnd,
  attempt: number,
  context: RetryContext & { readonly retryReason: WaitReason },
  { backoff, giveUpAfterMs }: RetryOptions,
  guard: Guard,
  random: () => number,
): Delay {
  const { retryReason, retryDelayMs, triedMs, isOnline, state } = context;
  if (retryDelayMs !== undefined) return { delayMs: retryDelayMs, reason: retryReason };
  const [minMs, maxMs] = requestedDelay(end) ?? [0, 0];
  // A requested delay of zero, such as a past date, must not reset the backoff: clients would retry all together.
  if (maxMs > 0) return { delayMs: minMs + random() * (maxMs - minMs), reason: "server" };
  // Dials in the end, because the platform may be wrong or may never report "online".
  if (!isOnline) return { delayMs: Math.min(MAX_MS, giveUpAfterMs - triedMs), reason: "offline" };
  const delayMs = Number(guard("backoff", () => backoff(attempt, describeEnd(end, state, true))));
  return { delayMs: delayMs >= 0 ? delayMs : MAX_MS, reason: retryReason };
}

/** Keeps the delay between the floor and the longest timer, and ends the Conn where its limits are exceeded. */
function withinLimits(
  end: ConnectionEnd,
  attempt: number,
  { delayMs, reason }: Delay,
  { state, triedMs }: RetryContext,
  { maxRetries, giveUpAfterMs }: RetryOptions,
): RetryDecision {
  const floorMs = state.name === "open" && state.isStable ? 0 : FLOOR_MS;
  const limitedMs = Math.min(Math.max(floorMs, delayMs), MAX_TIMER_MS);
  if (attempt > maxRetries || triedMs + limitedMs > giveUpAfterMs) return giveUp(end, "gave-up");
  return { retry: true, delayMs: limitedMs, reason };
}

/** Ends the Conn, with an error unless the peer ended it well. */
function giveUp(end: ConnectionEnd, by: ClosedBy): RetryDecision {
  if (by === "peer") return { retry: false, by, error: undefined };
  return { retry: false, by, error: new ConnError("closed", `Ended by ${by}, ${reasonOf(end)}`, { cause: end.cause }) };
}

/** Returns a sentence of the code and the reason of an ending. */
export function reasonOf({ code, status, reason, cause }: ConnectionEnd): string {
  const message = cause instanceof Error && !("errors" in cause) && cause.message;
  const why = reason || message || (cause === undefined ? "no reason was given" : textOf(cause));
  return `${status ?? code}: ${why.replace(/\.$/, "")}.`;
}
