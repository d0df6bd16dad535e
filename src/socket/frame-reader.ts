import { BINARY, EXTENSION_BITS, FIN, KEY_BYTES, LENGTH_16, LENGTH_64, MASKED, OPCODE, TEXT, unmask } from "./frame.ts";
import type { Tcp } from "./tcp.ts";

/** The part of an adapter that a reader calls. */
export interface FrameReaderOwner {
  /** Called with a message: the bytes of `chunk` from `start` to `end`. */
  onFrame(chunk: Buffer, start: number, end: number, isBinary: boolean): void;
}

/** A TCP socket that has a reader of frames. */
interface ReadTcp extends Tcp {
  readonly [READER]: FrameReader;
}

/** The listener by which `ws` reads a TCP socket. */
type DataListener = (this: Tcp, chunk: Buffer) => void;

const READER = Symbol("frame reader");
const PING = 9;
const PONG = 10;
const WHOLE_TEXT = FIN | TEXT;
const WHOLE_BINARY = FIN | BINARY;
/** Bytes of the longest header: two, eight for the length, and the key. */
const MAX_HEADER_BYTES = 10 + KEY_BYTES;
/** A shorter chunk is unmasked byte by byte, because a view of its words takes as long as some 60 bytes do (Node 20). */
const MIN_BYTES_FOR_WORDS = 128;
const NO_BYTES = Buffer.alloc(0);

/**
 * Reads the messages that came whole, and leaves all other frames to `ws`.
 *
 * `ws` makes two to four buffers and emits two events for each message, which is most of what a small message costs its
 * receiver. Here a message that lies in one frame and in one chunk of the network is decoded where it lies. Measured with
 * `npm run bench -- --only down --only resume-up`.
 *
 * Both read the same bytes in the same order, because `ws` is passed each byte of the frames that are not read here as
 * soon as it came. So `ws` can go on alone between any two bytes. It does so for good at a close frame, at a frame that
 * breaks RFC 6455, and where it did not emit a message at once.
 */
export class FrameReader {
  readonly #tcp: Tcp;
  readonly #ws: DataListener;
  readonly #owner: FrameReaderOwner;
  /** The mask bit that each frame of the peer must have (RFC 6455, section 5.1). */
  readonly #maskBit: number;
  readonly #maxBytes: number;
  /** Whether `ws` emits messages at once. Unknown before the first one, because its option is not public. */
  #isPrompt = false;
  /** Whether `ws` has a part of a message, and not its last frame. */
  #isInParts = false;
  /** Whether `ws` is to emit a message at the end of the frame that it was passed. */
  #isMessageDue = false;
  #hasEmitted = false;
  /** Bytes to come of the frame that `ws` was passed the beginning of. */
  #bytesLeft = 0;
  /** The bytes that `ws` was passed of a frame whose header is not complete. */
  #partialHeader = NO_BYTES;

  /** Reads `tcp` in place of `ws`. Returns undefined, and does nothing, where something else listens for its data. */
  static takeOver(tcp: Tcp, isMasked: boolean, maxBytes: number, owner: FrameReaderOwner): FrameReader | undefined {
    const [ws, ...others] = tcp.listeners("data");
    return ws && others.length === 0 ? new FrameReader(tcp, ws as DataListener, isMasked, maxBytes, owner) : undefined;
  }

  private constructor(tcp: Tcp, ws: DataListener, isMasked: boolean, maxBytes: number, owner: FrameReaderOwner) {
    this.#tcp = tcp;
    this.#ws = ws;
    this.#owner = owner;
    this.#maskBit = isMasked ? MASKED : 0;
    this.#maxBytes = maxBytes;
    Object.defineProperty(tcp, READER, { value: this });
    tcp.on("data", onData);
    tcp.removeListener("data", ws);
  }

  /** Called with each message that `ws` emits. */
  onMessageOfWs(): void {
    this.#hasEmitted = true;
  }

  /** Reads nothing more, and leaves the connection as it is. */
  stop(): void {
    this.#tcp.removeListener("data", onData);
  }

