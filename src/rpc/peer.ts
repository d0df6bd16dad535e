import { Emitter, type ListenOptions, throwAsync } from "../base/emitter.ts";
import { ConnError } from "../base/errors.ts";
import { Timer } from "../base/timer.ts";
import type { Batch } from "./batch.ts";
import { Caller, type CallerOwner } from "./caller.ts";
import type { LayerMethods } from "./contract.ts";
import { type AnswerFrame, CANCEL, type FrameType, frameType, isJsonRpc, type RequestFrame } from "./frames.ts";
import { IncomingRequest } from "./incoming-request.ts";
import type { ResolvedRpcOptions } from "./options.ts";
import { checkParams } from "./params.ts";
import { Responder, type ResponderOwner } from "./responder.ts";
import type { RpcConn } from "./rpc-conn.ts";
import { METHOD_NOT_FOUND, RpcError } from "./rpc-error.ts";

/** Milliseconds without a free place after which a paused peer reads on, because its handlers may wait for a message. */
const STALL_MS = 1_000;

/** Joins the two halves of a peer to its Conn: sorts incoming messages, and stops reading while there is no room. */
export class PeerCore implements CallerOwner, ResponderOwner {
  readonly conn: RpcConn;
  readonly caller: Caller;
  readonly #options: ResolvedRpcOptions;
  readonly #responder: Responder;
  readonly #listeners = new Emitter<{ [method: string]: object | undefined }>();
  readonly #layers = new Map<string, LayerMethods[keyof LayerMethods]>();
  readonly #subscriptions: (() => void)[];
  /** Stops reading; undefined while nothing is read. */
  #pause: (() => void) | undefined;
  readonly #stall = new Timer();
  #isStalled = false;
  /** Whether requests that come now were sent in a session that is over. */
  #isStale = false;
  #hasEnded = false;

  constructor(conn: RpcConn, options: ResolvedRpcOptions) {
    this.conn = conn;
    this.#options = options;
    this.caller = new Caller(this, options.maxCalls);
    this.#responder = new Responder(this, options);
    this.#subscriptions = [
      conn.on("state", ({ from, to }) => {
        // A Conn that closes still reads answers; a session that is kept still gets them.
        if (from === "open" && to !== "closing" && !conn.hasSession)
          this.#endSession(() => this.caller.interrupt("written", "delivered"));
      }),
      conn.on("session-lost", () => this.#endSession(() => this.caller.interrupt("delivered"))),
      conn.on("closed", () => this.#end(() => this.caller.end())),
    ];
    this.#read();
  }

  on(method: string, listener: (params: never) => void, options?: ListenOptions): () => void {
    const guarded = (params: object | undefined) => this.#guard(method, () => listener(params as never));
    return this.#listeners.on(method, guarded, options);
  }

  extend(methods: LayerMethods): () => void {
    const names = Object.keys(methods) as (keyof LayerMethods)[];
    for (const name of names) {
      if (this.#layers.has(name)) throw new ConnError("misuse", `${name} is taken: use each layer once.`);
    }
    for (const name of names) this.#layers.set(name, methods[name] as LayerMethods[keyof LayerMethods]);
    this.#updateReading();
    return () => {
      for (const name of names) this.#layers.delete(name);
      this.#updateReading();
    };
  }

  detach(): void {
    this.#end(() => this.caller.detach(new ConnError("aborted", "The peer was detached.")));
  }

  invoke(request: IncomingRequest): unknown {
    const { method, params } = request.frame;
    const layer = this.#layers.get(method);
    if (layer) return layer(params ?? undefined, request);
    const { handlers } = this.#options;
    // Own properties only, so that `constructor` and `toString` are unknown methods.
    if (!Object.hasOwn(handlers, method) || !handlers[method]) {
      throw new RpcError(METHOD_NOT_FOUND, "The method is unknown.");
    }
    return this.#checked(method, params, (value) => handlers[method]?.(value, request));
  }

  onError(error: unknown, method?: string): void {
    try {
      this.#options.onError(error, method);
    } catch (cause) {
      throwAsync(cause);
    }
  }

  onRoom(): void {
    this.#setStalled(false);
  }

  get pendingCalls(): number {
    return this.caller.size;
  }

  onCallsChange(): void {
    // A pending call adds a place for a handler.
    this.#responder.startWaiting();
  }

  #receive(value: unknown): void {
    if (Array.isArray(value) && value.some(isJsonRpc)) this.#receiveBatch(value);
    else {
      const type = frameType(value);
      if (type === "other") this.#receiveOther(value);
      else this.#sort(type, value);
    }
    this.#updateReading();
  }

  #receiveBatch(frames: unknown[]): void {
    // A short frame must not make us build a long answer.
    const { maxHandlers, maxWaiting } = this.#options;
    if (frames.length > maxHandlers + maxWaiting) return this.#responder.refuseInvalid();
    const isAnswered = (frame: unknown) => {
      const type = frameType(frame);
      return type === "request" ? (frame as RequestFrame).id !== undefined && !this.#isStale : type !== "answer";
    };
    const batch = this.#responder.openBatch(frames.filter(isAnswered).length);
    for (const frame of frames) this.#sort(frameType(frame), frame, batch);
  }

