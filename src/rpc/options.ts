import { badOption, failOption } from "../base/errors.ts";
import {
  flagRule,
  functionRule,
  isFunction,
  isObject,
  isSignal,
  numberRule,
  type OptionRules,
  rule,
  takeOptions,
  timeRule,
} from "../base/option-rules.ts";
import { MAX_TIMER_MS } from "../base/timer.ts";
import type { AnyContract, Handlers, Schemas } from "./contract.ts";
import { RESERVED } from "./frames.ts";

/** Options of a peer. Each option is checked once: `bad-option` names it and its range. */
export interface RpcOptions<Local> {
  /** Runs the methods that the other end calls: own properties only. Default none. */
  readonly handlers?: Handlers<Local> | undefined;
  /**
   * Checks the parameters of methods and notifications: version 1 of Standard Schema, which may answer with a promise. A
   * request that does not fit is answered with -32602, a notification is left out. Default none.
   */
  readonly schemas?: Schemas<Local> | undefined;
  /** Called with each message that is not JSON-RPC 2.0. Default none: the Conn emits `error`. */
  readonly others?: ((value: unknown) => void) | undefined;
  /**
   * Called when a handler or a listener throws something other than RpcError, or a result or a cancellation can't be sent.
   * The caller gets -32603 and nothing of the error, or, where the outbox is full, no answer. `method` is undefined for
   * `others`. Default `console.error`.
   */
  readonly onError?: ((error: unknown, method: string | undefined) => void) | undefined;
  /** Milliseconds until a call without `timeoutMs` of its own rejects. At least 1, and at most the longest timer; default 30 s. */
  readonly timeoutMs?: number | undefined;
  /** Calls that may be pending; a further one rejects with `unavailable`. At least 1; default 1,024. */
  readonly maxCalls?: number | undefined;
  /**
   * Handlers that run for the other end at a time, besides one for each pending call of this end; further requests wait.
   * At least 1; default 128.
   */
  readonly maxHandlers?: number | undefined;
  /**
   * Requests that may wait for a handler to end. At the bound nothing more is read, so that the other end is held back.
   * While calls of this end are pending, while a layer such as channels is in use, and after a second in which no handler
   * ended, everything is read all the same, and further requests are answered with -32001. The sum of `maxHandlers` and
   * `maxWaiting` bounds the requests in batches that are not answered. At least 0; default 1,024.
   */
  readonly maxWaiting?: number | undefined;
  /** Bytes of the requests that wait, estimated, with the same effect. At least 0; default 1 MiB. */
  readonly maxWaitingBytes?: number | undefined;
}

/** Options of one call. */
export interface CallOptions {
  /** Milliseconds until the call rejects with `timeout`. 1 to 2,147,483,647; default the peer's. */
  readonly timeoutMs?: number | undefined;
  /** Rejects the call with `aborted`, and withdraws its request or asks the other end to cancel it. Default none. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Whether the method may run twice: where it is unknown whether it ran, the request is sent again on the next
   * connection, instead of rejecting with `interrupted`. Default false.
   */
  readonly retry?: boolean | undefined;
}

/** The options with their defaults. */
export interface ResolvedRpcOptions {
  readonly handlers: Handlers<AnyContract>;
  readonly schemas: Schemas<AnyContract>;
  readonly others: ((value: unknown) => void) | undefined;
  readonly onError: (error: unknown, method: string | undefined) => void;
  readonly timeoutMs: number;
  readonly maxCalls: number;
  readonly maxHandlers: number;
  readonly maxWaiting: number;
  readonly maxWaitingBytes: number;
}

const RULES: OptionRules<ResolvedRpcOptions> = {
  handlers: rule("functions by name, none of which begins with $/", areHandlers, {}),
  schemas: rule("Standard Schemas by name", areSchemas, {}),
  others: functionRule(),
  // Looked up late, so that a console which is replaced later is used.
  onError: functionRule((...given: unknown[]) => console.error(...given)),
  timeoutMs: timeRule(1, 30_000),
  maxCalls: numberRule(1, 1_024),
  maxHandlers: numberRule(1, 128),
  maxWaiting: numberRule(0, 1_024),
  maxWaitingBytes: numberRule(0, 2 ** 20),
};

/** Checks the options and fills them in. @throws ConnError `bad-option` */
export function resolveRpcOptions(options: RpcOptions<AnyContract>): ResolvedRpcOptions {
  return takeOptions("", RULES, options, failOption);
}

const NO_OPTIONS: CallOptions = {};
const CALL_RULES: OptionRules<CallOptions> = {
  timeoutMs: rule(`a number from 1 to ${MAX_TIMER_MS}`, isTime),
  signal: rule("an AbortSignal", isSignal),
  retry: flagRule(false),
};

/** Checks the options of one call and fills them in. @throws ConnError `bad-option` */
export function resolveCallOptions(options: CallOptions | undefined): CallOptions {
  // Most calls have none, and a walk along the rules costs a twentieth of a call.
  return options === undefined ? NO_OPTIONS : takeOptions("", CALL_RULES, options, failOption);
}

/** Refuses the name of a method that is reserved. @throws ConnError `bad-option` */
export function checkMethod(method: string): void {
  if (method.startsWith(RESERVED)) throw badOption("method", `a name that does not begin with ${RESERVED}`, method);
}

function isTime(value: unknown): boolean {
  return typeof value === "number" && value >= 1 && value <= MAX_TIMER_MS;
}

function areHandlers(value: unknown): boolean {
  const isHandler = ([method, handler]: [string, unknown]) =>
    (handler === undefined || isFunction(handler)) && !method.startsWith(RESERVED);
  return isObject(value) && Object.entries(value as object).every(isHandler);
}

function areSchemas(value: unknown): boolean {
  return isObject(value) && Object.values(value as object).every((schema) => !schema || "~standard" in schema);
}