  read(chunk: Buffer): void {
    const { length } = chunk;
    const keyBytes = this.#maskBit === 0 ? 0 : KEY_BYTES;
    let words: Int32Array | undefined;
    let at = this.#bytesLeft > 0 || this.#partialHeader.length > 0 ? this.#passFrame(chunk, 0) : 0;
    while (at < length) {
      const first = chunk[at];
      // More than any length, where the header is not whole or its mask bit is wrong.
      const code = at + 4 > length ? LENGTH_64 : (chunk[at + 1] as number) ^ this.#maskBit;
      const bytes = code === LENGTH_16 ? chunk.readUInt16BE(at + 2) : code;
      const start = at + keyBytes + (code === LENGTH_16 ? 4 : 2);
      const end = start + bytes;
      const isMessage = (first === WHOLE_TEXT || first === WHOLE_BINARY) && this.#isPrompt && !this.#isInParts;
      if (!isMessage || code >= LENGTH_64 || end > length || bytes > this.#maxBytes) {
        at = this.#passFrame(chunk, at);
        continue;
      }
      if (keyBytes > 0) {
        if (length >= MIN_BYTES_FOR_WORDS) words ??= wordsOf(chunk);
        unmask(chunk, words, start, end);
      }
      this.#owner.onFrame(chunk, start, end, first === WHOLE_BINARY);
      at = end;
    }
  }

  /** Passes `ws` what `chunk` has of the frame that begins at `at`, or goes on there. Returns where the next one begins. */
  #passFrame(chunk: Buffer, at: number): number {
    if (this.#bytesLeft === 0) {
      const passed = this.#partialHeader.length;
      const head = Buffer.concat([this.#partialHeader, chunk.subarray(at, at + MAX_HEADER_BYTES - passed)]);
      const bytes = frameBytes(head);
      if (bytes === undefined) {
        this.#partialHeader = head;
        this.#pass(chunk, at, chunk.length);
        return chunk.length;
      }
      this.#partialHeader = NO_BYTES;
      if (!this.#isExpected(head)) return this.#leaveToWs(chunk, at);
      this.#bytesLeft = bytes - passed;
    }
    const end = Math.min(at + this.#bytesLeft, chunk.length);
    this.#bytesLeft -= end - at;
    this.#pass(chunk, at, end);
    if (this.#bytesLeft > 0 || !this.#isMessageDue) return end;
    if (!this.#hasEmitted) return this.#leaveToWs(chunk, end);
    this.#isPrompt = true;
    return end;
  }

  /**
   * Whether `ws` may be passed a frame with this header without leaving it all that follows. Notes what the frame means for
   * the next ones. A part of a message that has no place here is found by the message that `ws` does not emit then.
   */
  #isExpected(head: Buffer): boolean {
    const first = head[0] as number;
    const second = head[1] as number;
    const opcode = first & OPCODE;
    const isLast = first >= FIN;
    if ((first & EXTENSION_BITS) !== 0 || (second & MASKED) !== this.#maskBit) return false;
    this.#hasEmitted = false;
    this.#isMessageDue = isLast && opcode <= BINARY;
    if (opcode === PING || opcode === PONG) return isLast && (second & ~MASKED) < LENGTH_16;
    this.#isInParts = !isLast;
    return opcode <= BINARY;
  }

  #leaveToWs(chunk: Buffer, at: number): number {
    this.stop();
    this.#tcp.on("data", this.#ws);
    if (at < chunk.length) this.#pass(chunk, at, chunk.length);
    return chunk.length;
  }

  #pass(chunk: Buffer, start: number, end: number): void {
    this.#ws.call(this.#tcp, chunk.subarray(start, end));
  }
}

// Shared by all sockets, because a closure for each costs 64 bytes.
function onData(this: ReadTcp, chunk: Buffer): void {
  this[READER].read(chunk);
}

/** Returns the bytes of a frame, its header included; undefined where the header is not complete. */
function frameBytes(head: Buffer): number | undefined {
  if (head.length < 2) return undefined;
  const second = head[1] as number;
  const code = second & ~MASKED;
  const lengthBytes = code === LENGTH_64 ? 8 : code === LENGTH_16 ? 2 : 0;
  const headerBytes = 2 + lengthBytes + (second & MASKED ? KEY_BYTES : 0);
  if (head.length < headerBytes) return undefined;
  if (lengthBytes === 0) return headerBytes + code;
  if (lengthBytes === 2) return headerBytes + head.readUInt16BE(2);
  return headerBytes + Number(head.readBigUInt64BE(2));
}

/** Returns the memory of `chunk` as words, or undefined where it does not begin with one. */
function wordsOf({ buffer, byteOffset, length }: Buffer): Int32Array | undefined {
  return byteOffset % 4 === 0 ? new Int32Array(buffer, byteOffset, length >> 2) : undefined;
}
