import type { Payload } from "../base/payload.ts";
import {
  createFrameBuffer,
  createServerFrame,
  type FrameBuffer,
  MAX_HEADER_BYTES,
  mostBytes,
  writeFrame,
} from "./frame.ts";
import type { Tcp } from "./tcp.ts";
import { type Corkable, noteWrite, scheduleUncork } from "./write-batch.ts";

/** A socket that has a writer of frames. */
interface Guarded extends Tcp {
  readonly [WRITER]: FrameWriter;
}

const WRITER = Symbol("frame writer");
const BUFFER_BYTES = 16_384;
/** Payloads that may be longer are framed by `ws`: a quarter of the buffer, so that its end is not left empty too often. */
const MAX_OWN_BYTES = 4_096;

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

  /** Frames small messages from here on, masked as a client's are. Does nothing on a socket that somebody has changed. */
  takeOver(isMasked: boolean): void {
    const tcp = this.#tcp;
    if (Object.hasOwn(tcp, "write") || Object.hasOwn(tcp, "end")) return;
    this.#isMasked = isMasked;
    Object.defineProperty(tcp, WRITER, { value: this });
    // So that pings, close frames and long messages of ws keep their place behind the frames that wait here.
    Object.defineProperty(tcp, "write", GUARDED_WRITE);
    Object.defineProperty(tcp, "end", GUARDED_END);
  }

  /** Whether small messages are framed here, and not by `ws`. */
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
      shared.frame ??= createServerFrame(payload);
      this.#writeShared(shared.frame);
      return true;
    }
    const most = mostBytes(payload);
    if (most > MAX_OWN_BYTES) return false;
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
