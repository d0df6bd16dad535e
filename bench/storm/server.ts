import { Admission, type AdmissionOptions, REFUSAL_COST } from "../../src/server/admission.ts";
import type { ConnectionEnd } from "../../src/socket/socket.ts";

/** A connection, or an attempt at one, that is over: its ending, and how far it had come. */
export interface Loss {
  readonly had: "been stable" | "opened" | "failed";
  readonly ending: ConnectionEnd;
}

/** The outcome of an attempt. */
export interface AttemptOutcome {
  /** Cost for the server; a connection that it keeps costs 1. */
  readonly work: number;
  /** How it ended, or undefined if the client is back for good. */
  readonly loss: Loss | undefined;
}

/** The far end of all clients at once. Asked in the order of time. */
export type Server = (nowMs: number) => AttemptOutcome;

/** How a server refuses that has kept `kept` clients so far. */
export type Refusal = (nowMs: number, kept: number) => Loss;

/** How long the server is down. */
export const DOWN_MS = 5_000;
/** A server that accepts N/60 a second has everybody back after a minute of work. */
export const REFILL_S = 60;
/** The bucket holds as many tokens as are earned in this time. */
const BURST_S = 1;
const REFUSAL_WORK = REFUSAL_COST;

const ABNORMAL = { code: 1006, reason: "", clean: false };
const KEPT: AttemptOutcome = { work: 1, loss: undefined };
const UNREACHABLE: AttemptOutcome = { work: 0, loss: { had: "failed", ending: ABNORMAL } };

/** How everybody is dropped at the start. */
export const DROPPED: Loss = { had: "been stable", ending: ABNORMAL };

/** Refuses the upgrade with 503, and with `Retry-After` if it is given. */
export function unavailable(retryAfter?: string): Refusal {
  const loss: Loss = { had: "failed", ending: { ...ABNORMAL, status: 503, retryAfter } };
  return () => loss;
}

/** Accepts the upgrade only to close it with 1013 and the request `retry=<min>-<max>`, which a browser can read. */
export function requestingDelay(minMs: number, maxMs: number): Loss {
  return {
    had: "opened",
    ending: { code: 1013, reason: `retry=${Math.ceil(minMs)}-${Math.ceil(maxMs)}`, clean: true },
  };
}

/**
 * Down at first, then accepts so many a second: a token bucket, empty when the server comes up. A refusal costs its part
 * even of an empty one, so that a crowd can cost a server more than it has, and nobody gets in.
 */
export function limited(perSecond: number, refuse: Refusal = unavailable()): Server {
  let tokens = 0;
  let filledAtMs = DOWN_MS;
  let kept = 0;
  return (nowMs) => {
    if (nowMs < DOWN_MS) return UNREACHABLE;
    tokens = Math.min(perSecond * BURST_S, tokens + ((nowMs - filledAtMs) / 1_000) * perSecond);
    filledAtMs = nowMs;
    if (tokens >= 1) {
      tokens--;
      kept++;
      return KEPT;
    }
    tokens -= REFUSAL_WORK;
    return { work: REFUSAL_WORK, loss: refuse(nowMs, kept) };
  };
}

/** Down at first, then decides as the server's `admission` option does. */
export function admitting(options: AdmissionOptions): Server {
  let clockMs = DOWN_MS;
  const admission = new Admission(options, undefined, () => clockMs);
  return (nowMs) => {
    if (nowMs < DOWN_MS) return UNREACHABLE;
    clockMs = nowMs;
    const slot = admission.ask();
    return slot ? { work: REFUSAL_WORK, loss: requestingDelay(slot.minMs, slot.maxMs) } : KEPT;
  };
}

/** The same for a client that is alone: no other client has asked before. */
export const quiet =
  (options: AdmissionOptions): Server =>
  (nowMs) =>
    admitting(options)(nowMs);

/** Down at first, then has room for everybody: among others, for a client that is alone. */
export const roomy: Server = (nowMs) => (nowMs < DOWN_MS ? UNREACHABLE : KEPT);

/** Accepts everybody and drops everybody as soon as it is open. */
export const dropping: Server = () => ({ work: 1, loss: { had: "opened", ending: ABNORMAL } });
