import { randomFillSync } from "node:crypto";
import type { Payload } from "../base/payload.ts";

/** Memory for frames, in bytes and in words. Both begin at the same address, which is a multiple of four. */
export interface FrameBuffer {
  readonly bytes: Buffer;
  readonly words: Int32Array;
}

// The first byte of a frame: FIN, three bits of extensions, and the opcode (RFC 6455, section 5.2).
export const FIN = 0x80;
export const EXTENSION_BITS = 0x70;
export const OPCODE = 0x0f;
export const TEXT = 1;
export const BINARY = 2;
// The second byte: the mask bit, and the length or how many bytes it takes.
export const MASKED = 0x80;
export const LENGTH_16 = 126;
export const LENGTH_64 = 127;
export const KEY_BYTES = 4;
export const MAX_SHORT_BYTES = 125;
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

/** Returns the frame of a payload of any length, in memory of its own. All clients can be sent the same frame of a server. */
export function createFrame(payload: Payload, isMasked: boolean): Uint8Array {
  const isText = typeof payload === "string";
  const size = isText ? Buffer.byteLength(payload) : payload.length;
  const lengthBytes = size > MAX_UINT16 ? 8 : size > MAX_SHORT_BYTES ? 2 : 0;
  const start = 2 + lengthBytes + (isMasked ? KEY_BYTES : 0);
  const buffer = createFrameBuffer(start + size);
  const { bytes } = buffer;
  bytes[0] = FIN | (isText ? TEXT : BINARY);
  const lengthCode = lengthBytes === 8 ? LENGTH_64 : lengthBytes === 2 ? LENGTH_16 : size;
  bytes[1] = (isMasked ? MASKED : 0) | lengthCode;
  if (lengthBytes === 2) bytes.writeUInt16BE(size, 2);
  else if (lengthBytes === 8) bytes.writeBigUInt64BE(BigInt(size), 2);
  if (isText) bytes.write(payload, start);
  else bytes.set(payload, start);
  if (isMasked) mask(buffer, start, start + size);
  return bytes.subarray(0, start + size);
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

/** Masks a payload with a new key, which it puts before the payload. */
function mask({ bytes, words }: FrameBuffer, start: number, end: number): void {
  if (keysLeft === 0) {
    randomFillSync(keys);
    keysLeft = keys.length;
  }
  keyWord[0] = keys[--keysLeft] as number;
  for (let i = 0; i < KEY_BYTES; i++) bytes[start - KEY_BYTES + i] = key[i] as number;
  applyKey(bytes, words, start, end);
}

/**
 * Unmasks a payload in place, with the key that stands before it (RFC 6455, section 5.3).
 *
 * @param words the same memory as `bytes`, from the same address, which makes a long payload faster
 */
export function unmask(bytes: Uint8Array, words: Int32Array | undefined, start: number, end: number): void {
  for (let i = 0; i < KEY_BYTES; i++) key[i] = bytes[start - KEY_BYTES + i] as number;
  if (words) applyKey(bytes, words, start, end);
  else applyKeyToBytes(bytes, start, start, end);
}

/** Changes every byte of a payload by `key`, whole words at once where it can. */
function applyKey(bytes: Uint8Array, words: Int32Array, start: number, end: number): void {
  const firstWord = (start + 3) >> 2;
  const lastWord = end >> 2;
  if (firstWord >= lastWord) return applyKeyToBytes(bytes, start, start, end);
  const shift = (firstWord << 2) - start;
  for (let i = 0; i < KEY_BYTES; i++) turned[i] = key[(shift + i) & 3] as number;
  const word = turnedWord[0] as number;
  applyKeyToBytes(bytes, start, start, firstWord << 2);
  for (let i = firstWord; i < lastWord; i++) words[i] = (words[i] as number) ^ word;
  applyKeyToBytes(bytes, start, lastWord << 2, end);
}

function applyKeyToBytes(bytes: Uint8Array, start: number, from: number, to: number): void {
  for (let i = from; i < to; i++) bytes[i] = (bytes[i] as number) ^ (key[(i - start) & 3] as number);
}
