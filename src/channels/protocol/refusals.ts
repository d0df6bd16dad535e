/**
 * Why a channel or a publish is refused. `denied`: the channel does not exist, or the client has no right to it: one code for
 * both, so that clients can't find out names. `revoked`: the right was taken away. `too-many`: the client has as many channels as the
 * server allows. `unavailable`: the server can't decide at the moment; try again with backoff.
 */
export type RefusalCode = "denied" | "revoked" | "too-many" | "unavailable";

/** The code of the error that answers a refused `$/publish`. Its `data` is a {@link RefusalCode}. */
export const PUBLISH_REFUSED = -32003;

const CODES: readonly unknown[] = ["denied", "revoked", "too-many", "unavailable"];

/** Whether `value` is a refusal that this version knows. An unknown one counts as `denied`. */
export function isRefusalCode(value: unknown): value is RefusalCode {
  return CODES.includes(value);
}
