import { ConnError } from "../base/errors.ts";

/** How long to wait before retry `n`, counted from 1, in milliseconds. */
export type Backoff = (n: number) => number;

/** Bound of the first wait, in milliseconds. */
export const FIRST_MS = 1_000;
/** Bound of every wait, in milliseconds. */
export const MAX_MS = 30_000;
/** How much each bound exceeds the one before. */
export const FACTOR = 2;
/** Between two dials, and after a connection that was not stable, there is never less, whatever the options say. */
export const FLOOR_MS = 250;

/** How {@link exponential} grows. */
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

/**
 * Full jitter over bounds that grow up to `maxMs`: clients that were cut off together come back spread over the whole
 * bound. Drawn when called, after the cap, so that clients at the cap do not march in step.
 *
 * @throws ConnError `bad-option`
 * @see Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015
 */
export function exponential(options: ExponentialOptions = {}): Backoff {
  const { firstMs = FIRST_MS, maxMs = MAX_MS, factor = FACTOR, random = () => Math.random() } = options;
  if (!(firstMs > 0 && maxMs > 0 && factor >= 1)) {
    throw new ConnError("bad-option", "exponential(): firstMs and maxMs must be above 0, factor at least 1.");
  }
  return (n) => random() * Math.min(maxMs, firstMs * factor ** (n - 1));
}
