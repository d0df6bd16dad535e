import type { Payload } from "../base/payload.ts";
import { createFrame, createFrameBuffer, type FrameBuffer, MAX_HEADER_BYTES, mostBytes, writeFrame } from "./frame.ts";
import { hasNativeMask } from "./native-mask.ts";
import type { Tcp } from "./tcp.ts";
import { type Corkable, noteWrite, scheduleUncork } from "./write-batch.ts";

/** A socket that has a writer of frames. */
interface Guarded extends Tcp {
  readonly [WRITER]: FrameWriter;
}

const WRITER = Symbol("frame writer");
const BUFFER_BYTES = 16_384;
/**
 * Payloads that may be longer have no place in the buffer: a quarter of it, so that its end is not left empty too often. A
 * server leaves them to `ws`, which writes them as they are; a client frames them in memory of their own, because `ws`
 * masks byte by byte, unless the addon `bufferutil` does it. CPU µs a message, 16 a turn, as `npm run bench:frames` prints
 * them (Node 20, without the addon):
 *
 * | bytes | up: the buffer, own memory, `ws` | binary down: the buffer, own memory, `ws` |
 * |--:|---|---|
 * | 256 | 0.36, 0.98, 0.95 | 0.27, 0.80, 1.08 |
 * | 2,048 | 1.37, 1.92, 3.56 | 0.60, 0.97, 1.13 |
 * | 4,096 | 2.36, 2.75, 6.27 | 0.81, 1.26, 1.26 |
 * | 8,192 | 3.41, 3.92, 11.1 | 1.42, 1.84, 1.93 |
 * | 16,384 | 6.79, 6.54, 21.2 | 2.79, 4.39, 3.40 |
 * | 65,536 | –, 24.4, 85.1 | –, 11.4, 13.4 |
 *
 * With the addon `ws` takes 1.37 for 4,096 bytes up and 15.8 for 65,536, and so frames all that is longer.
 */
const MAX_BUFFERED_BYTES = 4_096;

/** Memory for the frames of all connections, one after another. Memory that was written once is not used again. */
let buffer: FrameBuffer | undefined;
/** The writer whose frames stand at the end of the used memory, not yet handed to its socket, and where they begin. */
let pendingWriter: FrameWriter | undefined;
let pendingFrom = 0;
let used = BUFFER_BYTES;

/** The payload that is sent to many clients now, and its frame, once one of them needed it. */
let shared: { readonly payload: Payload; frame: Uint8Array | undefined } | undefined;

/**
 * Runs `act`, within which all servers' connections that are sent this very `payload` share one frame of it: for a message
 * to many clients. A string counts as the same by its content, bytes by their identity; they must not change meanwhile.
 */
export function shareFrame(payload: Payload, act: () => void): void {
  const outer = shared;
  shared = { payload, frame: undefined };
  try {
    act();
  } finally {
    shared = outer;
  }
}

/**
 * Writes a turn's messages to a TCP socket in one go, and frames small ones itself.
 *
 * `ws` makes two buffers, a mask and a callback for each message, which is most of what a small message costs. Here the
 * frames of a turn are written into one buffer, and the socket is called once. Measured with
 * `npm run bench -- --only up-1000 --only up-50 --only json`.
 */
export class FrameWriter implements Corkable {
  readonly #tcp: Tcp;
  /** Whether frames are masked, once this writer frames messages; until then `ws` frames all. */
  #isMasked: boolean | undefined;
  #framesLong = false;
  #isScheduled = false;
  #isCorked = false;
  /** Whether the network was behind when this turn began. */
  #isBehind = false;
  /**
   * A shared frame that is the only message of the turn so far. Most turns of a fan-out have one, and a socket that is
   * corked and uncorked for one frame costs a third more (`npm run bench:channels`).
   */
  #single: Uint8Array | undefined;

  constructor(tcp: Tcp) {
    this.#tcp = tcp;
  }

  /**
   * Frames small messages from here on, masked as a client's are, and long ones where `framesLong`. Does nothing on a
   * socket that somebody has changed.
   */
  takeOver(isMasked: boolean, framesLong: boolean = isMasked && !hasNativeMask()): void {
    const tcp = this.#tcp;
    if (Object.hasOwn(tcp, "write") || Object.hasOwn(tcp, "end")) return;
    this.#isMasked = isMasked;
    this.#framesLong = framesLong;
    Object.defineProperty(tcp, WRITER, { value: this });
    // So that pings, close frames and long messages of ws keep their place behind the frames that wait here.
    Object.defineProperty(tcp, "write", GUARDED_WRITE);
    Object.defineProperty(tcp, "end", GUARDED_END);
  }

