const HEAD_END = "\r\n\r\n";

/** Finds where frames begin in the bytes of one side of a WebSocket, from its HTTP head on (RFC 6455, section 5.2). */
export class FrameScanner {
  /** The end of the HTTP head, or the header of a frame, as far as it has come. */
  #head = Buffer.alloc(0);
  #isUpgraded = false;
  /** Bytes of the present frame that are still to come. */
  #left = 0;

  /** Takes the next chunk, and returns the frames that begin in it: the position of their first byte, and their length. */
  take(chunk: Buffer): { readonly at: number; readonly size: number }[] {
    const frames: { at: number; size: number }[] = [];
    for (let place = 0; place < chunk.length; ) {
      if (this.#left > 0) {
        const step = Math.min(this.#left, chunk.length - place);
        this.#left -= step;
        place += step;
        continue;
      }
      if (!this.#isUpgraded) {
        place = this.#headEnd(chunk);
        continue;
      }
      this.#head = Buffer.concat([this.#head, chunk.subarray(place, ++place)]);
      const size = sizeOf(this.#head);
      if (size === undefined) continue;
      frames.push({ at: place - this.#head.length, size });
      this.#left = size - this.#head.length;
      this.#head = Buffer.alloc(0);
    }
    return frames;
  }

  /** Returns where the first frame may begin. */
  #headEnd(chunk: Buffer): number {
    const head = Buffer.concat([this.#head, chunk]);
    const end = head.indexOf(HEAD_END);
    this.#isUpgraded = end >= 0;
    const place = this.#isUpgraded ? end + HEAD_END.length - this.#head.length : chunk.length;
    this.#head = this.#isUpgraded ? Buffer.alloc(0) : head.subarray(1 - HEAD_END.length);
    return place;
  }
}

/** Returns the bytes of the frame that begins with `head`, once the head is complete. */
function sizeOf(head: Buffer): number | undefined {
  const [, second] = head;
  if (second === undefined) return undefined;
  const mask = second & 0x80 ? 4 : 0;
  const length = second & 0x7f;
  if (length < 126) return 2 + mask + length;
  if (length === 126) return head.length < 4 ? undefined : 4 + mask + head.readUInt16BE(2);
  return head.length < 10 ? undefined : 10 + mask + Number(head.readBigUInt64BE(2));
}
