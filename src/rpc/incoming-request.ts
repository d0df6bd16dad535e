import type { ConnError } from "../base/errors.ts";
import type { Batch } from "./batch.ts";
import type { RequestFrame } from "./frames.ts";

/** The request as its handler sees it, besides its parameters. */
export interface HandlerContext {
  /** Aborted when the caller cancels, or when no answer can reach the caller any more. */
  readonly signal: AbortSignal;
}

/** One request or notification, from its arrival until its handler is done. */
export class IncomingRequest implements HandlerContext {
  readonly frame: RequestFrame;
  readonly batch: Batch | undefined;
  /** The places for handlers that it takes: 1, or 0 for a method of a layer. */
  readonly places: number;
  /** The name under which its responder keeps it, while it waits or runs. */
  key: unknown;
  /** Why its answer is not wanted any more. */
  cancelledBy: ConnError | undefined;
  /** Whether an answer can't reach the caller. */
  isOrphaned = false;
  #controller: AbortController | undefined;

  constructor(frame: RequestFrame, batch: Batch | undefined, places: number) {
    this.frame = frame;
    this.batch = batch;
    this.places = places;
  }

  /** Made on demand, because most handlers do not look at it. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.cancelledBy) this.#controller.abort(this.cancelledBy);
    return this.#controller.signal;
  }

  cancel(reason: ConnError): void {
    this.cancelledBy ??= reason;
    this.#controller?.abort(this.cancelledBy);
  }
}
