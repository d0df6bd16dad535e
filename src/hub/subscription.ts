import type { SubscribeRequest } from "../channels/protocol/frames.ts";
import type { RefusalCode } from "../channels/protocol/refusals.ts";
import type { Position } from "../server/engine.ts";
import type { ChannelMessage } from "./channel-message.ts";
import type { ChannelRule } from "./channel-rules.ts";
import type { RecentMessages } from "./recent-messages.ts";
import type { SharedFrame } from "./shared-frame.ts";

/**
 * The state of a subscription. `deciding`: the application is asked for its right, or the feed is being attached. `behind`:
 * messages are to be written before it is live. `live`: its position is the feed's. `refused`: `$/refused` is to be written.
 * `ended`: it is no longer served.
 */
export type SubscriptionState = "deciding" | "behind" | "live" | "refused" | "ended";

/** The outcome of a write. `impossible`: the frame is too long for this client, or can't be marshalled. */
export type WriteResult = "written" | "blocked" | "impossible";

/** The client of a subscription, as its delivery sees it. */
export interface SubscribedClient {
  /** Whether less than the mark is buffered. */
  readonly isWritable: boolean;
  /** Writes a frame now or not at all. */
  write(frame: SharedFrame): WriteResult;
  /** Runs `act`, within which all clients that are written `frame` share its bytes. */
  share(frame: SharedFrame, act: () => void): void;
  /** Calls the delivery for `subscription` again when the client is writable. */
  awaitDrain(subscription: Subscription): void;
  /** Called when `$/refused` was written. */
  onRefused(subscription: Subscription): void;
  /** Called when `$/attached` was written for the first time. */
  onAttached(subscription: Subscription): void;
}

/** The feed of a subscription, as its delivery sees it. */
export interface SubscribedFeed {
  readonly channel: string;
  readonly rule: ChannelRule;
  /** The position of the last message that came, null without history. */
  readonly head: Position | null;
  /** The newest messages, undefined without history. */
  readonly recent: RecentMessages | undefined;
  /** Reads the newest messages of the log, once. Rejects as `engine.read()`. */
  fill(): Promise<void>;
  /** Reads a part of the log, once for all calls at the same time. Undefined for a gap. Rejects as `engine.read()`. */
  readAfter(position: Position): Promise<readonly ChannelMessage[] | undefined>;
  /** Reads the position before the newest `count` messages. */
  readStart(count: number): Promise<Position>;
  /** Reads what the feed has missed. Rejects with `unavailable` where that is not known to be all. */
  catchUp(): Promise<void>;
}

/** One channel of one client, on one connection. There are many, so it has no more fields than it needs. */
export class Subscription {
  readonly client: SubscribedClient;
  /** The name by which it was asked for, then the feed's, so that equal names are kept once. */
  channel: string;
  feed: SubscribedFeed | undefined;
  state: SubscriptionState = "deciding";
  /** The position of the last message that was written, while it is behind. */
  position: Position | null = null;
  /** The start that the client asked for, until its position is known. */
  request: SubscribeRequest | undefined;
  /** The head that the last `$/attached` named, until the message at it is written. */
  namedHead: Position | null | undefined;
  /** The frame that comes before the next message. */
  notice: "attached" | "gap" | RefusalCode | undefined;
  /**
   * Its part in presence. `none`: no member. `current`: needs only changes. `outdated`: needs the whole list. `held`: needs
   * the whole list, once other clients have had time to return.
   */
  members: "none" | "current" | "outdated" | "held" = "none";
  isAttached = false;
  /** Whether the engine reads for it. */
  isReading = false;

  constructor(client: SubscribedClient, channel: string, request: SubscribeRequest) {
    this.client = client;
    this.channel = channel;
    this.request = request;
  }
}
