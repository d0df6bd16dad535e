import { ConnError } from "../base/errors.ts";
import type { SendOptions } from "../base/send-options.ts";
import { Batch } from "./batch.ts";
import { type AnswerFrame, type ErrorObject, errorFrame, isErrorObject, type RequestId, VERSION } from "./frames.ts";
import type { IncomingRequest } from "./incoming-request.ts";
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
  /** Called when a handler has failed, or its answer can't be sent. */
  onError(error: unknown, method?: string): void;
  /** Called when a place has become free. */
  onRoom(): void;
}

/** No text of the error leaves the process, because it may hold secrets. */
const HANDLER_FAILED: ErrorObject = { code: INTERNAL_ERROR, message: "The handler failed." };
const REQUEST_CANCELLED: ErrorObject = { code: CANCELLED, message: "The request was cancelled." };
const NOT_SENDABLE: ErrorObject = { code: INTERNAL_ERROR, message: "The result can't be sent." };
const NOT_VALID: ErrorObject = { code: INVALID_REQUEST, message: "The request is not valid." };
const TOO_MANY: ErrorObject = { code: BUSY, message: "Too many requests wait." };
/** A peer that floods and does not read must not fill our outbox with refusals. */
const IF_WRITABLE: SendOptions = { volatile: true };

/** The answering half of a peer: runs handlers within bounds, and sends each answer to where its request came from. */
export class Responder {
  readonly #owner: ResponderOwner;
  readonly #maxHandlers: number;
  readonly #maxBatched: number;
  readonly #waiting: RequestQueue;
  /** Requests that wait or whose handlers have not settled. By identifier, or by itself where that is missing or taken. */
  readonly #unanswered = new Map<unknown, IncomingRequest>();
  /** Requests of all batches that are not answered. Bounded, because a batch holds its answers until the last one is there. */
  #batched = 0;
  /** Places that are taken. An answer keeps its place until it is written, so that a peer that does not read is not served. */
  #running = 0;
  #isStarting = false;
  #session = this.#openSession();
  /** Whether the answer that is being sent was written at once: `onOutcome` sets it within `send()`. */
  #isWritten = false;

  constructor(owner: ResponderOwner, { maxHandlers, maxWaiting, maxWaitingBytes }: ResponderBounds) {
    this.#owner = owner;
    this.#maxHandlers = maxHandlers;
    this.#maxBatched = maxHandlers + maxWaiting;
    this.#waiting = new RequestQueue(maxWaiting, maxWaitingBytes);
  }

  /** Whether a further request could neither run nor wait. */
  get isFull(): boolean {
    return this.#waiting.isFull && !this.#hasPlace;
  }

