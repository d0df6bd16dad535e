import { ConnError, onAbort } from "../base/errors.ts";
import type { SendOptions, SendOutcome } from "../base/send-options.ts";
import { DeadlineTimer } from "./deadline-timer.ts";
import { type AnswerFrame, CANCEL, isErrorObject, requestFrame } from "./frames.ts";
import { type CallProgress, type CallRequest, PendingCall } from "./pending-call.ts";
import type { RpcConn } from "./rpc-conn.ts";
import { RpcError } from "./rpc-error.ts";

/** The part of a peer that its caller needs. */
export interface CallerOwner {
  readonly conn: RpcConn;
  /** Called when a call begins, and when the last one has settled. */
  onCallsChange(): void;
  /** Called when a cancellation can't be sent. */
  onError(error: unknown, method: string): void;
}

/** Identifiers start at a random number of so many bits. */
const START_RANGE = 2 ** 48;

/** The calling half of a peer: numbers requests, matches answers, and settles each call exactly once. */
export class Caller {
  readonly #owner: CallerOwner;
  readonly #maxCalls: number;
  readonly #pending = new Map<number, PendingCall>();
  // Random, because a late answer to an earlier peer of the same session must not fit a request of this one.
  #lastId = Math.floor(Math.random() * START_RANGE);
  readonly #deadlines = new DeadlineTimer(() => this.#expire());
  /** The reason why no further call is sent. */
  #refusal: ConnError | undefined;

  constructor(owner: CallerOwner, maxCalls: number) {
    this.#owner = owner;
    this.#maxCalls = maxCalls;
  }

  /** Calls that are pending. */
  get size(): number {
    return this.#pending.size;
  }

  /** Sends a request; the promise settles as `Peer.call` says. @throws ConnError as `conn.send()` */
  call(request: CallRequest): Promise<unknown> {
    const call = new PendingCall(request);
    let refusal = this.#refusal;
    if (this.#pending.size >= this.#maxCalls) {
      refusal = new ConnError("unavailable", `${this.#maxCalls} calls are pending: await some, or raise maxCalls.`);
    }
    if (refusal) call.reject(refusal);
    else onAbort(request.signal, call.promise, (error) => this.#giveUp(call, error));
    if (call.progress === "waiting") {
      this.#send(call);
      this.#owner.onCallsChange();
    }
    return call.promise;
  }

  /** Settles the call that `answer` belongs to. Ignores answers without a call, which are late or forged. */
  settle({ id, result, error }: AnswerFrame): void {
    // A codec that reads 64-bit integers as bigint gives our identifiers back as such.
    const call = this.#pending.get(typeof id === "bigint" ? Number(id) : (id as number));
    if (!call) return;
    if (error === undefined || error === null) call.resolve(result);
    else if (isErrorObject(error)) call.reject(new RpcError(error.code, error.message, error.data));
    else call.reject(new ConnError("unmarshal", `The answer to ${call.request.method} has a malformed error.`));
    this.#forget(call);
  }

  /** Called when calls of this progress can't be answered any more: sends each again, or rejects. */
  interrupt(...progress: readonly CallProgress[]): void {
    this.#forEach((call) => {
      if (progress.includes(call.progress)) this.#repeat(call);
    });
  }

  /** Called when the Conn has ended. */
  end(): void {
    this.#forEach((call) => {
      call.rejectUnanswered(new ConnError("closed"));
      this.#forget(call);
    });
  }

  /** Gives up all calls, as if each had been aborted with `error`, which later calls reject with too. */
  detach(error: ConnError): void {
    this.#refusal = error;
    this.#forEach((call) => this.#giveUp(call, error));
  }

  /** Sends the request of `call`, or rejects and throws. */
  #send(call: PendingCall): void {
    const { method, params, signal, timeoutMs } = call.request;
    const id = ++this.#lastId;
    call.id = id;
    call.progress = "waiting";
    this.#pending.set(id, call);
    this.#deadlines.watch(call.deadline);
    const options: SendOptions = {
      // On another try only the rest of the time is left.
      ttlMs: call.wasWritten ? Math.max(1, call.deadline - performance.now()) : timeoutMs,
      signal,
      onOutcome: (outcome, error) => this.#onOutcome(call, id, outcome, error),
    };
    try {
      // The rejection says the same as the outcome.
      this.#owner.conn.send(requestFrame(method, params, id), options);
    } catch (error) {
      call.rejectUnanswered(error as ConnError);
      this.#forget(call);
      throw error;
    }
  }

  #onOutcome(call: PendingCall, id: number, outcome: SendOutcome, error: ConnError | undefined): void {
    // An outcome of an earlier try says nothing of this one.
    if (call.id !== id) return;
    if (call.progress === "settled") {
      // The caller gave up in the moment in which the request was written.
      if (outcome === "written") this.#cancel(id);
      return;
    }
    if (outcome === "written") {
      call.progress = "written";
      call.wasWritten = true;
    } else if (outcome === "acknowledged") call.progress = "delivered";
    else if (outcome === "in-doubt") this.#repeat(call);
    else {
      if (error?.code === "expired") call.reject(timedOut(call.request));
      else call.rejectUnanswered(error);
      this.#forget(call);
    }
  }

  /** Sends the request of `call` once more where its method may run twice, otherwise rejects. */
  #repeat(call: PendingCall): void {
    if (!call.request.retry) {
      call.rejectUnanswered();
      return this.#forget(call);
    }
    this.#pending.delete(call.id);
    try {
      this.#send(call);
    } catch {
      // The call has rejected, and the caller's line is long past.
    }
  }

  /** Rejects the call, and withdraws its request, or asks the other end to cancel it. */
  #giveUp(call: PendingCall, error: ConnError): void {
    if (call.progress === "settled") return;
    const { id, isInFlight } = call;
    call.reject(error);
    if (isInFlight) this.#cancel(id);
    this.#forget(call);
  }

  /** Gives up the calls whose time is over, and returns the next deadline. */
  #expire(): number {
    const now = performance.now();
    let next = Number.POSITIVE_INFINITY;
    this.#forEach((call) => {
      if (call.deadline > now) next = Math.min(next, call.deadline);
      else this.#giveUp(call, timedOut(call.request));
    });
    return next;
  }

  #cancel(id: number): void {
    try {
      this.#owner.conn.send(requestFrame(CANCEL, { id }));
    } catch (error) {
      // A codec that validates may refuse this message. Not thrown, because no caller is on the stack.
      this.#owner.onError(error, CANCEL);
    }
  }

  #forEach(act: (call: PendingCall) => void): void {
    // A copy is walked, because a request that is sent again is pending under another identifier.
    for (const call of [...this.#pending.values()]) act(call);
  }

  /** Lets go of a call that has settled. */
  #forget(call: PendingCall): void {
    this.#pending.delete(call.id);
    if (this.#pending.size > 0) return;
    this.#deadlines.stop();
    this.#owner.onCallsChange();
  }
}

function timedOut({ method, timeoutMs }: CallRequest): ConnError {
  return new ConnError("timeout", `${method} was not answered within ${timeoutMs} ms.`);
}
