/** The content of one WebSocket message: a string travels as a text frame, bytes as a binary one (RFC 6455, section 5.6). */
export type Payload = string | Uint8Array;

/** Bytes that a message counts besides its own where messages are bounded, so that empty ones are bounded too. */
export const MESSAGE_COST_BYTES = 64;

/**
 * Returns `value` as a payload that every platform takes in every state, or `undefined` for a value that is none.
 *
 * Bytes of another realm (a frame, jsdom), other views, and bytes in shared or resizable memory are copied, because a
 * browser's `send()` refuses some of them.
 *
 * @throws TypeError for bytes whose memory was transferred elsewhere
 */
export function toPayload(value: unknown): Payload | undefined {
  if (typeof value === "string") return value;
  if (!ArrayBuffer.isView(value)) return undefined;
  const { buffer, byteOffset, byteLength } = value;
  const isResizable = (buffer as { readonly resizable?: boolean }).resizable === true;
  if (value instanceof Uint8Array && byteLength > 0 && buffer instanceof ArrayBuffer && !isResizable) return value;
  return new Uint8Array(new Uint8Array(buffer, byteOffset, byteLength));
}

/** Returns the bytes of `payload` on the wire, before framing and compression. Text counts as UTF-8 and is not encoded. */
export function byteLength(payload: Payload): number {
  if (typeof payload !== "string") return payload.byteLength;
  let bytes = payload.length;
  for (let i = 0; i < payload.length; i++) {
    const unit = payload.charCodeAt(i);
    if (unit < 0x80) continue;
    bytes += unit < 0x800 ? 1 : 2;
    // A surrogate pair is four bytes of UTF-8. A lone surrogate is sent as U+FFFD, which is three.
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
