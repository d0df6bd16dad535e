import { Timer } from "../../base/timer.ts";

/** Probes in a row that did not arrive, after which the connection is replaced. */
const MAX_SILENCES = 2;

export interface ProbeOwner {
  /** Messages that the feed received so far. */
  readonly received: number;
  /** Whether there is anything to receive. */
  readonly isNeeded: boolean;
  /** Publishes to this node through Redis. Rejects when Redis can't be reached. */
  publish(): Promise<unknown>;
  /** Called when probes were published, and none came back. */
  onSilence(): void;
}

/**
 * Finds a feed that receives nothing any more although its connection stands, as after a failover: publishes a message to
 * a feed that is quiet, as other nodes do, and checks that the message arrives.
 */
export class Probe {
  readonly #owner: ProbeOwner;
  readonly #intervalMs: number;
  readonly #timer = new Timer();
  #received = 0;
  /** Whether a probe was published and nothing has arrived since. */
  #isAsked = false;
  /** Whether a probe is being published, which may wait for a connection. Then no further probe is. */
  #isPending = false;
  #silences = 0;

  constructor(owner: ProbeOwner, intervalMs: number) {
    this.#owner = owner;
    this.#intervalMs = intervalMs;
  }

  start(): void {
    this.#forget();
    this.#next();
  }

  stop(): void {
    this.#timer.stop();
  }

  #next(): void {
    this.#timer.start(this.#intervalMs, () => this.#check(), true);
  }

  #check(): void {
    const isQuiet = this.#owner.isNeeded && this.#owner.received === this.#received;
    if (isQuiet && this.#isAsked && ++this.#silences >= MAX_SILENCES) {
      this.#forget();
      this.#owner.onSilence();
    } else if (isQuiet) {
      if (!this.#isPending) this.#ask();
    } else {
      this.#forget();
    }
    this.#next();
  }

  #forget(): void {
    this.#received = this.#owner.received;
    this.#isAsked = false;
    this.#silences = 0;
  }

  #ask(): void {
    this.#isAsked = false;
    this.#isPending = true;
    const settle = (isPublished: boolean) => {
      this.#isPending = false;
      // Without commands nothing is known of the feed.
      this.#isAsked = isPublished;
    };
    this.#owner.publish().then(
      () => settle(true),
      () => settle(false),
    );
  }
}
