import type { ElementCounter } from "./decode-bounds.ts";

/** A number holds each integer of 64 bits exactly whose upper 32 are at most this. */
const MAX_EXACT_HIGH = 0x1fffff;

// For each head from 0xc0 to 0xdf: the bytes that give a length, and the bytes of content that do not depend on it.
const WIDTHS = [0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4];
const FIXED = [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 2, 3, 5, 9, 17, 0, 0, 0, 0, 0, 0, 0];
const UINT64 = 0xcf;
const INT64 = 0xd3;
const ARRAY_16 = 0xdc;
const MAP_16 = 0xde;

/**
 * Reads the heads of one MessagePack value before it is decoded. The decoder allocates as many elements as a head claims, and
 * a record for each level: five bytes could cost 32 GiB. Each element takes a byte at least, so no more of them may be
 * outstanding than bytes are left.
 *
 * @param bigints Whether integers that a number can't hold exactly may pass.
 * @throws RangeError for what is truncated, beyond the bounds of `counter`, or no exact number
 */
export function checkMsgpack(bytes: Uint8Array, bigints: boolean, counter: ElementCounter): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let outstanding = 1;
  let at = 0;
  while (outstanding > 0) {
    if (outstanding > bytes.length - at) throw new RangeError("The message is shorter than it claims.");
    const head = view.getUint8(at++);
    outstanding--;
    let count = 0;
    // In order: a small number, a small map, a small array, a short string, and all else by the tables.
    if (head < 0x80 || head >= 0xe0) count = 0;
    else if (head < 0x90) count = 2 * (head & 0x0f);
    else if (head < 0xa0) count = head & 0x0f;
    else if (head < 0xc0) at += head & 0x1f;
    else {
      if (!bigints && (head === UINT64 || head === INT64)) checkExact(view, at, head);
      const width = WIDTHS[head - 0xc0] as number;
      const length = readLength(view, at, width);
      at += width + (FIXED[head - 0xc0] as number);
      if (head < ARRAY_16) at += length;
      else count = head < MAP_16 ? length : 2 * length;
    }
    counter.add(count);
    outstanding += count;
  }
}

function readLength(view: DataView, at: number, width: number): number {
  if (width === 1) return view.getUint8(at);
  if (width === 2) return view.getUint16(at);
  return width === 4 ? view.getUint32(at) : 0;
}

function checkExact(view: DataView, at: number, head: number): void {
  const high = head === INT64 ? view.getInt32(at) : view.getUint32(at);
  if (high <= MAX_EXACT_HIGH && high >= -MAX_EXACT_HIGH - 1) return;
  throw new RangeError("A 64-bit integer is beyond what a number holds exactly: set the bigints option.");
}
