import type { Payload } from "../base/payload.ts";
import { marshal } from "../codec/codec.ts";
import { requestFrame } from "../rpc/frames.ts";
import { shareFrame } from "../socket/frame-writer.ts";
import type { FrameCodec } from "./hub-conn.ts";

/** A notification for many Conns, marshalled once for each codec object, when it is first written. */
export class SharedFrame {
  readonly #method: string;
  readonly #params: () => object;
  #codec: FrameCodec | undefined;
  #payload: Payload | undefined;
  /** Payloads of further codecs. Most servers have one. */
  #others: Map<FrameCodec, Payload> | undefined;

  constructor(method: string, params: () => object) {
    this.#method = method;
    this.#params = params;
  }

  /** @throws ConnError `marshal`, and whatever `params` throws */
  payloadFor(codec: FrameCodec): Payload {
    if (codec === this.#codec) return this.#payload as Payload;
    const known = this.#others?.get(codec);
    if (known !== undefined) return known;
    const payload = marshal(codec, requestFrame(this.#method, this.#params()));
    if (!this.#codec) {
      this.#codec = codec;
      this.#payload = payload;
    } else {
      this.#others ??= new Map();
      this.#others.set(codec, payload);
    }
    return payload;
  }

  /** Runs `act`, within which all Conns of this codec that are written the frame share its bytes. */
  share(codec: FrameCodec, act: () => void): void {
    let payload: Payload;
    try {
      payload = this.payloadFor(codec);
    } catch {
      // Reported for each client that is written the frame.
      return act();
    }
    shareFrame(payload, act);
  }
}