  /** Runs a request or a notification, queues it, or answers that there is no room. */
  take(request: IncomingRequest): void {
    const { batch, frame, places } = request;
    const isRefused = batch?.isRefused;
    if (!isRefused && (places === 0 || (this.#hasPlace && this.#waiting.length === 0))) this.#start(request);
    else if (!isRefused && !this.isFull) {
      this.#keep(request);
      this.#waiting.push(request);
    } else if (frame.id !== undefined) this.#refuse(frame.id, TOO_MANY, batch);
  }

  /** Begins a batch with so many requests that are answered. */
  openBatch(requests: number): Batch {
    this.#batched += requests;
    return new Batch(requests, this.#batched > this.#maxBatched);
  }

  /** Answers what is no valid request, whose identifier can't be trusted. */
  refuseInvalid(batch?: Batch): void {
    this.#refuse(null, NOT_VALID, batch);
  }

  /** Aborts the handler of the request that has this identifier, if it is still there. */
  cancel(id: unknown): void {
    this.#unanswered.get(id)?.cancel(new ConnError("aborted", "The caller cancelled the request."));
  }

  /** Called when answers can't reach their callers any more: forgets all requests, and aborts their handlers. */
  endSession(): void {
    this.#waiting.clear();
    const reason = new ConnError("interrupted", "The connection of the request has ended.");
    for (const request of this.#unanswered.values()) {
      request.isOrphaned = true;
      request.cancel(reason);
    }
    this.#unanswered.clear();
    this.#batched = 0;
    // Takes back answers that wait to be written: the next connection may lead to another process.
    this.#session.controller.abort(reason);
    this.#session = this.#openSession();
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
    this.#keep(request);
    Promise.resolve(result).then(
      (value) => this.#succeed(request, value),
      (error) => this.#fail(request, error),
    );
  }

  #succeed(request: IncomingRequest, result: unknown): void {
    const { id = null } = request.frame;
    // JSON has no undefined.
    this.#answer(request, { jsonrpc: VERSION, id, result: result ?? null });
  }

  #fail(request: IncomingRequest, error: unknown): void {
    const { id = null, method } = request.frame;
    const reason = isRpcError(error) ? error : request.cancelledBy ? REQUEST_CANCELLED : HANDLER_FAILED;
    if (reason === HANDLER_FAILED) this.#owner.onError(error, method);
    this.#answer(request, errorFrame(id, reason));
  }

  /** Answers with an error at once, and takes no place for it. */
  #refuse(id: RequestId, reason: ErrorObject, batch: Batch | undefined): void {
    const message = this.#complete(errorFrame(id, reason), batch);
    if (message) this.#send(message, IF_WRITABLE);
  }

  /** Remembers the request, so that it can be cancelled. A second one with the same identifier can't be. */
  #keep(request: IncomingRequest): void {
    const { id } = request.frame;
    request.key ??= this.#unanswered.has(id) ? request : (id ?? request);
    this.#unanswered.set(request.key, request);
  }

  #answer(request: IncomingRequest, answer: AnswerFrame): void {
    const { batch, frame, isOrphaned, key, places } = request;
    this.#unanswered.delete(key);
    const message = frame.id === undefined || isOrphaned ? undefined : this.#complete(answer, batch);
    // An answer that was written at once frees its place now, without a look at its promise.
    const sent = message && this.#send(message, this.#session.options, frame.method);
    if (!sent || this.#isWritten) return this.#release(places);
    const release = () => this.#release(places);
    sent.then(release, (error: ConnError) => {
      // Not the other errors, because they mean that no caller waits for the answer any more.
      if (error.code === "outbox-full") this.#owner.onError(error, frame.method);
      release();
    });
  }

  /** Returns the message that `answer` completes: nothing while answers of its batch are missing. */
  #complete(answer: AnswerFrame, batch: Batch | undefined): AnswerFrame | AnswerFrame[] | undefined {
    if (!batch) return answer;
    const all = batch.add(answer);
    this.#batched -= all?.length ?? 0;
    return all;
  }

  #release(places: number): void {
    this.#running -= places;
    if (places > 0) this.startWaiting();
  }

  /** Creates the send options of a session's answers. The controller is aborted when they can't reach their callers. */
  #openSession(): { readonly controller: AbortController; readonly options: SendOptions } {
    const controller = new AbortController();
    const onOutcome = () => {
      this.#isWritten = true;
    };
    return { controller, options: { signal: controller.signal, onOutcome } };
  }

  /** Sends answers, or errors in their place where the codec can't. */
  #send(message: AnswerFrame | AnswerFrame[], options: SendOptions, method?: string): Promise<void> | undefined {
    this.#isWritten = false;
    try {
      return this.#owner.conn.send(message, options);
    } catch (error) {
      this.#owner.onError(error, method);
    }
    const failed = ({ id }: AnswerFrame) => errorFrame(id, NOT_SENDABLE);
    try {
      return this.#owner.conn.send(Array.isArray(message) ? message.map(failed) : failed(message), options);
    } catch {
      // The identifier may be of a type that the codec reads and can't write.
      return undefined;
    }
  }
}

/** Whether `error` is an RpcError, of this copy of the package or of another one. */
function isRpcError(error: unknown): error is RpcError {
  return error instanceof Error && error.name === "RpcError" && isErrorObject(error);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}
