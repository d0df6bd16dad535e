import { numberRule, type OptionRules, takeOptions, wordRule } from "../../base/option-rules.ts";
import type { Resume } from "../../core/session.ts";
import { MAX_WINDOW_BYTES } from "../protocol/delivery-state.ts";
import { ClientSession } from "./client-session.ts";

/** Options of {@link resume}. */
export interface ResumeOptions {
  /**
   * Limit of what is unacknowledged, in either direction: bytes of binary messages, UTF-16 units of text, and 64 for each
   * message. The smaller one of this and the server's own limit counts. At least 1; default 1 MiB.
   */
  readonly windowBytes?: number | undefined;
  /**
   * Which messages are acknowledged: all that were received, or only those that the application has consumed, by a pull or
   * a listener that returned. With `"consumed"` a reader that pauses holds the server back, in browsers too. Default
   * `"received"`.
   */
  readonly ack?: "received" | "consumed" | undefined;
}

const RULES: OptionRules<{ windowBytes: number; ack: "received" | "consumed" }> = {
  windowBytes: numberRule(1, 2 ** 20, MAX_WINDOW_BYTES),
  ack: wordRule("received", "consumed"),
};

/**
 * Returns the option by which a Conn delivers messages exactly once and in order, both ways, across drops. The server must
 * speak `resume.v1`, as `tautline/server` with the option `resume` does (docs/internals/protocol.md is the wire format).
 * With any other server the Conn works as it does without the option.
 *
 * @throws ConnError `bad-option`, in the constructor of the Conn that takes the option
 *
 * @example
 * ```ts
 * const conn = new Conn("wss://example.com/live", { codec: json(), resume: resume() });
 * ```
 */
export function resume(options: ResumeOptions = {}): Resume {
  return (owner) => {
    const fail = (text: string) => owner.createError("bad-option", text);
    const { windowBytes, ack } = takeOptions("resume.", RULES, options, fail);
    return new ClientSession(owner, {
      windowBytes: Math.floor(windowBytes),
      acksConsumed: ack === "consumed",
      random: Math.random,
    });
  };
}
