import type { Resume } from "../../core/session.ts";
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

const WINDOW_BYTES = 2 ** 20;
/** The largest number of ten digits to the base of 36, which is how it travels. */
const MAX_WINDOW_BYTES = 36 ** 10 - 1;

/**
 * Exactly once and in order, both ways, across drops, where the server speaks `resume.v1` (`tautline/server` does, see
 * docs/internals/protocol.md). Against any other server everything works as without.
 *
 * @throws `bad-option`, in the constructor of the Conn that it is given to
 */
export function resume({ windowBytes = WINDOW_BYTES, ack = "received" }: ResumeOptions = {}): Resume {
  return (owner) => {
    if (!(windowBytes >= 1)) {
      throw owner.createError("bad-option", `resume.windowBytes must be a number, at least 1; got ${windowBytes}.`);
    }
    if (ack !== "received" && ack !== "consumed") {
      throw owner.createError("bad-option", `resume.ack must be "received" or "consumed"; got ${ack}.`);
    }
    return new ClientSession(owner, {
      windowBytes: Math.floor(Math.min(windowBytes, MAX_WINDOW_BYTES)),
      acksConsumed: ack === "consumed",
      random: Math.random,
    });
  };
}
