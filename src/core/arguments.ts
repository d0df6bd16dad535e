import type { ListenOptions } from "../base/emitter.ts";
import { badOption, failOption } from "../base/errors.ts";
import {
  aboveZeroRule,
  checkOptions,
  flagRule,
  functionRule,
  type OptionRule,
  type OptionRules,
  rule,
  signalRule,
} from "../base/option-rules.ts";
import type { SendOptions } from "../base/send-options.ts";
import type { ReceiveOptions } from "../codec/codec.ts";

const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;
/** The codec was used before, and `as` is checked where it is used. */
const ANY: OptionRule = ["", (value) => value];
const LISTEN_RULES: OptionRules<ListenOptions> = { signal: signalRule(), once: flagRule() };
const WAIT_RULES: OptionRules<ReceiveOptions & { codec: unknown }> = { signal: signalRule(), codec: ANY };
const SEND_RULES: OptionRules<SendOptions & { codec: unknown; as: unknown }> = {
  ...WAIT_RULES,
  ttlMs: aboveZeroRule(),
  key: rule("a string", (value) => typeof value === "string"),
  volatile: flagRule(),
  confirm: flagRule(),
  resend: flagRule(),
  onOutcome: functionRule(),
  as: ANY,
};

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
  checkOptions("", SEND_RULES, options, failOption);
}

/** Returns the signal of a call that waits, and refuses bad options. @throws {@link ConnError} `bad-option` */
export function signalOf(options: ReceiveOptions): AbortSignal | undefined {
  checkOptions("", WAIT_RULES, options, failOption);
  return options.signal;
}

/** Refuses bad options of one listener. @throws {@link ConnError} `bad-option` */
export function checkListen(options: ListenOptions): void {
  checkOptions("", LISTEN_RULES, options, failOption);
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
