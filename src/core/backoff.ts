import { failOption } from "../base/errors.ts";
import { aboveZeroRule, functionRule, numberRule, type OptionRules, takeOptions } from "../base/option-rules.ts";
import type { DisconnectInfo } from "./disconnect-info.ts";

/**
 * Returns how long to wait before a retry, in milliseconds. `attempt` is the number of the retry, counted from 1; `info`
 * is the ending that it follows.
 *
 * @example
 * ```ts
 * const usual = exponential();
 * const backoff: Backoff = (attempt, { code }) => (code === 4404 ? 60_000 : usual(attempt));
 * ```
 */
export type Backoff = (attempt: number, info: DisconnectInfo) => number;

/** Bound of the first wait, in milliseconds. */
export const FIRST_MS = 1_000;
/** Bound of every wait, in milliseconds. */
export const MAX_MS = 30_000;
/** How much each bound exceeds the one before. */
export const FACTOR = 2;
/** The minimum between two dials, and after a connection that was not stable, in milliseconds, whatever the options say. */
export const FLOOR_MS = 250;

/** The bounds of {@link exponential}. */
export interface ExponentialOptions {
  /** Bound of the first wait, in milliseconds, above 0. Default 1 s. */
  readonly firstMs?: number | undefined;
  /** No wait is longer than this, in milliseconds, above 0. Default 30 s. */
  readonly maxMs?: number | undefined;
  /** How much each bound exceeds the one before, at least 1. Default 2. */
  readonly factor?: number | undefined;
  /** A number from 0 to 1; tests pass their own. Default `Math.random`. */
  readonly random?: (() => number) | undefined;
}

const RULES: OptionRules<{ firstMs: number; maxMs: number; factor: number; random: () => number }> = {
  firstMs: /* @__PURE__ */ aboveZeroRule(FIRST_MS),
  maxMs: /* @__PURE__ */ aboveZeroRule(MAX_MS),
  factor: /* @__PURE__ */ numberRule(1, FACTOR),
  // Drawn at each call, because a Worker forbids randomness while a module is loaded.
  random: /* @__PURE__ */ functionRule(() => Math.random()),
};

/**
 * Creates a backoff with full jitter over bounds that grow up to `maxMs`: clients that were cut off together come back
 * spread over the whole bound. Drawn at each call, after the cap, so that clients at the cap are spread too.
 *
 * @throws ConnError `bad-option`
 *
 * @example
 * ```ts
 * const conn = new Conn("wss://example.com/live", { backoff: exponential({ firstMs: 500, maxMs: 10_000 }) });
 * ```
 * @see Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015
 */
export function exponential(options: ExponentialOptions = {}): (attempt: number) => number {
  const { firstMs, maxMs, factor, random } = takeOptions("exponential: ", RULES, options, failOption);
  return (attempt) => random() * Math.min(maxMs, firstMs * factor ** (attempt - 1));
}
