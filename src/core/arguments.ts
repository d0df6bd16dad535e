import type { ListenOptions } from "../base/emitter.ts";
import { badOption, failOption } from "../base/errors.ts";
import { checkNames, isSignal } from "../base/option-rules.ts";
import type { SendOptions } from "../base/send-options.ts";
import type { ReceiveOptions } from "../codec/codec.ts";

const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;
const WAIT_OPTIONS: readonly string[] = ["signal", "codec"];
const FLAGS: readonly string[] = ["volatile", "confirm", "resend", "once"];
const LISTEN_OPTIONS: readonly string[] = ["signal", "once"];
const SEND_OPTIONS: readonly string[] = [
  ...WAIT_OPTIONS,
  "ttlMs",
  "key",
  "volatile",
  "confirm",
  "resend",
  "onOutcome",
  "as",
];

/**
 * Returns the subprotocols to offer, as every platform takes them: tokens, each once (RFC 6455, section 4.1; RFC 9110,
 * section 5.6.2). An error names the position of a bad one and not its text, which may be a secret.
 *
 * @throws {@link ConnError} `bad-option`
 */
export function parseProtocols(protocols: unknown): readonly string[] {
  const names = [protocols].flat() as string[];
  const bad = names.findIndex((name, i) => typeof name !== "string" || !TOKEN.test(name) || names.indexOf(name) < i);
  if (bad < 0) return names;
  throw failOption(`protocols must be tokens, each once, or a function; the one at index ${bad} is not.`);
}

/** Refuses bad options of one send. @throws {@link ConnError} `bad-option` */
export function checkSend(options: SendOptions): void {
  const { ttlMs, key, onOutcome } = options;
  checkSignal(SEND_OPTIONS, options);
  if (ttlMs !== undefined && !(typeof ttlMs === "number" && ttlMs > 0))
    throw badOption("ttlMs", "a number above 0", ttlMs);
  if (key !== undefined && typeof key !== "string") throw badOption("key", "a string", key);
  if (onOutcome !== undefined && typeof onOutcome !== "function") throw badOption("onOutcome", "a function", onOutcome);
}

/** Returns the signal of a call that waits, and refuses other options. @throws {@link ConnError} `bad-option` */
export function signalOf(options: ReceiveOptions): AbortSignal | undefined {
  return checkSignal(WAIT_OPTIONS, options);
}

/** Refuses bad options of one listener. @throws {@link ConnError} `bad-option` */
export function checkListen(options: ListenOptions): void {
  checkSignal(LISTEN_OPTIONS, options);
}

function checkSignal(known: readonly string[], options: ReceiveOptions): AbortSignal | undefined {
  const { signal } = options;
  checkNames("", known, options, failOption);
  for (const name of FLAGS) {
    const value: unknown = options[name as never];
    if (value !== undefined && typeof value !== "boolean") throw badOption(name, "true or false", value);
  }
  if (signal === undefined || isSignal(signal)) return signal;
  throw badOption("signal", "an AbortSignal", signal);
}

/**
 * Refuses a close code that may not be sent: every platform may send 1000 and 3000 to 4999, and the `others` are those that
 * a source of connections may send besides (RFC 6455, section 7.4).
 *
 * @throws {@link ConnError} `bad-option`
 */
export function checkCode(code: number, others: readonly number[] = []): void {
  const named = [1000, ...others];
  if (named.includes(code) || (Number.isInteger(code) && code >= 3000 && code < 5000)) return;
  throw badOption("code", `${named.join(", ")} or 3000 to 4999`, code);
}
