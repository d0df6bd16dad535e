import { type Deferred, deferred } from "../base/deferred.ts";
import { ConnError } from "../base/errors.ts";
import { Timer } from "../base/timer.ts";

/** How far the request of a call has come. */
export type CallProgress =
  /** The Conn has it, and no connection took it yet. */
  | "waiting"
  /** A connection took it. */
  | "written"
  /** The other end acknowledged it (resume). */
  | "delivered"
  /** The promise is settled. */
  | "settled";

/** A call as its caller asked for it. */
export interface CallRequest {
  readonly method: string;
  readonly params: object | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** Whether the method may run twice. */
  readonly retry: boolean;
}

/** One call, from the caller's line until its promise settles. */
export class PendingCall {
  readonly request: CallRequest;
  /** The identifier of the latest try. */
  id = 0;
  progress: CallProgress = "waiting";
  /** Whether a connection took the request in this try or an earlier one. */
  wasWritten = false;
  readonly #deferred: Deferred<unknown> = deferred();
  readonly #timer = new Timer();
  /** The deadline by the clock of `performance`; needed only for another try. */
  readonly #expiresAt: number;

  /** @param onTimeout called when the deadline has passed */
  constructor(request: CallRequest, onTimeout: () => void) {
    this.request = request;
    this.#expiresAt = request.retry ? performance.now() + request.timeoutMs : 0;
    this.#timer.start(request.timeoutMs, onTimeout);
  }

  get promise(): Promise<unknown> {
    return this.#deferred.promise;
  }

  /** Whether a connection took the request of this try, and no answer has come. */
  get isInFlight(): boolean {
    return this.progress === "written" || this.progress === "delivered";
  }

  /** Milliseconds until the deadline, at least 1. */
  get remainingMs(): number {
    return this.request.retry ? Math.max(1, this.#expiresAt - performance.now()) : this.request.timeoutMs;
  }

  resolve(result: unknown): void {
    this.#settle();
    this.#deferred.resolve(result);
  }

  reject(error: Error): void {
    this.#settle();
    this.#deferred.reject(error);
  }

  /** Rejects because no answer can come: with `interrupted` if the other end may have run the method, else with `error`. */
  rejectUnanswered(error: Error): void {
    if (!this.wasWritten) return this.reject(error);
    const message = `The connection ended before ${this.request.method} was answered: it may have run. Set retry where that does no harm.`;
    this.reject(new ConnError("interrupted", message, { cause: error }));
  }

  #settle(): void {
    this.progress = "settled";
    this.#timer.stop();
  }
}
