import { byteLength } from "./payload.ts";

/** Close codes of RFC 6455, section 7.4.1, and those of this library, by the name of their meaning. */

export const NORMAL = 1000;
export const GOING_AWAY = 1001;
export const PROTOCOL_ERROR = 1002;
export const UNSUPPORTED_DATA = 1003;
/** Never on the wire: the connection ended without a close frame. */
export const ABNORMAL = 1006;
export const INVALID_UTF8 = 1007;
export const POLICY_VIOLATION = 1008;
export const MESSAGE_TOO_BIG = 1009;
export const INTERNAL_ERROR = 1011;
export const TRY_AGAIN_LATER = 1013;
/** Never on the wire: the close frame had no code. */
export const NO_STATUS = 1005;
/** Never on the wire: the server's certificate was refused. Only Node exposes it; pages see 1006. */
export const BAD_CERTIFICATE = 1015;

/** Sent to a peer when its connection is replaced by another one, or the page goes to the back/forward cache. */
export const LEAVING = 4001;
/** In place of 1003 and 1009 in a browser, which may send 1000 and 3000 to 4999 only (WHATWG WebSockets). */
export const UNSUPPORTED_PAYLOAD = 4003;
export const TOO_LARGE = 4009;
/** The peer broke the rules of resume.v1. */
export const RESUME_PROTOCOL_ERROR = 4400;
/** The client did not answer the greeting in time. */
export const HANDSHAKE_TIMEOUT = 4408;
/** The session is in use on a later connection. */
export const FENCED = 4409;
/** The inbox is full, and a browser can't pause the peer. */
export const INBOX_FULL = 4413;

/** Codes that a server may send and a page may not, besides 1000 and 3000 to 4999. */
export const SERVER_CODES: readonly number[] = [GOING_AWAY, POLICY_VIOLATION, INTERNAL_ERROR, 1012, TRY_AGAIN_LATER];

/** Whether `code` means that no close frame came (RFC 6455, section 7.4.1). Deno gives 0 where others give 1006. */
export function isUnclean(code: number): boolean {
  return code === 0 || code === ABNORMAL || code === BAD_CERTIFICATE;
}

/** Bytes of UTF-8 that a reason may have beside its code (RFC 6455, section 5.5.1). */
export const MAX_REASON_BYTES = 123;

/** Returns as much of `reason` as a close frame holds, cut between characters. */
export function cutReason(reason: string): string {
  // Three bytes for each UTF-16 unit at most, so that a short reason is not counted.
  if (reason.length * 3 <= MAX_REASON_BYTES) return reason;
  let bytes = 0;
  let end = 0;
  for (const character of reason) {
    bytes += byteLength(character);
    if (bytes > MAX_REASON_BYTES) break;
    end += character.length;
  }
  return reason.slice(0, end);
}
