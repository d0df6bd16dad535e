import type { RefusalCode } from "./refusals.ts";

/** How one channel is attached. Without `after` and `last` it begins with the next message. */
export interface SubscribeRequest {
  /** The position of the last message that the client has: the next one follows it. Not together with `last`. */
  readonly after?: string;
  /** How many of the newest messages come first: a whole number, at least 0. */
  readonly last?: number;
  /**
   * Makes the client a member, and has the members sent. `"again"` where this Conn has had the members on an earlier
   * connection: a server that has just begun then waits for others to return before it sends them.
   */
  readonly presence?: true | "again";
}

/** The parameters of `$/subscribe`: at least 1 and at most 128 channels by name. */
export interface SubscribeParams {
  readonly channels: { readonly [name: string]: SubscribeRequest };
}

/** The parameters of `$/unsubscribe`: at least 1 and at most 128 names. */
export type UnsubscribeParams = readonly string[];

/** The parameters of `$/publish`. A repeated `id` of the same client, in the same channel, is appended once. */
export interface PublishParams {
  readonly channel: string;
  readonly data: unknown;
  readonly id: string;
}

/** The result of `$/publish`. A channel without history has no position. */
export interface PublishResult {
  readonly position?: string;
}

/**
 * The parameters of `$/attached`: the messages that follow come after `after`, and `head` is the newest one that the
 * server knows. Both are null in a channel without history. `gap` is true if messages before `after` were missed.
 */
export type AttachedParams = readonly [channel: string, after: string | null, head: string | null, gap: boolean];

/** The parameters of `$/refused`. */
export type RefusedParams = readonly [channel: string, code: RefusalCode];

/** The parameters of `$/message`. Both positions are null in a channel without history. */
export type MessageParams = readonly [channel: string, previous: string | null, position: string | null, data: unknown];

/** One member: the client's id, and the info that the server's application gave it. */
export type Member = readonly [id: string, info: unknown];

/**
 * The parameters of `$/members`. `left` is null if `joined` holds everybody, and both are null if there are so many that
 * only their number is sent. Otherwise both are the difference to the frame before.
 */
export type MembersParams = readonly [
  channel: string,
  joined: readonly Member[] | null,
  left: readonly string[] | null,
  count: number,
];
