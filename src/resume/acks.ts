import type { Payload } from "../payload.ts";
import { Timer } from "../timer.ts";
import { type Flow, type Kept, weigh } from "./flow.ts";

/** How many messages, and how many bytes, the application has not taken in. */
export interface Untaken {
  readonly messages: number;
  readonly bytes: number;
}

export interface AcksOwner {
  untaken(): Untaken;
  /** It is time to acknowledge. */
  due(): void;
}

/** What was taken in is acknowledged at the latest after so many messages, such a part of the window, such a time. */
const MAX_MESSAGES = 128;
const MAX_PART = 1 / 4;
const MAX_MS = 2_000;
const NOTHING: Untaken = { messages: 0, bytes: 0 };

/**
 * When what comes in is acknowledged, and up to where: what was received, or what the application has taken in. While
 * the application can't follow it is always the latter, so that the peer's window holds the peer back.
 */
export class Acks {
  readonly #owner: AcksOwner;
  readonly #countsTaken: boolean;
  readonly #timer = new Timer();
  #flow: Flow<Kept> | undefined;
  /** Weight of what came since the last acknowledgement. */
  #weight = 0;
  #isTiming = false;
  #isHeld = false;

  constructor(owner: AcksOwner, countsTaken: boolean) {
    this.#owner = owner;
    this.#countsTaken = countsTaken;
  }

  start(flow: Flow<Kept>): void {
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
    this.#flow.rx++;
    this.#weight += weigh(payload);
    // What waits for the application is known when it waits there: see took().
    if (!this.#countsTaken && !this.#isHeld) this.#look();
  }

  /** The application may have taken messages in. */
  took(): void {
    if (this.#countsTaken || this.#isHeld) this.#look();
  }

  /** The application can't follow, or can again. */
  hold(on: boolean): void {
    if (on === this.#isHeld) return;
    this.#isHeld = on;
    // The peer may stand still for it.
    if (!on) this.#owner.due();
  }

  /** The count to state now. */
  state(): number {
    const flow = this.#flow as Flow<Kept>;
    this.#timer.stop();
    this.#isTiming = false;
    this.#weight = this.#untaken().bytes;
    flow.stated = this.#reached(flow);
    return flow.stated;
  }

  #look(): void {
    const flow = this.#flow;
    const owed = flow ? this.#reached(flow) - flow.stated : 0;
    if (!flow || owed <= 0) return;
    if (owed >= MAX_MESSAGES || this.#weight - this.#untaken().bytes >= flow.window * MAX_PART) this.#owner.due();
    else if (!this.#isTiming) {
      this.#isTiming = true;
      this.#timer.start(MAX_MS, () => this.#owner.due(), true);
    }
  }

  #reached({ rx, stated }: Flow<Kept>): number {
    return Math.max(stated, rx - this.#untaken().messages);
  }

  #untaken(): Untaken {
    return this.#countsTaken || this.#isHeld ? this.#owner.untaken() : NOTHING;
  }
}
