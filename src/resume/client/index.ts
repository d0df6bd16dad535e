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
   * Which messages are acknowledged: received ones, or consumed ones: those that were pulled, or whose listeners have
   * returned. With `"consumed"` a reader that pauses holds the server back, in browsers too. Default `"received"`.
   */
  readonly ack?: "received" | "consumed" | undefined;
}

const RULES: OptionRules<{ windowBytes: number; ack: "received" | "consumed" }> = {
  windowBytes: numberRule(1, 2 ** 20, MAX_WINDOW_BYTES),
  ack: wordRule("received", "consumed"),
};

/**
 * Exactly once and in order, both ways, across drops, where the server speaks `resume.v1` (`tautline/server` does, see
 * docs/internals/protocol.md). Against any other server everything works as without.
 *
 * @throws `bad-option`, in the constructor of the Conn that it is given to
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
