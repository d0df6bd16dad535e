import type { IncomingMessage } from "node:http";
import { ConnError } from "../../base/errors.ts";
import { MAX_TIMER_MS } from "../../base/timer.ts";
import { MAX_WINDOW_BYTES } from "../protocol/delivery-state.ts";

/** Which sessions are kept, for how long, and for whom. */
export interface SessionOptions {
  /** Milliseconds that a session is kept while its client is away. At least 1; default 2 minutes. */
  readonly ttlMs?: number | undefined;
  /**
   * The most that may be unacknowledged, in either direction: bytes of binary messages, UTF-16 units of text, and 64 for each
   * message. The smaller of this and the client's own limit counts for what we send. At least 1; default 1 MiB.
   */
  readonly windowBytes?: number | undefined;
  /** The messages that are acknowledged: those received, or those that the handler consumed. Default `"received"`. */
  readonly ack?: "received" | "consumed" | undefined;
  /** Sessions whose client is away. Above it the session that is away longest ends. At least 0; default 10,000. */
  readonly maxSessions?: number | undefined;
  /** The same bound for each principal. At least 0; default no limit of its own. */
  readonly maxSessionsPerPrincipal?: number | undefined;
  /** Bytes kept for all clients that are away. Above it the session that is away longest ends. Default 256 MiB. */
  readonly maxBytes?: number | undefined;
  /**
   * Returns the client's identity, from the upgrade request (a user's id): only the same principal can return to a
   * session. Default none: the session's secret alone stands for the client.
   */
  readonly principal?: ((request: IncomingMessage) => string | undefined) | undefined;
}

const DEFAULTS = {
  ttlMs: 120_000,
  windowBytes: 2 ** 20,
  maxSessions: 10_000,
  maxSessionsPerPrincipal: Number.POSITIVE_INFINITY,
  maxBytes: 256 * 2 ** 20,
};
/** Options that are numbers and at least 1; the others are at least 0. */
const POSITIVE: ReadonlySet<string> = new Set(["ttlMs", "windowBytes"]);

export type ResolvedSessionOptions = typeof DEFAULTS & Pick<SessionOptions, "ack" | "principal">;

/** Checks the options and fills in the defaults. @throws {@link ConnError} `bad-option` */
export function resolveSessionOptions(options: SessionOptions): ResolvedSessionOptions {
  const { ack = "received", principal } = options;
  if (ack !== "received" && ack !== "consumed") throw badOption("ack", "received or consumed", ack);
  if (principal !== undefined && typeof principal !== "function") throw badOption("principal", "a function", principal);
  const all = { ...DEFAULTS, ack, principal };
  for (const name of Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[]) {
    const value = options[name] ?? DEFAULTS[name];
    const min = POSITIVE.has(name) ? 1 : 0;
    if (typeof value !== "number" || !(value >= min)) throw badOption(name, `a number, at least ${min}`, value);
    all[name] = value;
  }
  all.ttlMs = Math.min(all.ttlMs, MAX_TIMER_MS);
  all.windowBytes = Math.floor(Math.min(all.windowBytes, MAX_WINDOW_BYTES));
  return all;
}

function badOption(name: string, range: string, value: unknown): ConnError {
  return new ConnError("bad-option", `resume.${name} must be ${range}; got ${String(value)}.`);
}
