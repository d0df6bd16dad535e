import { ConnError } from "../base/errors.ts";
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
   * Called when a handler or a listener throws something other than RpcError, or a result can't be sent. The caller gets
   * -32603 and nothing of the error. `method` is undefined for `others`. Default `console.error`.
   */
  readonly onError?: ((error: unknown, method: string | undefined) => void) | undefined;
  /** Milliseconds until a call without `timeoutMs` of its own rejects. 1 to 2,147,483,647; default 30 s. */
  readonly timeoutMs?: number | undefined;
  /** Calls that may be pending; a further one rejects with `unavailable`. At least 1; default 1,024. */
  readonly maxCalls?: number | undefined;
  /** Handlers that run for the other end at a time; further requests wait. At least 1; default 128. */
  readonly maxHandlers?: number | undefined;
  /**
   * Requests that may wait. When they are reached, no message is read, unless calls of our own are pending, a layer is
   * in use, or no handler ended for a second: then further requests are answered with -32001. At least 0; default 1,024.
   */
  readonly maxWaiting?: number | undefined;
  /** Bytes of the requests that wait, estimated, with the same effect. At least 0; default 1 MiB. */
  readonly maxWaitingBytes?: number | undefined;
}

/** Options of one call. */
export interface CallOptions {
  /** Milliseconds until the call rejects with `timeout`. 1 to 2,147,483,647; default the peer's. */
  readonly timeoutMs?: number | undefined;
  /** Rejects the call with `aborted`, and takes the request back or has the other end cancel it. Default none. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Whether the method may run twice: where it is unknown whether it ran, the request is sent again on the next
   * connection, instead of rejecting with `interrupted`. Default false.
   */
  readonly retry?: boolean | undefined;
}

/** The options with their defaults. */
export interface ResolvedRpcOptions extends Bounds {
  readonly handlers: Handlers<AnyContract>;
  readonly schemas: Schemas<AnyContract>;
  readonly others: ((value: unknown) => void) | undefined;
  readonly onError: ((error: unknown, method: string | undefined) => void) | undefined;
}

interface Bounds {
  readonly timeoutMs: number;
  readonly maxCalls: number;
  readonly maxHandlers: number;
  readonly maxWaiting: number;
  readonly maxWaitingBytes: number;
}

/** The default and the least value of each number. */
const NUMBERS: { readonly [Name in keyof Bounds]: readonly [preset: number, min: number] } = {
  timeoutMs: [30_000, 1],
  maxCalls: [1_024, 1],
  maxHandlers: [128, 1],
  maxWaiting: [1_024, 0],
  maxWaitingBytes: [2 ** 20, 0],
};

/** Checks the options and fills them in. @throws ConnError `bad-option` */
export function resolveRpcOptions(options: RpcOptions<AnyContract>): ResolvedRpcOptions {
  const { handlers = {}, schemas = {}, others, onError, ...given } = options;
  for (const [name, value] of Object.entries({ others, onError })) checkFunction(name, value);
  for (const [method, handler] of Object.entries(handlers)) {
    checkFunction(`handlers.${method}`, handler);
    checkMethod(method);
  }
  for (const [method, schema] of Object.entries(schemas)) {
    if (schema && !schema["~standard"]) throw badOption(`schemas.${method}`, "a Standard Schema");
  }
  const numbers: Record<string, number> = {};
  for (const [name, [preset, min]] of Object.entries(NUMBERS)) {
    numbers[name] = checkNumber(name, (given as Record<string, number | undefined>)[name] ?? preset, min);
  }
  for (const name in given) {
    if (!(name in NUMBERS)) throw new ConnError("bad-option", `${name} is no option of rpc().`);
  }
  return { handlers, schemas, others, onError, ...(numbers as unknown as Bounds) };
}

/** Refuses a number that no timer and no bound can be. @throws ConnError `bad-option` */
export function checkNumber(name: string, value: number, min: number): number {
  if (typeof value === "number" && value >= min && value <= MAX_TIMER_MS) return value;
  throw badOption(name, `a number from ${min} to ${MAX_TIMER_MS}`, value);
}

/** Refuses the name of a method that is reserved. @throws ConnError `bad-option` */
export function checkMethod(method: string): void {
  if (method.startsWith(RESERVED)) throw badOption("method", `a name that does not begin with ${RESERVED}`, method);
}

function checkFunction(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== "function") throw badOption(name, "a function", value);
}

function badOption(name: string, range: string, value?: unknown): ConnError {
  return new ConnError("bad-option", `${name} must be ${range}${value === undefined ? "" : `; got ${value}`}.`);
}
