import type { IncomingMessage } from "node:http";
import { failOption } from "../../base/errors.ts";
import {
  functionRule,
  numberRule,
  type OptionRules,
  takeOptions,
  timeRule,
  wordRule,
} from "../../base/option-rules.ts";
import { MAX_WINDOW_BYTES } from "../protocol/delivery-state.ts";

/** Which sessions are kept, for how long, and for whom. */
export interface SessionOptions {
  /** Milliseconds that a session is kept while its client is away. At least 1; default 2 minutes. */
  readonly ttlMs?: number | undefined;
  /**
   * The most that may be unacknowledged, in either direction: bytes of binary messages, UTF-16 units of text, and 64 for
   * each message. The smaller of this and the client's own limit counts for what we send. At least 1; default 1 MiB.
   */
  readonly windowBytes?: number | undefined;
  /** The messages that are acknowledged: those received, or those that the handler consumed. Default `"received"`. */
  readonly ack?: "received" | "consumed" | undefined;
  /**
   * Sessions whose client is away. Above it a session ends: first one that no client has taken, then the anonymous session
   * that is away longest, then the longest of an authenticated client. At least 0; default 10,000.
   */
  readonly maxSessions?: number | undefined;
  /** The same bound for each principal. At least 0; default no limit of its own. */
  readonly maxSessionsPerPrincipal?: number | undefined;
  /**
   * Bytes kept for all clients that are away: messages of both directions, and request headers. Above it sessions end in
   * the same order. At least 0; default 64 MiB.
   */
  readonly maxBytes?: number | undefined;
  /**
   * Returns the client's identity, from the upgrade request (a user's id): only the same principal can return to a
   * session. Not asynchronous: the `authenticate` option of the handler is. Default none: the session's secret alone
   * stands for the client.
   */
  readonly principal?: ((request: IncomingMessage) => string | undefined) | undefined;
}

export interface ResolvedSessionOptions {
  readonly ttlMs: number;
  readonly windowBytes: number;
  readonly ack: "received" | "consumed";
  readonly maxSessions: number;
  readonly maxSessionsPerPrincipal: number;
  readonly maxBytes: number;
  readonly principal: SessionOptions["principal"];
}

const RULES: OptionRules<ResolvedSessionOptions> = {
  ttlMs: timeRule(1, 120_000),
  windowBytes: numberRule(1, 2 ** 20, MAX_WINDOW_BYTES),
  ack: wordRule("received", "consumed"),
  maxSessions: numberRule(0, 10_000),
  maxSessionsPerPrincipal: numberRule(0, Number.POSITIVE_INFINITY),
  maxBytes: numberRule(0, 64 * 2 ** 20),
  principal: functionRule(),
};

/** Checks the options and fills in the defaults. @throws {@link ConnError} `bad-option` */
export function resolveSessionOptions(options: SessionOptions): ResolvedSessionOptions {
  const resolved = takeOptions("resume.", RULES, options, failOption);
  return { ...resolved, windowBytes: Math.floor(resolved.windowBytes) };
}
