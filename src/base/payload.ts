/** What travels in one WebSocket message: a string as a text frame, bytes as a binary frame (RFC 6455, section 5.6). */
export type Payload = string | Uint8Array;

/** Whether `value` can travel as it is. */
export function isPayload(value: unknown): value is Payload {
  return typeof value === "string" || value instanceof Uint8Array;
}

/** Bytes of `payload` on the wire, before framing and compression: text counts as UTF-8. Nothing is encoded for it. */
export function byteLength(payload: Payload): number {
  if (typeof payload !== "string") return payload.byteLength;
  let bytes = payload.length;
  for (let i = 0; i < payload.length; i++) {
    const unit = payload.charCodeAt(i);
    if (unit < 0x80) continue;
    bytes += unit < 0x800 ? 1 : 2;
    // A surrogate pair is four bytes of UTF-8; a lone surrogate is sent as U+FFFD, which is three.
    if (unit >= 0xd800 && unit < 0xdc00 && (payload.charCodeAt(i + 1) & 0xfc00) === 0xdc00) i++;
  }
  return bytes;
}

/** Whether `payload` is longer than `maxBytes`. Text is counted only where its length leaves that open. */
export function exceeds(payload: Payload, maxBytes: number): boolean {
  const { length } = payload;
  if (length > maxBytes) return true;
  return typeof payload === "string" && length * 3 > maxBytes && byteLength(payload) > maxBytes;
}

/** What can be said of one send. */
export interface SendOptions {
  /** Takes the message back when aborted before it was first written: `aborted`. Default none. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds, above 0, after which the message is no longer worth writing: `expired`. Default for ever. */
  readonly ttlMs?: number | undefined;
  /** Drops the unwritten message of the same key, `replaced`: of many, only the latest is sent. Default none. */
  readonly key?: string | undefined;
  /** Written at once or refused with `not-writable`, for news that is stale a moment later. Default false. */
  readonly volatile?: boolean | undefined;
  /**
   * Resume only: resolves when the peer has counted the message, rather than when the connection has taken it. Rejects
   * with `session-lost`, `poison` or `unsupported` (the server speaks no resume; it was not sent). Default false.
   */
  readonly confirm?: boolean | undefined;
  /**
   * Resume only: sent again in the next session where a session was lost and nobody knows whether it arrived, so that it
   * arrives at least once. Default false: it is told in `lost-session`.
   */
  readonly resend?: boolean | undefined;
}
