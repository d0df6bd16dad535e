import { noop } from "../base/deferred.ts";
import { type ConnError, createRefusal } from "../base/errors.ts";

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
  /** The deadline by the clock of `performance`. */
  readonly deadline: number;
  readonly promise: Promise<unknown>;
  #resolve!: (result: unknown) => void;
  #reject!: (error: Error) => void;

  constructor(request: CallRequest) {
    this.request = request;
    this.deadline = performance.now() + request.timeoutMs;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Whether a connection took the request of this try, and no answer has come. */
  get isInFlight(): boolean {
    return this.progress === "written" || this.progress === "delivered";
  }

  resolve(result: unknown): void {
    this.progress = "settled";
    this.#resolve(result);
  }

  reject(error: Error): void {
    this.progress = "settled";
    // Never unhandled, because the other end decides about it. Only here, because each catch() makes a promise.
    this.promise.catch(noop);
    this.#reject(error);
  }

  /** Rejects because no answer can come: with `interrupted` if the other end may have run the method, else with `cause`. */
  rejectUnanswered(cause?: ConnError): void {
    if (cause && !this.wasWritten) return this.reject(cause);
    const message = `The connection ended before the answer to ${this.request.method}, which may have run: see retry.`;
    // Without a stack, because a drop interrupts every call at once.
    this.reject(createRefusal("interrupted", { cause }, message));
  }
}
