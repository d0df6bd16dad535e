import { deferred } from "../base/deferred.ts";
import { ConnError, textOf } from "../base/errors.ts";
import type { Payload } from "../base/payload.ts";
import type { SendOptions } from "../base/send-options.ts";
import { marshal, message, toText } from "../codec/codec.ts";
import { checkSend } from "./arguments.ts";
import { checkSize } from "./connect-attempt.ts";
import type { Supervisor } from "./supervisor.ts";

/** How one payload is written. */
export interface WriteOptions extends SendOptions {
  /** The frame: text must be valid UTF-8. Default text for a string, and `conn.payloadType` for bytes. */
  readonly as?: "text" | "binary" | undefined;
}

/** Returns `payload` in the form of the frame that it is to travel in: a string for text, bytes for binary. */
export function toFrame(payload: Payload, as: WriteOptions["as"], payloadType: "text" | "binary"): Payload {
  // The usual case first, because a hub writes one text to thousands of Conns in a turn.
  if (as === undefined && typeof payload === "string") return payload;
  const given = marshal(message, payload);
  const type = as === undefined ? (typeof given === "string" ? "text" : payloadType) : as;
  if (type === "text") return marshal({ marshal: toText }, given);
  if (type === "binary") return typeof given === "string" ? new TextEncoder().encode(given) : given;
  throw new ConnError("bad-option", `as must be "text" or "binary"; got ${textOf(type)}.`);
}

/** Writes `payload` now and returns true, or returns false. @throws {@link ConnError} `too-large` */
export function tryWriting<In, Out>(supervisor: Supervisor<In, Out>, payload: Payload): boolean {
  checkSize(payload, supervisor.options.maxSendBytes);
  return !supervisor.isEnding && supervisor.flow.outbox.tryWrite(payload);
}

/** Sends `payload`: see `conn.send()`. @throws {@link ConnError} `too-large`, `bad-option`, `misuse` */
export function enqueue<In, Out>(
  supervisor: Supervisor<In, Out>,
  payload: Payload,
  options?: SendOptions,
): Promise<void> {
  checkSize(payload, supervisor.options.maxSendBytes);
  if (options) checkSend(options);
  if (options?.confirm && !supervisor.options.resume) {
    throw new ConnError("misuse", "confirm needs the resume option: without it nothing is acknowledged.");
  }
  if (!supervisor.isEnding) return supervisor.flow.outbox.send(payload, options);
  const error = supervisor.closedError(payload);
  supervisor.flow.onOutcome(options?.onOutcome, "refused", error);
  // Quietly: a peer may close at any moment, and the network never makes a method throw.
  const { promise, reject } = deferred<void>();
  reject(error);
  return promise;
}
