import { ConnError } from "../base/errors.ts";
import { describeBadOption } from "../base/option-rules.ts";
import type { CloseInfo } from "../core/events.ts";
import { rpc } from "../rpc/index.ts";
import { ChannelsClient } from "./channels-client.ts";
import type { ChannelsConn, ChannelsPeer } from "./channels-conn.ts";
import { type ChannelsOptions, type PublishOptions, resolveChannelsOptions, type SubscribeOptions } from "./options.ts";
import type { Subscription } from "./subscription.ts";

export type { ChannelsConn, ChannelsPeer } from "./channels-conn.ts";
export type { ChannelsOptions, From, LoadContext, PublishOptions, SubscribeOptions } from "./options.ts";
export type { Member } from "./protocol/frames.ts";
export type { ChannelMessage, Subscription, SubscriptionEvents, SubscriptionState } from "./subscription.ts";

/** The channels of one Conn. Its functions may be passed on alone. */
export interface Channels {
  /** The Conn that was given, or that of the peer. */
  readonly conn: ChannelsConn;
  /** As `conn.state`. */
  readonly state: string;
  /**
   * Subscribes to a channel, now and on every connection to come. `T` is what its messages hold; nothing checks it.
   *
   * @example const room = live.subscribe<Line>("chat:7", { from: { last: 50 } });
   * @throws ConnError `bad-option`, `misuse`; `closed` or `aborted` once the Conn has ended or the channels are detached
   */
  subscribe<T = unknown>(channel: string, options?: SubscribeOptions): Subscription<T>;
  /**
   * Publishes to a channel, subscribed or not. Publishes of one channel go in order. Resolves with the position (null
   * without history) once the message is appended. Rejects with `denied` or `revoked`. Rejects with `interrupted`, or with
   * `aborted` by its signal, if it may have been appended; with `aborted` by `detach()`, `closed`, `outbox-full`, `marshal`,
   * `too-large` or `unsupported` if it was not. Do not change `data` before it settles.
   *
   * @example const position = await live.publish("chat:7", { name: "Ida", text: "hello" });
   * @throws ConnError `bad-option`
   */
  publish(channel: string, data: unknown, options?: PublishOptions): Promise<string | null>;
  /** Ends all subscriptions, and leaves the Conn open. Publishes that are not appended reject. */
  detach(): void;
  /** Detaches, and closes the Conn. */
  close(): Promise<CloseInfo | undefined>;
}

/**
 * Creates the channels of a Conn, or of a peer that has calls of yours too: topics with history, which continue after drops,
 * restarts and deploys. The server serves them with `hub()`. Call it once for each Conn.
 *
 * @example
 * const live = channels(conn);
 * for await (const { data } of live.subscribe<Line>("chat:7")) show(data);
 * @throws ConnError `bad-option`, `misuse`
 */
export function channels(connOrPeer: ChannelsConn | ChannelsPeer, options: ChannelsOptions = {}): Channels {
  const resolved = resolveChannelsOptions(options);
  const isPeer = typeof (connOrPeer as Partial<ChannelsPeer>)?.extend === "function";
  if (!isPeer && typeof (connOrPeer as Partial<ChannelsConn>)?.on !== "function") {
    const range = "a Conn, or the peer that rpc() made of one";
    throw new ConnError("misuse", describeBadOption("The argument of channels()", range, connOrPeer));
  }
  const peer = isPeer ? (connOrPeer as ChannelsPeer) : (rpc(connOrPeer as ChannelsConn) as ChannelsPeer);
  const client = new ChannelsClient(peer, resolved);
  const { conn } = peer;
  const detach = () => {
    client.leave(new ConnError("aborted", "The channels were detached from their Conn."));
    if (!isPeer) peer.detach();
  };
  return {
    conn,
    get state() {
      return conn.state;
    },
    subscribe: <T>(channel: string, given: SubscribeOptions = {}) =>
      client.subscribe(channel, given) as unknown as Subscription<T>,
    publish: (channel, data, given) => client.publish(channel, data, given),
    detach,
    close: async () => {
      detach();
      return conn.close?.();
    },
  };
}
