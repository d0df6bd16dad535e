import type { Payload } from "../base/payload.ts";
import { Timer } from "../base/timer.ts";
import type { Counts } from "./protocol/control.ts";
import { count, type DeliveryState, noteAckSent } from "./protocol/delivery-state.ts";

/**
 * An acknowledgement is due after this many messages, this part of the window, or this time, whichever comes first. One
 * read brings about this many small messages; fewer would cost more, because each acknowledgement is a write, which took
 * a fifth of a receiver's time at 128 messages (`npm run bench -- --only resume-up`).
 */
const MAX_MESSAGES = 1_024;
const MAX_WINDOW_SHARE = 1 / 4;
const MAX_MS = 2_000;

/**
 * The receiving half of an endpoint: counts incoming messages, and decides when they are acknowledged, and up to which. By
 * option these are all received messages, or only those that the application has consumed; while the application can't
 * follow always only the consumed ones, so that the window holds the peer back.
 */
export class AckScheduler {
  readonly #inbox: { readonly length: number };
  readonly #onDue: (type: "a" | "q") => void;
  readonly #acksConsumed: boolean;
  readonly #timer = new Timer();
  #delivery: DeliveryState | undefined;
  /** The acknowledgement that is due at the end of this turn. */
  #due: "a" | "q" | undefined;
  #isTiming = false;
  #isPaused = false;

  /**
   * @param inbox messages that the application has not consumed yet
   * @param acksConsumed whether consumed messages are acknowledged, rather than received ones
   * @param onDue called when it is time to acknowledge; a pong acknowledges too
   */
  constructor(inbox: { readonly length: number }, acksConsumed: boolean, onDue: (type: "a" | "q") => void) {
    this.#inbox = inbox;
    this.#onDue = onDue;
    this.#acksConsumed = acksConsumed;
  }

  start(delivery: DeliveryState): void {
    this.stop();
    this.#delivery = delivery;
  }

  stop(): void {
    this.#timer.stop();
    this.#isTiming = false;
    this.#delivery = undefined;
  }

  /** Counts an incoming message. Returns false where the peer went beyond its window. */
  receive(payload: Payload): boolean {
    if (!this.#delivery || !count(this.#delivery, payload)) return false;
    // When only consumed messages are acknowledged, `onConsumed()` decides instead.
    if (!this.#acksConsumed && !this.#isPaused) this.#schedule();
    return true;
  }

  /** Called when the application may have consumed messages. */
  onConsumed(): void {
    if (this.#acksConsumed || this.#isPaused) this.#schedule();
  }

  /** Called when the application can't follow, or can again. */
  setPaused(on: boolean): void {
    if (on === this.#isPaused) return;
    this.#isPaused = on;
    // At once, because the peer may have stopped at its window.
    if (!on) this.acknowledgeSoon("a");
  }

  /** Acknowledges once at the end of the turn, so that a peer which asks and does not read can't pile up answers. */
  acknowledgeSoon(type: "a" | "q"): void {
    const before = this.#due;
    if (before !== "q") this.#due = type;
    // Bound, because V8 makes a scope at each call of a function that has a closure. Half of what small messages left to be
    // collected were such scopes (Node 20, HeapProfiler.startSampling).
    if (!before) queueMicrotask(this.#sendDue.bind(this));
  }

  /** Returns the count to acknowledge now, and takes it for sent. */
  takeCount(delivery: DeliveryState): number {
    this.#timer.stop();
    this.#isTiming = false;
    noteAckSent(delivery, this.#ackableCount(delivery, this.#acksConsumed || this.#isPaused));
    return delivery.ackSent;
  }

  /** Returns the final counts of a session that ends, and takes them for sent. */
  takeFinalCounts(delivery: DeliveryState): Counts {
    noteAckSent(delivery, this.#ackableCount(delivery, this.#acksConsumed));
    return { n: delivery.ackSent, rx: delivery.received };
  }

  #schedule(): void {
    const delivery = this.#delivery;
    const owed = delivery ? this.#ackableCount(delivery, this.#acksConsumed || this.#isPaused) - delivery.ackSent : 0;
    if (!delivery || owed <= 0) return;
    if (owed >= MAX_MESSAGES || costAtLeast(delivery, owed, delivery.window * MAX_WINDOW_SHARE))
      this.acknowledgeSoon("a");
    else if (!this.#isTiming) {
      this.#isTiming = true;
      this.#timer.start(MAX_MS, this.#onDue.bind(undefined, "a"), true);
    }
  }

  #sendDue(): void {
    const due = this.#due as "a" | "q";
    this.#due = undefined;
    this.#onDue(due);
  }

  #ackableCount({ received, ackSent }: DeliveryState, isConsumedOnly: boolean): number {
    return isConsumedOnly ? Math.max(ackSent, received - this.#inbox.length) : received;
  }
}

/** Whether the oldest `messages` that are not acknowledged to the peer cost `limit` at least. */
function costAtLeast({ unackedCost, unackedCosts }: DeliveryState, messages: number, limit: number): boolean {
  // First, because adding up at each message would take longer the more messages there are.
  if (unackedCost < limit || messages === unackedCosts.length) return unackedCost >= limit;
  let cost = 0;
  for (let index = 0; index < messages && cost < limit; index++) cost += unackedCosts[index] as number;
  return cost >= limit;
}
