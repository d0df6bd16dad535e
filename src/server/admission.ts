import { ConnError } from "../base/errors.ts";

/** How many connections a server takes on. */
export interface AdmissionOptions {
  /** Connections a second, what it costs to refuse the others included. Above 0. */
  readonly perSecond: number;
  /** Connections that may come at once after a time of quiet. At least 1. */
  readonly burst: number;
}

/** When a client that was not admitted is to come back, in whole milliseconds from now: uniformly within the window. */
export interface Slot {
  readonly minMs: number;
  readonly maxMs: number;
}

/** What it takes to refuse, where to admit takes 1. */
export const REFUSAL_COST = 0.05;
/** Nobody is sent away for longer: our own client would not obey either. */
export const MAX_WAIT_MS = 600_000;
/** Our client waits no less after a connection that was not stable, so an earlier slot would be missed. */
const MIN_WAIT_MS = 250;
/** Refusals take no more of the rate, or a client that hammers would keep everybody out. */
const MAX_REFUSAL_SHARE = 0.9;
/** What refusals could not be paid for in this time is forgotten. */
const MAX_DEBT_S = 1;

/**
 * Admits up to a rate, and gives everybody else a slot of their own in which to come back, one after the other.
 *
 * Two accounts, neither of which grows with the crowd. A token bucket says who is admitted; refusals are paid for from
 * what flows into it. The tail of a virtual queue says which slot is the next; a slot is as long as it takes to refuse and
 * admit one client. A slot is a promise in numbers, not in names: a client that returns looks like one that is new. Who
 * comes unasked may take the place of one who was told to come, and he gets a slot at the tail. The slot of one who never
 * comes goes to whoever asks next.
 */
export class Admission {
  readonly #perMs: number;
  readonly #burst: number;
  readonly #now: () => number;
  #tokens: number;
  #debt = 0;
  #filledAt: number;
  #tail: number;

  /**
   * Starts idle, with the whole burst. `now` is a clock in milliseconds that never goes back.
   *
   * @throws {@link ConnError} `bad-option`
   */
  constructor({ perSecond, burst }: AdmissionOptions, now: () => number = () => performance.now()) {
    if (!(Number.isFinite(perSecond) && perSecond > 0)) throw badOption("perSecond", "a number above 0", perSecond);
    if (!(Number.isFinite(burst) && burst >= 1)) throw badOption("burst", "a number, at least 1", burst);
    this.#perMs = perSecond / 1_000;
    this.#burst = burst;
    this.#now = now;
    this.#tokens = burst;
    this.#filledAt = now();
    this.#tail = this.#filledAt;
  }

  /** Admits the client that asks, with `undefined`, or says when it is to come back. */
  ask(): Slot | undefined {
    const now = this.#now();
    this.#fill(now);
    if (this.#tokens >= 1) {
      this.#tokens--;
      return undefined;
    }
    this.#debt = Math.min(this.#debt + REFUSAL_COST, this.#perMs * MAX_DEBT_S * 1_000);
    return this.#reserve(now);
  }

  #fill(now: number): void {
    const earned = (now - this.#filledAt) * this.#perMs;
    const paid = Math.min(this.#debt, earned * MAX_REFUSAL_SHARE);
    this.#filledAt = now;
    this.#debt -= paid;
    this.#tokens = Math.min(this.#burst, this.#tokens + earned - paid);
  }

  #reserve(now: number): Slot {
    // A queue that is empty begins when there is a token, which at a low rate takes longer.
    const tokenMs = (1 + REFUSAL_COST - this.#tokens + this.#debt) / this.#perMs;
    const slot = Math.max(this.#tail, now + MIN_WAIT_MS, now + tokenMs);
    const waitMs = slot - now;
    // No slot is left within reach. Whoever is told the same moment would come as a wave.
    if (waitMs + 1 + REFUSAL_COST / this.#perMs > MAX_WAIT_MS) return { minMs: MAX_WAIT_MS / 2, maxMs: MAX_WAIT_MS };
    this.#tail = slot + (1 + REFUSAL_COST) / this.#perMs;
    const minMs = Math.ceil(waitMs);
    // Wherever in their windows two neighbours come, the second finds that a whole token has come in since the first.
    return { minMs, maxMs: Math.max(minMs + 1, Math.floor(waitMs + REFUSAL_COST / this.#perMs)) };
  }
}

function badOption(name: string, range: string, value: unknown): ConnError {
  const got = typeof value === "object" ? "an object" : String(value);
  return new ConnError("bad-option", `admission.${name} must be ${range}; got ${got}.`);
}
