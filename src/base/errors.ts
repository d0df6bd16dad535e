import { addAbortListener } from "./abort-listeners.ts";
import { describeBadOption } from "./option-rules.ts";
import type { Payload } from "./payload.ts";

/** Why something failed. The codes are stable; the messages are for people and may change. */
export type ConnErrorCode =
  /** An option has a value out of its range, or a name that does not exist. Thrown by the call that takes the option. */
  | "bad-option"
  /** The URL can't be parsed, or has a scheme that is not a WebSocket's. */
  | "bad-url"
  /** The platform can't do what an option asks for, such as request headers in a browser. */
  | "unsupported"
  /** A call that can't be right where it stands, such as a pull while a `message` listener is attached. */
  | "misuse"
  /** The codec could not turn a value into a payload. */
  | "marshal"
  /** The codec could not turn a payload into a value. The payload comes with the error. */
  | "unmarshal"
  /** The message is longer than `maxSendBytes` or `maxPayloadBytes`. */
  | "too-large"
  /** The outbox is at its bound. */
  | "outbox-full"
  /** The inbox is at its bound. */
  | "inbox-full"
  /** The message waited longer than its `ttlMs`. */
  | "expired"
  /** A later message with the same `key` took its place. */
  | "replaced"
  /** A volatile message could not be written at once, or was lost with its connection. */
  | "not-writable"
  /** The signal given with the call was aborted; `cause` is its reason. */
  | "aborted"
  /** The Conn is closed or closing. */
  | "closed"
  /** The server refused the connection; `status` is the HTTP status, where the platform exposes it. */
  | "refused"
  /** No answer in time. */
  | "timeout"
  /** A `url`, `protocols` or `headers` function failed; `cause` is what it threw. */
  | "provider"
  /** `setup` failed; `cause` is what it threw. */
  | "setup"
  /** The session was lost with the connection (resume). */
  | "session-lost"
  /** Three working connections in a row ended right after the message, which was set aside (resume). */
  | "poison"
  /** The connection ended after a request was written and before its answer came: it may have run (rpc). */
  | "interrupted"
  /** The operation can't be done at the moment, such as a call while too many are pending. A later attempt may succeed. */
  | "unavailable"
  /** The channel does not exist, or this client has no right to it (channels). */
  | "denied"
  /** The right to the channel was taken away (channels). */
  | "revoked"
  /** The client has as many channels as the server allows (channels). */
  | "too-many"
  /** The session went on in another process, which decides about the operation: do not repeat it. */
  | "moved";

/** The message of an error, where the place of the failure has nothing to add. */
const MESSAGES: { readonly [code in ConnErrorCode]?: string } = {
  "outbox-full": "The outbox is full: await send(), or raise its bounds.",
  "inbox-full": "The inbox is full: receive faster, or raise its bounds.",
  expired: "The message waited longer than its ttlMs.",
  replaced: "A later message has the same key.",
  "not-writable": "The volatile message could not be delivered at once.",
  aborted: "The signal was aborted.",
  closed: "The Conn is closed: make a new one to connect again.",
  misuse: "A message listener gets every message: push or pull, not both.",
};

/** The members of a {@link ConnError} besides its code. */
export interface ConnErrorDetails {
  /** The error underneath. */
  readonly cause?: unknown;
  /** The message that the error is about. Not enumerable, so that logs do not print it. */
  readonly payload?: Payload | undefined;
  /** HTTP status of a refused upgrade. */
  readonly status?: number | undefined;
  /** Whether retrying is pointless. Default false. */
  readonly fatal?: boolean;
}

/**
 * Every failure that this library reports. Distinguish them by `code`.
 *
 * @example
 * conn.send(order).catch((error: ConnError) => {
 *   if (error.code === "outbox-full") showBusy();
 * });
 */
export class ConnError extends Error {
  /** Why the call failed, for programs to compare. */
  readonly code: ConnErrorCode;
  /** The message that was refused, where there is one. Not enumerable, so that logs do not print it. */
  declare readonly payload: Payload | undefined;
  /** HTTP status of a refused upgrade, where the platform exposes it. */
  declare readonly status: number | undefined;
  /** Whether retrying is pointless: an error that `setup` or a provider throws then ends the Conn. */
  declare readonly fatal: boolean | undefined;

  /** `message` is by default the sentence for the code, where there is one. */
  constructor(code: ConnErrorCode, message = MESSAGES[code], details: ConnErrorDetails = {}) {
    super(message, details);
    this.name = "ConnError";
    this.code = code;
    const { payload, ...others } = details;
    Object.assign(this, others);
    if (payload !== undefined) attachPayload(this, payload);
  }
}

/** Adds the message that `error` is about, unless it names one already. */
export function attachPayload(error: ConnError, payload: Payload | undefined): void {
  if (error.payload === undefined && payload !== undefined) Object.defineProperty(error, "payload", { value: payload });
}

/** Creates an error without a stack, because a flood of refused messages would spend most of its time on stacks. */
export function createRefusal(code: ConnErrorCode, details: ConnErrorDetails, message?: string): ConnError {
  const { stackTraceLimit } = Error as { stackTraceLimit?: number };
  // Reflect.set, because the property may be frozen.
  Reflect.set(Error, "stackTraceLimit", 0);
  const error = new ConnError(code, message, details);
  Reflect.set(Error, "stackTraceLimit", stackTraceLimit);
  return error;
}

/** Creates the error for an option whose value is out of its range. `range` completes the sentence "it must be …". */
export function badOption(name: string, range: string, value: unknown): ConnError {
  return failOption(describeBadOption(name, range, value));
}

/** Creates the error for a bad option. */
export function failOption(message: string): ConnError {
  return new ConnError("bad-option", message);
}

/** Returns the text of anything thrown, also of a Symbol or an object without prototype, which a template refuses. */
export function textOf(thrown: unknown): string {
  try {
    const { errors } = Object(thrown) as { readonly errors?: unknown };
    // An AggregateError, such as that of a host with two addresses, has no message of its own.
    return String(thrown) + (Array.isArray(errors) ? ` (${errors.map(textOf).join("; ")})` : "");
  } catch {
    return "a value without text";
  }
}

/**
 * Creates an error for `setup` or a provider to throw when another attempt would be pointless, such as a rejected login:
 * the Conn ends with it, `by: "policy"`, instead of retrying.
 *
 * @example
 * setup: async ({ send, receive }) => {
 *   send({ token });
 *   if ((await receive()) === "denied") throw fatal("The token was rejected.");
 * }
 */
export function fatal(message: string, cause?: unknown): ConnError {
  return new ConnError("setup", message, { cause, fatal: true });
}

/** Creates the error that a call rejects with when its signal is aborted. */
export function aborted(signal: AbortSignal): ConnError {
  return new ConnError("aborted", undefined, { cause: signal.reason });
}

/**
 * Calls `act` with an `aborted` error when `signal` is or gets aborted, unless `call` has settled before. Leaves no
 * listener behind.
 */
export function onAbort(
  signal: AbortSignal | undefined,
  call: Promise<unknown>,
  act: (error: ConnError) => void,
): void {
  if (!signal) return;
  if (signal.aborted) return act(aborted(signal));
  const removeListener = addAbortListener(signal, () => act(aborted(signal)));
  call.then(removeListener, removeListener);
}
