import { badOption, failOption } from "../base/errors.ts";
import { checkNames } from "../base/option-rules.ts";

/** How many connections a server accepts. */
export interface AdmissionOptions {
  /** Connections per second, including the cost of refusing others. Above 0. */
  readonly perSecond: number;
  /** Connections that may come at once after a quiet time. At least 1. */
  readonly burst: number;
}

/** When a refused client may come back: whole milliseconds from now, drawn uniformly from the range. */
export interface Slot {
  readonly minMs: number;
  readonly maxMs: number;
}

/** The cost of a refusal, in tokens. An admission costs 1. */
export const REFUSAL_COST = 0.05;
/** The longest delay that is requested, because our own client does not wait longer. */
export const MAX_WAIT_MS = 600_000;
/** The shortest delay that is requested: our client waits at least as long after a connection that was not stable. */
const MIN_WAIT_MS = 250;
/** The largest share of the rate that pays for refusals; otherwise a client that hammers would keep everybody out. */
const MAX_REFUSAL_SHARE = 0.9;
/** The debt is at most what flows in within this time: older refusals are not paid for. */
const MAX_DEBT_MS = 1_000;

/**
 * Admits connections up to a rate, and gives every other client a slot of its own in which to come back.
 *
 * Two counters, whose size does not depend on the crowd: a token bucket decides on admission, and pays for refusals out
 * of what flows in. The tail of a virtual queue gives the next slot, which is as long as refusing and admitting one
 * client takes. Slots carry no names, because a client that returns looks like a new one. A client that comes unasked may
 * take the place of one that was given a slot, and the latter then gets a slot at the tail. A slot that is not used goes
 * to the next client that asks.
 */
export class Admission {
  readonly #tokensPerMs: number;
  readonly #burst: number;
  readonly #now: () => number;
  readonly #maxWaitMs: number;
  #tokens: number;
  #filledAt: number;
  /** Tokens that refusals have yet to pay for. */
  #debt = 0;
  /** The end of the last slot. */
  #tail: number;

  /**
   * Starts idle, with the whole burst. Each slot ends at most `maxWaitMs` after it was given. `now` is a clock in
   * milliseconds that never goes back.
   *
   * @throws {@link ConnError} `bad-option`
   */
  constructor(options: AdmissionOptions, maxWaitMs: number = MAX_WAIT_MS, now: () => number = () => performance.now()) {
    checkNames("admission.", ["perSecond", "burst"], options, failOption);
    const { perSecond, burst } = options;
    if (!(Number.isFinite(perSecond) && perSecond > 0))
      throw badOption("admission.perSecond", "a number above 0", perSecond);
    if (!(Number.isFinite(burst) && burst >= 1)) throw badOption("admission.burst", "a number, at least 1", burst);
    this.#tokensPerMs = perSecond / 1_000;
    this.#burst = burst;
    this.#now = now;
    this.#maxWaitMs = Math.floor(Math.min(Math.max(maxWaitMs, 2 * MIN_WAIT_MS), MAX_WAIT_MS));
    this.#tokens = burst;
    this.#filledAt = now();
    this.#tail = this.#filledAt;
  }

  /** Admits the client that asks, with `undefined`, or returns the slot in which the client may come back. */
  ask(): Slot | undefined {
    const now = this.#now();
    this.#fillTokens(now);
    if (this.#tokens >= 1) {
      this.#tokens--;
      return undefined;
    }
    this.#debt = Math.min(this.#debt + REFUSAL_COST, this.#tokensPerMs * MAX_DEBT_MS);
    return this.#reserveSlot(now);
  }

  /** Adds the tokens earned since the last call, less what refusals cost. */
  #fillTokens(now: number): void {
    const earned = (now - this.#filledAt) * this.#tokensPerMs;
    const paid = Math.min(this.#debt, earned * MAX_REFUSAL_SHARE);
    this.#filledAt = now;
    this.#debt -= paid;
    this.#tokens = Math.min(this.#burst, this.#tokens + earned - paid);
  }

  #reserveSlot(now: number): Slot {
    const refusalMs = REFUSAL_COST / this.#tokensPerMs;
    const waitMs = Math.max(this.#tail, now + MIN_WAIT_MS, now + this.#msToNextToken()) - now;
    const maxMs = this.#maxWaitMs;
    // All slots in reach are taken, so the other clients share a wide range instead of one moment.
    if (waitMs + 1 + refusalMs > maxMs) return { minMs: Math.floor(maxMs / 2), maxMs };
    this.#tail = now + waitMs + (1 + REFUSAL_COST) / this.#tokensPerMs;
    const minMs = Math.ceil(waitMs);
    // The range is as short as a refusal, so that a whole token flows in between two neighbours, wherever in their ranges they come.
    return { minMs, maxMs: Math.max(minMs + 1, Math.floor(waitMs + refusalMs)) };
  }

  /** Returns how long the first client in the queue waits: until refusals are paid for, and a token is there. */
  #msToNextToken(): number {
    return (1 + REFUSAL_COST - this.#tokens + this.#debt) / this.#tokensPerMs;
  }
}
