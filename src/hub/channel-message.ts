import type { Payload } from "../base/payload.ts";
import { MESSAGE } from "../channels/protocol/methods.ts";
import { type CodecLike, unmarshal } from "../codec/codec.ts";
import type { LogEntry, Position } from "../server/engine.ts";
import { SharedFrame } from "./shared-frame.ts";

/** One entry of a channel's log, with the frame that all its subscribers get. */
export class ChannelMessage {
  readonly previous: Position | null;
  readonly position: Position | null;
  readonly data: Payload;
  readonly frame: SharedFrame;

  constructor(channel: string, { previous, position, data }: LogEntry, codec: CodecLike<unknown, unknown>) {
    this.previous = previous;
    this.position = position;
    this.data = data;
    this.frame = new SharedFrame(MESSAGE, () => [channel, previous, position, unmarshal(codec, data)]);
  }
}
