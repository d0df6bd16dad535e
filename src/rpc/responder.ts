import { ConnError } from "../base/errors.ts";
import type { SendOptions } from "../base/send-options.ts";
import {
  type AnswerFrame,
  type ErrorObject,
  errorFrame,
  isErrorObject,
  type RequestFrame,
  type RequestId,
  VERSION,
} from "./frames.ts";
import { type Batch, IncomingRequest } from "./incoming-request.ts";
import { RequestQueue } from "./request-queue.ts";
import type { RpcConn } from "./rpc-conn.ts";
import { BUSY, CANCELLED, INTERNAL_ERROR, INVALID_REQUEST, type RpcError } from "./rpc-error.ts";

/** Bounds of what one end does for the other at a time. */
export interface ResponderBounds {
  /** Handlers that run at a time. */
  readonly maxHandlers: number;
  /** Requests that wait for a handler to end. */
  readonly maxWaiting: number;
  /** Bytes of the requests that wait. */
  readonly maxWaitingBytes: number;
}

/** The part of a peer that its responder needs. */
export interface ResponderOwner {
  readonly conn: RpcConn;
  /** Calls of this end that are pending. */
  readonly pendingCalls: number;
  /** Runs the method; throws RpcError for one that is unknown or has wrong parameters. */
  invoke(request: IncomingRequest): unknown;
  /** Whether the method belongs to a layer, which has limits of its own. */
  isLayered(method: string): boolean;
  /** Called when a handler has failed, or its answer can't be sent. */
  onError(error: unknown, method?: string): void;
  /** Called when a place has become free. */
  onRoom(): void;
}

/** No text of the error leaves the process, because it may hold secrets. */
const HANDLER_FAILED: ErrorObject = { code: INTERNAL_ERROR, message: "The handler failed." };
const REQUEST_CANCELLED: ErrorObject = { code: CANCELLED, message: "The request was cancelled." };

