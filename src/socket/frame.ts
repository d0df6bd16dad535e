import { randomFillSync } from "node:crypto";
import type { Payload } from "../base/payload.ts";

/** Memory for frames, in bytes and in words. Both begin at the same address, which is a multiple of four. */
export interface FrameBuffer {
  readonly bytes: Buffer;
  readonly words: Int32Array;
}

const FIN = 0x80;
const TEXT = 1;
const BINARY = 2;
const MASKED = 0x80;
const KEY_BYTES = 4;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
const MAX_SHORT_BYTES = 125;
const MAX_UINT16 = 65_535;
/** Bytes before the payload, at most, in a frame of up to 65,535 bytes. */
export const MAX_HEADER_BYTES = 4 + KEY_BYTES;
/** A shorter text is encoded here, because a call into V8 takes as long as this many characters (Node 20). */
const MAX_LOOPED_LENGTH = 96;

/** Secure random keys, made many at a time, because one call takes longer than 1,000 keys do. */
const keys = new Int32Array(2_048);
let keysLeft = 0;
/** The key of one frame, as bytes and as the word that it is in this machine's byte order. */
const key = new Uint8Array(KEY_BYTES);
const keyWord = new Int32Array(key.buffer);
/** The same key, turned so that it fits the next whole word of the payload. */
const turned = new Uint8Array(KEY_BYTES);
const turnedWord = new Int32Array(turned.buffer);

/** Creates memory for so many bytes of frames at least. */
export function createFrameBuffer(size: number): FrameBuffer {
  const bytes = Buffer.allocUnsafeSlow(Math.ceil(size / 4) * 4);
  return { bytes, words: new Int32Array(bytes.buffer) };
}

/** Returns the most bytes that the payload can have in a frame. Text is not counted, because writing it counts it too. */
export function mostBytes(payload: Payload): number {
  return typeof payload === "string" ? payload.length * 3 : payload.length;
}

/**
 * Writes the frame of a payload of up to 65,535 bytes at `at`, and returns where it ends (RFC 6455, section 5.2). A client's
 * frame is masked with a key of its own that nobody can foresee (RFC 6455, sections 5.3 and 10.3).
 */
export function writeFrame(buffer: FrameBuffer, at: number, payload: Payload, isMasked: boolean): number {
  const { bytes } = buffer;
  const { length } = payload;
  const keyBytes = isMasked ? KEY_BYTES : 0;
  let start = at + keyBytes + (length > MAX_SHORT_BYTES ? 4 : 2);
  const size = writePayload(bytes, start, payload);
  // Text has more bytes than characters, which may lengthen the header.
  if (size > MAX_SHORT_BYTES && length <= MAX_SHORT_BYTES) {
    bytes.copyWithin(start + 2, start, start + size);
    start += 2;
  }
  bytes[at] = FIN | (typeof payload === "string" ? TEXT : BINARY);
  const maskBit = isMasked ? MASKED : 0;
  if (size > MAX_SHORT_BYTES) {
    bytes[at + 1] = maskBit | LENGTH_16;
    bytes[at + 2] = size >> 8;
    bytes[at + 3] = size & 0xff;
  } else bytes[at + 1] = maskBit | size;
  if (isMasked) mask(buffer, start, start + size);
  return start + size;
}

/** Returns a server's frame of a payload of any length, which all clients can be sent. */
export function createServerFrame(payload: Payload): Uint8Array {
  const isText = typeof payload === "string";
  const size = isText ? Buffer.byteLength(payload) : payload.length;
  const headerBytes = size > MAX_UINT16 ? 10 : size > MAX_SHORT_BYTES ? 4 : 2;
  const bytes = Buffer.allocUnsafeSlow(headerBytes + size);
  bytes[0] = FIN | (isText ? TEXT : BINARY);
  bytes[1] = size > MAX_UINT16 ? LENGTH_64 : size > MAX_SHORT_BYTES ? LENGTH_16 : size;
  if (headerBytes === 4) bytes.writeUInt16BE(size, 2);
  else if (headerBytes === 10) bytes.writeBigUInt64BE(BigInt(size), 2);
  if (isText) bytes.write(payload, headerBytes);
  else bytes.set(payload, headerBytes);
  return bytes;
}

/** Writes a payload as it is, and returns how many bytes it took. */
function writePayload(bytes: Buffer, start: number, payload: Payload): number {
  if (typeof payload !== "string") {
    bytes.set(payload, start);
    return payload.length;
  }
  const { length } = payload;
  if (length > MAX_LOOPED_LENGTH) return bytes.write(payload, start);
  for (let i = 0; i < length; i++) {
    const unit = payload.charCodeAt(i);
    if (unit > 0x7f) return bytes.write(payload, start);
    bytes[start + i] = unit;
  }
  return length;
}

/** Masks a payload with a new key, which it puts before the payload. Masks whole words where it can. */
function mask({ bytes, words }: FrameBuffer, start: number, end: number): void {
  if (keysLeft === 0) {
    randomFillSync(keys);
    keysLeft = keys.length;
  }
  keyWord[0] = keys[--keysLeft] as number;
  for (let i = 0; i < KEY_BYTES; i++) bytes[start - KEY_BYTES + i] = key[i] as number;
  const firstWord = (start + 3) >> 2;
  const lastWord = end >> 2;
  if (firstWord >= lastWord) return maskBytes(bytes, start, start, end);
  const shift = (firstWord << 2) - start;
  for (let i = 0; i < KEY_BYTES; i++) turned[i] = key[(shift + i) & 3] as number;
  const word = turnedWord[0] as number;
  maskBytes(bytes, start, start, firstWord << 2);
  for (let i = firstWord; i < lastWord; i++) words[i] = (words[i] as number) ^ word;
  maskBytes(bytes, start, lastWord << 2, end);
}

function maskBytes(bytes: Buffer, start: number, from: number, to: number): void {
  for (let i = from; i < to; i++) bytes[i] = (bytes[i] as number) ^ (key[(i - start) & 3] as number);
}
