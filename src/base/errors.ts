import type { Payload } from "./payload.ts";

/** Why something failed. The codes are stable; the messages are for people and may change. */
export type ConnErrorCode =
  /** An option has a value out of its range. Thrown by the constructor. */
  | "bad-option"
  /** The URL can't be parsed or has a scheme that is not a WebSocket's. */
  | "bad-url"
  /** This platform can't do what an option asks for, such as request headers in a browser. */
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
  /** A volatile message could not be written at once. */
  | "not-writable"
  /** The signal given with the call was aborted; `cause` is its reason. */
  | "aborted"
  /** The Conn is closed or closing. */
  | "closed"
  /** The server refused the connection; `status` is the HTTP status where the platform tells it. */
  | "refused"
  /** No answer in time. */
  | "timeout"
  /** A `url`, `protocols` or `headers` function failed; `cause` is what it threw. */
  | "provider"
  /** `setup` failed; `cause` is what it threw. */
  | "setup"
  /** The session was lost with the connection (resume). */
  | "session-lost"
  /** The message ended the connection three times in a row and was set aside (resume). */
  | "poison";

/** What is said where the place of the failure has nothing to add. */
const MESSAGES: { readonly [code in ConnErrorCode]?: string } = {
  "outbox-full": "The outbox is full: await send(), or raise its bounds.",
  "inbox-full": "The inbox is full: receive faster, or raise its bounds.",
  expired: "The message waited longer than its ttlMs.",
  replaced: "A later message has the same key.",
  "not-writable": "The volatile message could not be written at once.",
  aborted: "The signal was aborted.",
  closed: "The Conn is closed: make a new one to connect again.",
  misuse: "A message listener gets every message: push or pull, not both.",
};

/** What a {@link ConnError} can say besides its code. */
export interface ConnErrorDetails {
  /** What was thrown below. */
  readonly cause?: unknown;
  /** The message that it is about. */
  readonly payload?: Payload | undefined;
  /** HTTP status of a refused upgrade. */
  readonly status?: number | undefined;
  /** Whether retrying is pointless. Default false. */
  readonly fatal?: boolean;
}

/** Every failure this library reports. Tell them apart by `code`. */
export class ConnError extends Error {
  /** Why it failed, for programs to tell by. */
  readonly code: ConnErrorCode;
  /** The message that was refused, where there is one. */
  declare readonly payload: Payload | undefined;
  /** HTTP status of a refused upgrade, where the platform tells it. */
  declare readonly status: number | undefined;
  /** Whether retrying is pointless: thrown by `setup` or a provider it ends the Conn. */
  declare readonly fatal: boolean | undefined;

  /** `message` is by default the sentence for the code, where there is one. */
  constructor(code: ConnErrorCode, message = MESSAGES[code], details: ConnErrorDetails = {}) {
    super(message, details);
    this.name = "ConnError";
    this.code = code;
    Object.assign(this, details);
  }
}

/**
 * An error for `setup` or a provider to throw when another attempt would be pointless, such as a rejected login: the
 * Conn ends with it, by verdict, instead of retrying.
 */
export function fatal(message: string, cause?: unknown): ConnError {
  return new ConnError("setup", message, { cause, fatal: true });
}

/** What a call rejects with when its signal is aborted. */
export function aborted(signal: AbortSignal): ConnError {
  return new ConnError("aborted", undefined, { cause: signal.reason });
}

/** Calls `act` with such an error when `signal` is or gets aborted, unless `call` has settled before; leaves no listener behind. */
export function onAbort(
  signal: AbortSignal | undefined,
  call: Promise<unknown>,
  act: (error: ConnError) => void,
): void {
  if (!signal) return;
  const onAbortEvent = () => act(aborted(signal));
  if (signal.aborted) return onAbortEvent();
  signal.addEventListener("abort", onAbortEvent);
  const removeListener = () => signal.removeEventListener("abort", onAbortEvent);
  call.then(removeListener, removeListener);
}
