import { ConnError } from "../base/errors.ts";
import type { LayerMethods } from "../rpc/index.ts";
import type { ChannelsConn, ChannelsPeer } from "./channels-conn.ts";
import { Feed, type FeedOwner } from "./feed.ts";
import {
  checkName,
  type PublishOptions,
  type ResolvedChannelsOptions,
  resolvePublishOptions,
  resolveSubscribeOptions,
  type SubscribeOptions,
} from "./options.ts";
import { MAX_NAMES } from "./protocol/limits.ts";
import { ATTACHED, MEMBERS, MESSAGE, REFUSED, SUBSCRIBE, UNSUBSCRIBE } from "./protocol/methods.ts";
import { isAttached, isMembers, isMessage, isRefused } from "./protocol/server-frames.ts";
import { Publisher, type PublisherOwner } from "./publisher.ts";
import { Subscriber } from "./subscriber.ts";

const ID_RADIX = 36;

/** Joins the channels of one Conn to its connections: one frame asks for all of them whenever one is open. */
export class ChannelsClient implements FeedOwner, PublisherOwner {
  readonly peer: ChannelsPeer;
  readonly options: ResolvedChannelsOptions;
  isLive = false;
  readonly #feeds = new Map<string, Feed>();
  readonly #publishers = new Map<string, Publisher>();
  /** Feeds that the next frame asks for or gives up. */
  readonly #changed = new Set<Feed>();
  readonly #cleanups: (() => void)[];
  /** Aborted to take back the requests that the connection did not take. */
  #connection = new AbortController();
  #publishes = 0;
  #end: ConnError | undefined;
  // Random, because another Conn of the same client may publish to the same channel.
  readonly #idPrefix = Math.random().toString(ID_RADIX).slice(2);

  constructor(peer: ChannelsPeer, options: ResolvedChannelsOptions) {
    this.peer = peer;
    this.options = options;
    const { conn } = peer;
    this.#cleanups = [
      peer.extend(this.#methods()),
      conn.on("state", ({ from, to }) => {
        if (to === "open") this.#connect();
        // Messages that come while the Conn closes are still taken.
        else if (to === "closing") this.isLive = false;
        else if (from === "open") this.#disconnect();
      }),
      conn.on("closed", ({ error }) => this.end(new ConnError("closed", undefined, { cause: error }), error)),
    ];
    if (conn.state === "closed") conn.closed.then(({ error }) => this.end(new ConnError("closed"), error));
    this.isLive = conn.state === "open";
  }

  get conn(): ChannelsConn {
    return this.peer.conn;
  }

