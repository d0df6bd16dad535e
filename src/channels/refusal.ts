import { ConnError, type ConnErrorCode } from "../base/errors.ts";
import { isRefusalCode, PUBLISH_REFUSED, type RefusalCode } from "./protocol/refusals.ts";

/** The method is unknown (JSON-RPC 2.0, section 5.1). */
const METHOD_NOT_FOUND = -32601;
/** The parameters are not valid (JSON-RPC 2.0, section 5.1). */
const INVALID_PARAMS = -32602;
/** Codes of a ConnError that another try can cure. */
const PASSING: readonly unknown[] = ["timeout", "unavailable", "outbox-full", "unmarshal", "interrupted", "aborted"];

const MEANINGS: { readonly [code in RefusalCode]: string } = {
  denied: "there is no such channel, or you have no right to it",
  revoked: "the right to it was taken away",
  "too-many": "this client has as many channels as the server allows: close some",
  unavailable: "the server can't decide at the moment",
};

/** Creates the error for a channel that the server refused. An unknown code counts as `denied`. */
export function refusal(channel: string, given: unknown): ConnError {
  const code = isRefusalCode(given) ? given : "denied";
  return new ConnError(code, `The server refused ${channel}: ${MEANINGS[code]}.`);
}

/** Returns the error that ends the attempts at a request which failed with `error`, or undefined where another may help. */
export function finalError(channel: string, error: Error): Error | undefined {
  const { code, data } = error as { readonly code?: number | ConnErrorCode; readonly data?: unknown };
  if (typeof code !== "number") return PASSING.includes(code) ? undefined : error;
  if (code === PUBLISH_REFUSED) return data === "unavailable" ? undefined : refusal(channel, data);
  if (code === METHOD_NOT_FOUND) {
    return new ConnError("unsupported", "The server has no channels: serve its Conns with a hub.", { cause: error });
  }
  return code === INVALID_PARAMS ? error : undefined;
}