  /** Whether messages are framed here, and not all by `ws`. */
  get isInUse(): boolean {
    return this.#isMasked !== undefined;
  }

  /** Bytes of frames that the socket was not handed yet. */
  get pendingBytes(): number {
    if (this.#single) return this.#single.length;
    return pendingWriter === this ? used - pendingFrom : 0;
  }

  /** Takes the message, or returns false where `ws` is to frame it, after `cork()`. */
  write(payload: Payload): boolean {
    if (this.#isMasked === undefined) return false;
    if (shared?.payload === payload && !this.#isMasked) {
      shared.frame ??= createFrame(payload, false);
      this.#writeShared(shared.frame);
      return true;
    }
    const most = mostBytes(payload);
    if (most > MAX_BUFFERED_BYTES) return this.#writeLong(payload);
    // Before memory is reserved, so that a shared frame and others never wait here together.
    if (this.#single) this.seal();
    const target = this.#reserve(most + MAX_HEADER_BYTES);
    used = writeFrame(target, used, payload, this.#isMasked);
    this.#schedule();
    return true;
  }

  /** Holds what is written back until the end of the turn. */
  cork(): void {
    this.seal();
    this.#schedule();
    this.#corkNow();
  }

  /** Hands the frames that wait here to the socket, which holds them back until the end of the turn. */
  seal(): void {
    if (pendingWriter !== this && !this.#single) return;
    this.#corkNow();
    this.#handOver();
  }

  /** Writes all that waits to the network. */
  uncork(): void {
    this.#isScheduled = false;
    if (!this.#isCorked) {
      this.#isBehind = this.#tcp.writableLength > 0;
      return this.#handOver();
    }
    this.#handOver();
    this.#isCorked = false;
    this.#tcp.uncork?.();
  }

  #writeShared(frame: Uint8Array): void {
    if (this.#isScheduled) {
      this.cork();
      this.#tcp.write(frame);
    } else {
      this.#single = frame;
      this.#schedule();
    }
  }

  #writeLong(payload: Payload): boolean {
    if (!this.#framesLong) return false;
    const frame = createFrame(payload, this.#isMasked === true);
    this.cork();
    this.#tcp.write(frame);
    return true;
  }

  /** Returns memory for one more frame, behind those that this writer has there already. */
  #reserve(bytes: number): FrameBuffer {
    if (pendingWriter !== this) pendingWriter?.seal();
    if (!buffer || used + bytes > BUFFER_BYTES) {
      this.seal();
      buffer = createFrameBuffer(BUFFER_BYTES);
      used = 0;
    }
    if (pendingWriter !== this) {
      pendingWriter = this;
      pendingFrom = used;
    }
    return buffer;
  }

  #handOver(): void {
    const single = this.#single;
    if (single) {
      this.#single = undefined;
      this.#tcp.write(single);
    }
    if (pendingWriter !== this) return;
    pendingWriter = undefined;
    const frames = (buffer as FrameBuffer).bytes.subarray(pendingFrom, used);
    // A copy for a slow peer, because each part would keep the whole buffer, and its peer alone decides for how long.
    this.#tcp.write(this.#isBehind ? Buffer.from(frames) : frames);
  }

  #schedule(): void {
    noteWrite();
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    scheduleUncork(this);
  }

  #corkNow(): void {
    if (this.#isCorked) return;
    this.#isCorked = true;
    this.#isBehind = this.#tcp.writableLength > 0;
    this.#tcp.cork?.();
  }
}

// Shared by all sockets, because a closure for each would outweigh the writer.
const GUARDED_WRITE = guarded("write");
const GUARDED_END = guarded("end");

function guarded(name: "write" | "end"): PropertyDescriptor {
  return {
    configurable: true,
    writable: true,
    value(this: Guarded, ...given: unknown[]): unknown {
      this[WRITER].seal();
      return Reflect.apply(Object.getPrototypeOf(this)[name], this, given);
    },
  };
}
