import { BINARY, EXTENSION_BITS, FIN, KEY_BYTES, LENGTH_16, LENGTH_64, MASKED, OPCODE, TEXT, unmask } from "./frame.ts";
import type { Tcp } from "./tcp.ts";

/** The part of an adapter that a reader calls. */
export interface FrameReaderOwner {
  /** Called with a message: the bytes of `chunk` from `start` to `end`. */
  onFrame(chunk: Buffer, start: number, end: number, isBinary: boolean): void;
  /** Called when the bytes behind a message are gone, because its receiver transferred the memory of the chunk. */
  onTransfer(): void;
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
const NO_CHUNKS: Buffer[] = [];

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
  /**
   * Whether `ws` emitted the last message at once, and can have refused nothing since. Unknown before the first one, because
   * its option is not public.
   */
  #isPrompt = false;
  /** Whether `ws` has a part of a message, and not its last frame. */
  #isInParts = false;
  /** Whether `ws` is to emit a message at the end of the frame that it was passed. */
  #isMessageDue = false;
  #hasEmitted = false;
  /** Bytes to come of the frame that `ws` was passed the beginning of. */
  #bytesLeft = 0;
  /** The bytes that `ws` was passed of a frame whose header is not complete. */
  #partialHeader: Buffer = NO_BYTES;
  /** Chunks that came while one is read; undefined while none is. */
  #waiting: Buffer[] | undefined;

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

  /** Reads no more messages, as if a frame without an end had begun. */
  stop(): void {
    this.#bytesLeft = Number.POSITIVE_INFINITY;
    this.#tcp.removeListener("data", onData);
  }