  subscribe(channel: string, options: SubscribeOptions): Subscriber {
    checkName(channel);
    const resolved = resolveSubscribeOptions(options);
    if (this.#end) throw this.#end;
    const feed = this.#feeds.get(channel) ?? new Feed(channel, this);
    this.#feeds.set(channel, feed);
    const subscriber = new Subscriber(feed, resolved);
    feed.add(subscriber);
    return subscriber;
  }

  publish(channel: string, data: unknown, options: PublishOptions = {}): Promise<string | null> {
    checkName(channel);
    const resolved = resolvePublishOptions(options);
    const { maxPublishes } = this.options;
    if (this.#end) return refused(this.#end);
    if (this.waiting >= maxPublishes) {
      return refused(
        new ConnError("outbox-full", `${maxPublishes} publishes wait: await some, or raise maxPublishes.`),
      );
    }
    const publisher = this.#publishers.get(channel) ?? new Publisher(channel, this);
    this.#publishers.set(channel, publisher);
    return publisher.publish(data, resolved.id ?? `${this.#idPrefix}-${++this.#publishes}`, resolved);
  }

  /** Publishes that wait or are under way. */
  get waiting(): number {
    let sum = 0;
    for (const { length } of this.#publishers.values()) sum += length;
    return sum;
  }

  onChange(feed: Feed): void {
    this.#changed.add(feed);
    // In a microtask, so that what is subscribed in one turn is one frame.
    if (this.#changed.size === 1) queueMicrotask(() => this.#flush());
  }

  onSettled(publisher: Publisher): void {
    if (publisher.length === 0 && this.#publishers.get(publisher.channel) === publisher) {
      this.#publishers.delete(publisher.channel);
    }
  }

  /** Leaves the Conn: subscriptions end for `reason` if there is one, and publishes reject with `error`. */
  end(error: ConnError, reason?: Error, isDetached = false): void {
    if (this.#end) return;
    this.#end = error;
    for (const feed of [...this.#feeds.values()]) feed.end(reason);
    for (const publisher of [...this.#publishers.values()]) publisher.end(error, isDetached);
    for (const cleanUp of this.#cleanups) cleanUp();
    this.isLive = false;
  }

  /** Leaves a Conn that stays open: ends the subscriptions on the server first. */
  leave(error: ConnError): void {
    const names = [...this.#feeds.values()].filter(({ isKnown }) => isKnown).map(({ name }) => name);
    this.#unsubscribe(names);
    this.end(error, undefined, true);
  }

  #methods(): LayerMethods {
    const route =
      <Params extends readonly [string, ...unknown[]]>(
        method: string,
        isSound: (params: unknown) => params is Params,
        act: (feed: Feed, params: Params) => void,
      ) =>
      (params: unknown) => {
        if (!isSound(params)) {
          return this.conn.report(new ConnError("unmarshal", `The parameters of a ${method} are malformed.`));
        }
        const feed = this.#feeds.get(params[0]);
        // In a microtask, because the answer before it settles a promise first.
        if (feed?.state === "sent") queueMicrotask(() => act(feed, params));
        else if (feed) act(feed, params);
      };
    return {
      [ATTACHED]: route(ATTACHED, isAttached, (feed, params) => feed.onAttached(params)),
      [MESSAGE]: route(MESSAGE, isMessage, (feed, params) => feed.onMessage(params)),
      [MEMBERS]: route(MEMBERS, isMembers, (feed, params) => feed.onMembers(params)),
      [REFUSED]: route(REFUSED, isRefused, (feed, params) => feed.onRefused(params[1])),
    };
  }

  #connect(): void {
    this.isLive = true;
    this.#connection = new AbortController();
    for (const feed of this.#feeds.values()) this.#changed.add(feed);
    this.#flush();
    for (const publisher of [...this.#publishers.values()]) publisher.send();
  }

  #disconnect(): void {
    this.isLive = false;
    for (const feed of [...this.#feeds.values()]) feed.disconnect();
    // Not with a session, which delivers its requests later. Without one, nothing may go out before the next `$/subscribe`.
    if (this.conn.hasSession) return;
    this.#connection.abort();
    for (const publisher of [...this.#publishers.values()]) publisher.withdraw();
  }

  /** Sends what has changed: first the names without subscribers, then those to ask for. */
  #flush(): void {
    const changed = [...this.#changed];
    this.#changed.clear();
    const left = changed.filter(({ subscribers }) => subscribers.size === 0);
    for (const feed of left) this.#feeds.delete(feed.name);
    if (!this.isLive) return;
    this.#unsubscribe(left.filter(({ isKnown }) => isKnown).map(({ name }) => name));
    const asked = changed.filter(({ subscribers }) => subscribers.size > 0);
    for (let i = 0; i < asked.length; i += MAX_NAMES) this.#subscribe(asked.slice(i, i + MAX_NAMES));
  }

  #unsubscribe(names: readonly string[]): void {
    const { signal } = this.#connection;
    for (let i = 0; i < names.length; i += MAX_NAMES) {
      // A rejection says that the connection has ended, and the subscription with it.
      this.peer.notify(UNSUBSCRIBE, names.slice(i, i + MAX_NAMES), { signal });
    }
  }

  #subscribe(feeds: readonly Feed[]): void {
    const channels = Object.fromEntries(feeds.map((feed) => [feed.name, feed.send()]));
    const requests = feeds.map((feed) => feed.onSent());
    const onFailure = (error: Error) => {
      for (const request of requests) request.onFailure(error);
    };
    const onAnswer = () => {
      for (const request of requests) request.onAnswer();
    };
    try {
      this.peer.call(SUBSCRIBE, { channels }, { signal: this.#connection.signal }).then(onAnswer, onFailure);
    } catch (error) {
      onFailure(error as Error);
    }
  }
}

/** Rejects quietly, as every promise of this library that the network decides about. */
function refused(error: ConnError): Promise<never> {
  const promise = Promise.reject(error);
  promise.catch(() => {});
  return promise;
}
