import type { ListenOptions } from "../base/emitter.ts";
import type { ConnError } from "../base/errors.ts";
import type { PublishOptions } from "./options.ts";
import type { Member } from "./protocol/frames.ts";

/** One message of a channel. */
export interface ChannelMessage<T> {
  /** The value that was published. Its type is not checked. */
  readonly data: T;
  /** The message's position in the log; null in a channel without history. */
  readonly position: string | null;
}

/**
 * Whether messages flow. `attaching`: not yet, or not at the moment. `attached`: yes, as far as the client knows. `closed`:
 * never again.
 */
export type SubscriptionState = "attaching" | "attached" | "closed";

/** The payload of each event of a subscription, by its name. */
export interface SubscriptionEvents<T> {
  /** Emitted for each message, in order. Messages that came before the first listener are emitted in a microtask. */
  message: ChannelMessage<T>;
  /** Emitted when messages were missed and the log does not hold them any more: the next ones come after `position`. */
  gap: {
    /** The position of the last message before the gap that was delivered. */
    readonly after: string | null;
    /** The position after which the subscription continues. */
    readonly position: string | null;
  };
  /** Emitted when members changed. After a return, with the difference to those that were known before. */
  members: {
    /** Members that came, or that have new info. */
    readonly joined: readonly Member[];
    /** The ids of members that left. */
    readonly left: readonly string[];
    /** The number of members. */
    readonly count: number;
  };
  /** Emitted when the subscription went from one state to another. */
  state: {
    /** The state it left. */
    readonly from: SubscriptionState;
    /** The state it is in. */
    readonly to: SubscriptionState;
  };
  /** Emitted once, when the subscription has ended: by `close()`, or with the reason. */
  closed: {
    /** The reason; absent after `close()` and a Conn that ended well. */
    readonly error?: Error | undefined;
  };
}

/** One subscription to a channel, which outlives connections. Each has a place in the log and a queue of its own. */
export interface Subscription<T> {
  /** The name of the channel. */
  readonly channel: string;
  /** Whether messages flow. */
  readonly state: SubscriptionState;
  /**
   * Resolves when the server has attached the subscription: with history, no message is missed from here on. Rejects
   * with the reason when it ends before: `denied`, `revoked`, `too-many`, `unsupported`, `aborted`, `closed`.
   */
  readonly ready: Promise<void>;
  /** The position of the last message that was delivered, or after which the first will be; null before, and without history. */
  readonly position: string | null;
  /** The members by id, with their info: another map after each change. Empty without `presence`, and above 1,000. */
  readonly members: ReadonlyMap<string, unknown>;
  /** The number of members. */
  readonly memberCount: number;
  /** Publishes to the channel: see `Channels.publish()`. @throws ConnError `bad-option` */
  publish(data: unknown, options?: PublishOptions): Promise<string | null>;
  /**
   * Calls `listener` on each event, and returns an unsubscribe function. A `message` listener gets every message.
   *
   * @throws ConnError `misuse` for an event that does not exist, and for a listener that is no function
   */
  on<Name extends keyof SubscriptionEvents<T>>(
    event: Name,
    listener: (payload: SubscriptionEvents<T>[Name]) => void,
    options?: ListenOptions,
  ): () => void;
  /**
   * Iterates over every message from here on. Ends after `close()` and when the Conn ends well, and throws the reason
   * otherwise. Leaving the loop does not close the subscription. Throws `misuse` while a `message` listener is attached.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<ChannelMessage<T>>;
  /** Emits `error` as an `error` event of the Conn. */
  report(error: ConnError): void;
  /** Ends the subscription; the last one of a channel ends it on the server. */
  close(): void;
}