  #sort(type: FrameType, frame: unknown, batch?: Batch): void {
    if (type === "answer") this.caller.settle(frame as AnswerFrame);
    else if (type !== "request") this.#responder.refuseInvalid(batch);
    else if ((frame as RequestFrame).id === undefined) this.#receiveNotification(frame as RequestFrame);
    else if (!this.#isStale) this.#take(frame as RequestFrame, batch);
  }

  #take(frame: RequestFrame, batch?: Batch): void {
    // A layer has limits of its own.
    this.#responder.take(new IncomingRequest(frame, batch, this.#layers.has(frame.method) ? 0 : 1));
  }

  #receiveNotification(frame: RequestFrame): void {
    const { method, params } = frame;
    if (method === CANCEL) return this.#responder.cancel((params as { id?: unknown } | null | undefined)?.id);
    if (this.#layers.has(method) || Object.hasOwn(this.#options.handlers, method)) this.#take(frame);
    if (!this.#listeners.hasListeners(method)) return;
    this.#guard(method, () => this.#checked(method, params, (value) => this.#listeners.emit(method, value)));
  }

  #receiveOther(value: unknown): void {
    const { others } = this.#options;
    if (others) this.#guard(undefined, () => others(value));
    else
      this.conn.report(
        new ConnError("unmarshal", "The message is not JSON-RPC 2.0: give the option others to take it."),
      );
  }

  /** Calls `act` with the parameters as the method's schema makes them, at once where the schema answers at once. */
  #checked(method: string, params: object | null | undefined, act: (params: object | undefined) => unknown): unknown {
    const { schemas } = this.#options;
    const given = params ?? undefined;
    const schema = Object.hasOwn(schemas, method) ? schemas[method] : undefined;
    return schema ? checkParams(schema, given, act) : act(given);
  }

  /** Runs a function of the user without a caller. Ignores RpcErrors, because wrong parameters are the other end's fault. */
  #guard(method: string | undefined, act: () => unknown): void {
    const onFailure = (error: unknown) => {
      if (!(error instanceof RpcError)) this.onError(error, method);
    };
    try {
      const result = act();
      if (result instanceof Promise) result.catch(onFailure);
    } catch (error) {
      onFailure(error);
    }
  }

  #read(): void {
    this.#pause ??= this.conn.on("message", (value) => this.#receive(value));
  }

  /** Stops reading at the bound, so that the network holds the other end back, and reads on where it must or can. */
  #updateReading(): void {
    if (this.#hasEnded) return;
    const mayPause = this.#responder.isFull && this.caller.size === 0 && this.#layers.size === 0 && !this.#isStalled;
    if (!mayPause) {
      this.#stall.stop();
      this.#read();
    } else if (this.#pause) {
      this.#pause();
      this.#pause = undefined;
      this.#stall.start(STALL_MS, () => this.#setStalled(true), true);
    }
  }

  #setStalled(isStalled: boolean): void {
    this.#isStalled = isStalled;
    this.#updateReading();
  }

  #endSession(settleCalls: () => void): void {
    // While nothing was read, requests of the lost session have piled up in the Conn, and come in a microtask from now.
    this.#isStale = !this.#pause;
    this.#responder.endSession();
    settleCalls();
    this.#updateReading();
    queueMicrotask(() => {
      this.#isStale = false;
    });
  }

  #end(settleCalls: () => void): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#stall.stop();
    for (const unsubscribe of [...this.#subscriptions, this.#pause]) unsubscribe?.();
    this.#pause = undefined;
    this.#responder.endSession();
    settleCalls();
  }
}