  /** Reads a chunk, behind the one that is being read, because a stream in this process may emit data on the reader's stack. */
  read(chunk: Buffer): void {
    if (this.#waiting) {
      if (this.#waiting === NO_CHUNKS) this.#waiting = [];
      this.#waiting.push(chunk);
      return;
    }
    this.#waiting = NO_CHUNKS;
    let isRead = false;
    try {
      this.#readChunk(chunk);
      for (const next of this.#waiting) this.#readChunk(next);
      isRead = true;
    } finally {
      this.#waiting = undefined;
      // The end of the chunk is lost, and the next one may begin in the midst of a frame.
      if (!isRead) this.#tcp.destroy();
    }
  }

  #readChunk(chunk: Buffer): void {
    const { length } = chunk;
    const keyBytes = this.#maskBit === 0 ? 0 : KEY_BYTES;
    let words: Int32Array | undefined;
    let at = 0;
    // Frames for ws that lie side by side are passed in one piece, because each call takes longer than a ping.
    let passedTo = 0;
    // Because ws may refuse a frame for its many chunks, and reports that later.
    if (this.#isInFrame) this.#isPrompt = false;
    while (at < length) {
      const first = chunk[at];
      // More than any length, where the header is not whole or its mask bit is wrong.
      const code = at + 4 > length ? LENGTH_64 : (chunk[at + 1] as number) ^ this.#maskBit;
      const bytes = code === LENGTH_16 ? chunk.readUInt16BE(at + 2) : code;
      const start = at + keyBytes + (code === LENGTH_16 ? 4 : 2);
      const end = start + bytes;
      const isMessage = (first === WHOLE_TEXT || first === WHOLE_BINARY) && this.#isPrompt && !this.#isInParts;
      if (isMessage && code < LENGTH_64 && end <= length && bytes <= this.#maxBytes) {
        if (passedTo < at) this.#pass(chunk, passedTo, at);
        if (keyBytes > 0) {
          if (length >= MIN_BYTES_FOR_WORDS) words ??= wordsOf(chunk);
          unmask(chunk, words, start, end);
        }
        this.#owner.onFrame(chunk, start, end, first === WHOLE_BINARY);
        at = end;
        passedTo = end;
        if (at < length && chunk.length === 0) {
          this.stop();
          return this.#owner.onTransfer();
        }
        continue;
      }
      at = this.#skipFrame(chunk, at);
      if (this.#isMessageDue && !this.#isInFrame) {
        this.#isMessageDue = false;
        this.#pass(chunk, passedTo, at);
        passedTo = at;
        this.#isPrompt = this.#hasEmitted;
        if (!this.#hasEmitted) this.#leaveToWs();
      }
    }
    if (passedTo < length) this.#pass(chunk, passedTo, length);
  }

  /** Whether `ws` was passed the beginning of a frame, and not its end. */
  get #isInFrame(): boolean {
    return this.#bytesLeft > 0 || this.#partialHeader.length > 0;
  }

  /** Goes over what `chunk` has of a frame for `ws`, which begins at `at` or goes on there. Returns where the next one begins. */
  #skipFrame(chunk: Buffer, at: number): number {
    if (this.#bytesLeft === 0) {
      const passed = this.#partialHeader.length;
      const rest =
        passed > 0 || chunk.length - at < MAX_HEADER_BYTES ? chunk.subarray(at, at + MAX_HEADER_BYTES) : undefined;
      const head = rest ? Buffer.concat([this.#partialHeader, rest]) : chunk;
      const headAt = rest ? 0 : at;
      const bytes = frameBytes(head, headAt);
      this.#partialHeader = bytes === undefined ? head : NO_BYTES;
      if (bytes === undefined) return chunk.length;
      if (this.#isExpected(head[headAt] as number, head[headAt + 1] as number)) this.#bytesLeft = bytes - passed;
      else this.#leaveToWs();
    }
    const end = Math.min(at + this.#bytesLeft, chunk.length);
    this.#bytesLeft -= end - at;
    return end;
  }

  /**
   * Whether `ws` may be passed a frame with this header without leaving it all that follows. Notes what the frame means for
   * the next ones. A part of a message that has no place here is found by the message that `ws` does not emit then.
   */
  #isExpected(first: number, second: number): boolean {
    const opcode = first & OPCODE;
    const isLast = first >= FIN;
    if ((first & EXTENSION_BITS) !== 0 || (second & MASKED) !== this.#maskBit) return false;
    this.#hasEmitted = false;
    this.#isMessageDue = isLast && opcode <= BINARY;
    if (opcode === PING || opcode === PONG) return isLast && (second & ~MASKED) < LENGTH_16;
    this.#isInParts = !isLast;
    return opcode <= BINARY;
  }

  /** Leaves all that follows to `ws`. */
  #leaveToWs(): void {
    this.stop();
    this.#tcp.on("data", this.#ws);
  }

  #pass(chunk: Buffer, start: number, end: number): void {
    this.#ws.call(this.#tcp, chunk.subarray(start, end));
  }
}

// Shared by all sockets, because a closure for each costs 64 bytes.
function onData(this: ReadTcp, chunk: Buffer): void {
  this[READER].read(chunk);
}

/** Returns the bytes of the frame at `at`, its header included; undefined where the header is not complete. */
function frameBytes(bytes: Buffer, at: number): number | undefined {
  const left = bytes.length - at;
  if (left < 2) return undefined;
  const second = bytes[at + 1] as number;
  const code = second & ~MASKED;
  const lengthBytes = code === LENGTH_64 ? 8 : code === LENGTH_16 ? 2 : 0;
  const headerBytes = 2 + lengthBytes + (second & MASKED ? KEY_BYTES : 0);
  if (left < headerBytes) return undefined;
  if (lengthBytes === 0) return headerBytes + code;
  if (lengthBytes === 2) return headerBytes + bytes.readUInt16BE(at + 2);
  return headerBytes + Number(bytes.readBigUInt64BE(at + 2));
}

/** Returns the memory of `chunk` as words, or undefined where it does not begin with one. */
function wordsOf({ buffer, byteOffset, length }: Buffer): Int32Array | undefined {
  return byteOffset % 4 === 0 ? new Int32Array(buffer, byteOffset, length >> 2) : undefined;
}