/** The answering half of a peer: runs handlers within bounds, and sends each answer to where its request came from. */
export class Responder {
  readonly #owner: ResponderOwner;
  readonly #maxHandlers: number;
  readonly #waiting: RequestQueue;
  /** Requests whose handlers have not settled, and which wait for a place. */
  readonly #unanswered = new Set<IncomingRequest>();
  /** Places that are taken: until the answer is written, so that a peer that does not read is not served. */
  #running = 0;
  #isStarting = false;
  /** Aborted when answers to what came so far can't reach their callers. */
  #session = new AbortController();
  /** Options of all answers of a session, made once for it. */
  #options = this.#answerOptions();
  /** Whether the last answer was written at once. */
  #isWritten = false;
  readonly #release = (): void => {
    this.#running--;
    this.startWaiting();
  };

  constructor(owner: ResponderOwner, { maxHandlers, maxWaiting, maxWaitingBytes }: ResponderBounds) {
    this.#owner = owner;
    this.#maxHandlers = maxHandlers;
    this.#waiting = new RequestQueue(maxWaiting, maxWaitingBytes);
  }

  /** Whether no more requests can wait. */
  get isFull(): boolean {
    return this.#waiting.isFull;
  }

  /** Whether requests wait for a place. */
  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** Takes one request or notification in: runs it, lets it wait, or answers that there is no room. */
  take(frame: RequestFrame, batch?: Batch): void {
    const isLayered = this.#owner.isLayered(frame.method);
    const request = new IncomingRequest(frame, batch, isLayered ? 0 : 1);
    if (isLayered || (this.#hasPlace && this.#waiting.length === 0)) this.#start(request);
    else if (!this.isFull) {
      this.#unanswered.add(request);
      this.#waiting.push(request);
    } else if (frame.id !== undefined) this.refuse(frame.id, BUSY, "Too many requests wait.", batch);
  }

  /**
   * Answers with an error at once, and takes no place for it. Volatile, because a peer that floods and does not read
   * must not fill our outbox with refusals.
   */
  refuse(id: RequestId, code: number, message: string, batch?: Batch): void {
    const answer = errorFrame(id, code, message);
    const complete = batch ? batch.add(answer) : answer;
    if (!complete) return;
    try {
      this.#owner.conn.send(complete, { volatile: true });
    } catch (error) {
      // The identifier may be of a type that the codec reads and can't write.
      this.#owner.onError(error);
    }
  }

  refuseInvalid(batch?: Batch): void {
    this.refuse(null, INVALID_REQUEST, "The request is not valid.", batch);
  }

  /** Aborts the handler of the request that has this identifier, if it is still there. */
  cancel(id: unknown): void {
    for (const request of this.#unanswered) {
      if (request.frame.id === id) return request.cancel(new ConnError("aborted", "The caller cancelled the request."));
    }
  }

  /** Answers to what came so far can't reach their callers any more: lets go of it. */
  endSession(): void {
    this.#waiting.clear();
    const reason = new ConnError("interrupted", "The connection on which the request came has ended.");
    for (const request of this.#unanswered) {
      request.isOrphaned = true;
      request.cancel(reason);
    }
    this.#unanswered.clear();
    // Takes back answers that wait to be written: the next connection may lead to another process.
    this.#session.abort(reason);
    this.#session = new AbortController();
    this.#options = this.#answerOptions();
  }

  /**
   * Whether another handler may run. Each pending call of this end adds a place, because a handler may be waiting for it:
   * otherwise two ends whose handlers call each other stand still with all places taken.
   */
  get #hasPlace(): boolean {
    return this.#running < this.#maxHandlers + this.#owner.pendingCalls;
  }

  /** Starts requests that wait, as far as there are places. */
  startWaiting(): void {
    // A handler that returns at once frees its place within this loop.
    if (!this.#isStarting) {
      this.#isStarting = true;
      while (this.#hasPlace) {
        const next = this.#waiting.shift();
        if (!next) break;
        this.#start(next);
      }
      this.#isStarting = false;
    }
    this.#owner.onRoom();
  }

  #start(request: IncomingRequest): void {
    this.#running += request.places;
    if (request.cancelledBy) return this.#fail(request, request.cancelledBy);
    let result: unknown;
    try {
      result = this.#owner.invoke(request);
    } catch (error) {
      return this.#fail(request, error);
    }
    if (!isThenable(result)) return this.#succeed(request, result);
    this.#unanswered.add(request);
    Promise.resolve(result).then(
      (value) => this.#succeed(request, value),
      (error) => this.#fail(request, error),
    );
  }

  #succeed(request: IncomingRequest, result: unknown): void {
    const { id } = request.frame;
    // JSON has no undefined.
    this.#answer(request, id === undefined ? undefined : { jsonrpc: VERSION, id, result: result ?? null });
  }

  #fail(request: IncomingRequest, error: unknown): void {
    const { id, method } = request.frame;
    let { code, message, data }: ErrorObject = HANDLER_FAILED;
    if (isRpcError(error)) ({ code, message, data } = error);
    else if (request.cancelledBy) ({ code, message } = REQUEST_CANCELLED);
    else this.#owner.onError(error, method);
    this.#answer(request, id === undefined ? undefined : errorFrame(id, code, message, data));
  }

  #answer(request: IncomingRequest, answer: AnswerFrame | undefined): void {
    this.#unanswered.delete(request);
    const message = answer && !request.isOrphaned && (request.batch ? request.batch.add(answer) : answer);
    const sent = message && this.#send(message, request.frame.method);
    if (request.places === 0) return;
    if (!sent || this.#isWritten) this.#release();
    else sent.then(this.#release, this.#release);
  }

  #answerOptions(): SendOptions {
    const onOutcome = () => {
      this.#isWritten = true;
    };
    return { signal: this.#session.signal, onOutcome };
  }

  /** Sends answers, or errors in their place where the codec can't. */
  #send(message: AnswerFrame | AnswerFrame[], method: string): Promise<void> | undefined {
    this.#isWritten = false;
    const options = this.#options;
    try {
      return this.#owner.conn.send(message, options);
    } catch (error) {
      this.#owner.onError(error, method);
    }
    const failed = ({ id }: AnswerFrame) => errorFrame(id, INTERNAL_ERROR, "The result can't be sent.");
    try {
      return this.#owner.conn.send(Array.isArray(message) ? message.map(failed) : failed(message), options);
    } catch {
      return undefined;
    }
  }
}

/** Also true for an error of another copy of this package. */
function isRpcError(error: unknown): error is RpcError {
  return error instanceof Error && error.name === "RpcError" && isErrorObject(error);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}
