import type { Payload } from "../base/payload.ts";
import { Timer } from "../base/timer.ts";
import { type DeliveryState, windowCost } from "./protocol/delivery-state.ts";

/** How many messages, and how many bytes, the application has not taken in. */
export interface Unconsumed {
  readonly messages: number;
  readonly bytes: number;
}

export interface AckSchedulerOwner {
  unconsumed(): Unconsumed;
  /** It is time to acknowledge. */
  onAckDue(): void;
}

/** What was taken in is acknowledged at the latest after so many messages, such a part of the window, such a time. */
const MAX_MESSAGES = 128;
const MAX_WINDOW_SHARE = 1 / 4;
const MAX_MS = 2_000;
const NOTHING: Unconsumed = { messages: 0, bytes: 0 };

/**
 * When what comes in is acknowledged, and up to where: what was received, or what the application has taken in. While
 * the application can't follow it is always the latter, so that the peer's window holds the peer back.
 */
export class AckScheduler {
  readonly #owner: AckSchedulerOwner;
  readonly #countsConsumed: boolean;
  readonly #timer = new Timer();
  #flow: DeliveryState | undefined;
  /** Weight of what came since the last acknowledgement. */
  #weight = 0;
  #isTiming = false;
  #isPaused = false;

  constructor(owner: AckSchedulerOwner, countsTaken: boolean) {
    this.#owner = owner;
    this.#countsConsumed = countsTaken;
  }

  start(flow: DeliveryState): void {
    this.stop();
    this.#flow = flow;
    this.#weight = 0;
  }

  stop(): void {
    this.#timer.stop();
    this.#isTiming = false;
    this.#flow = undefined;
  }

  count(payload: Payload): void {
    if (!this.#flow) return;
    this.#flow.received++;
    this.#weight += windowCost(payload);
    // What waits for the application is known when it waits there: see took().
    if (!this.#countsConsumed && !this.#isPaused) this.#schedule();
  }

  /** The application may have taken messages in. */
  onConsumed(): void {
    if (this.#countsConsumed || this.#isPaused) this.#schedule();
  }

  /** The application can't follow, or can again. */
  setPaused(on: boolean): void {
    if (on === this.#isPaused) return;
    this.#isPaused = on;
    // The peer may stand still for it.
    if (!on) this.#owner.onAckDue();
  }

  /** The count to state now. */
  takeCount(): number {
    const flow = this.#flow as DeliveryState;
    this.#timer.stop();
    this.#isTiming = false;
    this.#weight = this.#unconsumed().bytes;
    flow.ackSent = this.#ackableCount(flow);
    return flow.ackSent;
  }

  #schedule(): void {
    const flow = this.#flow;
    const owed = flow ? this.#ackableCount(flow) - flow.ackSent : 0;
    if (!flow || owed <= 0) return;
    if (owed >= MAX_MESSAGES || this.#weight - this.#unconsumed().bytes >= flow.window * MAX_WINDOW_SHARE)
      this.#owner.onAckDue();
    else if (!this.#isTiming) {
      this.#isTiming = true;
      this.#timer.start(MAX_MS, () => this.#owner.onAckDue(), true);
    }
  }

  #ackableCount({ received, ackSent }: DeliveryState): number {
    return Math.max(ackSent, received - this.#unconsumed().messages);
  }

  #unconsumed(): Unconsumed {
    return this.#countsConsumed || this.#isPaused ? this.#owner.unconsumed() : NOTHING;
  }
}
