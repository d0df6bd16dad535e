import { POLICY_VIOLATION } from "../base/close-codes.ts";
import { ConnError } from "../base/errors.ts";
import { isPublish, isUnsubscribe, parseSubscribe } from "../channels/protocol/client-frames.ts";
import type { PublishResult, SubscribeRequest } from "../channels/protocol/frames.ts";
import { PUBLISH, SUBSCRIBE, UNSUBSCRIBE } from "../channels/protocol/methods.ts";
import { PUBLISH_REFUSED, type RefusalCode } from "../channels/protocol/refusals.ts";
import type { LayerMethods } from "../rpc/contract.ts";
import { BUSY, INVALID_PARAMS, RpcError } from "../rpc/rpc-error.ts";
import type { Position } from "../server/engine.ts";
import type { Authorizer, ChannelAction } from "./authorizer.ts";
import type { ChannelFeed } from "./channel-feed.ts";
import type { ChannelRule, ChannelRules } from "./channel-rules.ts";
import type { Delivery } from "./delivery.ts";
import type { DrainWatch } from "./drain-watch.ts";
import type { FeedRegistry } from "./feed-registry.ts";
import type { HubConn } from "./hub-conn.ts";
import type { Presence } from "./presence.ts";
import type { SharedFrame } from "./shared-frame.ts";
import { type SubscribedClient, Subscription, type WriteResult } from "./subscription.ts";

/** The hub, as its clients see it. */
export interface ClientOwner {
  readonly bounds: { readonly markBytes: number; readonly maxChannels: number; readonly maxPublishes: number };
  readonly rules: ChannelRules;
  readonly authorizer: Authorizer;
  readonly feeds: FeedRegistry;
  readonly delivery: Delivery;
  readonly drainWatch: DrainWatch;
  readonly presence: Presence;
  /** Appends a message. Rejects with ConnError. */
  publish(channel: string, rule: ChannelRule, data: unknown, id: readonly string[]): Promise<Position | null>;
  onError(error: unknown): void;
}

/** Frames that a client may send while it reads nothing, before it is closed. */
const MAX_UNREAD_FRAMES = 1_024;

/** One Conn that is served: handles its frames, and keeps its subscriptions for as long as its connection lasts. */
export class Client implements SubscribedClient {
  /** The name by which the application knows the client. */
  readonly id: string | undefined;
  /** The name of the client as a member: random for an anonymous one. */
  readonly memberId: string;
  /** The info of the client as a member, in JSON. */
  readonly info: string;
  readonly #conn: HubConn;
  readonly #owner: ClientOwner;
  readonly #channels = new Map<string, Subscription>();
  /** Subscriptions that wait until the connection takes more, in the order in which they get their turn. */
  #waiting: Set<Subscription> | undefined;
  /** Publishes that are not answered yet. */
  readonly #publishes = new Set<{ readonly channel: string; isRevoked: boolean }>();
  /** The last publish of each channel that has some under way. */
  readonly #lastPublish = new Map<string, Promise<unknown>>();
  #unreadFrames = 0;

  constructor(conn: HubConn, owner: ClientOwner, id: string | undefined, memberId: string, info: string) {
    this.#conn = conn;
    this.#owner = owner;
    this.id = id;
    this.memberId = memberId;
    this.info = info;
  }

  /** The methods by which the other end reaches this client. */
  get methods(): LayerMethods {
    return {
      [SUBSCRIBE]: (params) => this.#subscribe(params),
      [UNSUBSCRIBE]: (params) => this.#unsubscribe(params),
      [PUBLISH]: (params) => this.#publish(params),
    };
  }

  get isWritable(): boolean {
    return this.#conn.bufferedAmount <= this.#owner.bounds.markBytes;
  }

  write(frame: SharedFrame): WriteResult {
    try {
      return this.#conn.tryWrite(frame.payloadFor(this.#conn.codec)) ? "written" : "blocked";
    } catch (error) {
      this.#owner.onError(error);
      return "impossible";
    }
  }

  share(frame: SharedFrame, act: () => void): void {
    frame.share(this.#conn.codec, act);
  }

  awaitDrain(subscription: Subscription): void {
    this.#waiting ??= new Set();
    this.#waiting.add(subscription);
    this.#owner.drainWatch.add(this);
  }

  onWritable(): void {
    const turn = [...(this.#waiting ?? [])];
    this.#waiting = undefined;
    while (turn.length > 0 && this.isWritable) {
      const subscription = turn.shift() as Subscription;
      this.#owner.delivery.advance(subscription);
      if (subscription.members === "outdated") this.#owner.presence.refresh(subscription);
    }
    if (turn.length === 0) return;
    // In front, because the others have had their turn.
    this.#waiting = new Set([...turn, ...(this.#waiting ?? [])]);
    this.#owner.drainWatch.add(this);
  }

  onAttached(subscription: Subscription): void {
    if (subscription.members !== "none") this.#owner.presence.add(subscription, this);
  }

  onRefused(subscription: Subscription): void {
    this.#end(subscription, false);
  }

  /** Ends the subscriptions and publishes of `channel`, or of all channels. */
  revoke(channel: string | undefined): void {
    for (const publish of this.#publishes) if (!channel || publish.channel === channel) publish.isRevoked = true;
    for (const subscription of [...this.#channels.values()]) {
      if ((channel && subscription.channel !== channel) || subscription.state === "refused") continue;
      this.#leave(subscription, true);
      this.#owner.delivery.refuse(subscription, "revoked");
    }
  }

  /** Asks the application again for the right to each channel. */
  reauthorize(): void {
    for (const subscription of this.#channels.values()) {
      if (subscription.feed) void this.#askAgain(subscription);
    }
  }

  /** Called when the connection has ended: ends all subscriptions. */
  disconnect(): void {
    for (const subscription of [...this.#channels.values()]) this.#end(subscription, false);
    this.#waiting = undefined;
    this.#owner.drainWatch.delete(this);
    this.#unreadFrames = 0;
  }

  #subscribe(params: unknown): null {
    this.#countFrame();
    const requests = parseSubscribe(params);
    if (!requests) throw new RpcError(INVALID_PARAMS, "The parameters name 1 to 128 channels and how each begins.");
    const added = [...requests.keys()].filter((channel) => !this.#channels.has(channel)).length;
    // Refusals that wait to be written take a place, too.
    if (this.#channels.size + added > 2 * this.#owner.bounds.maxChannels) {
      throw new RpcError(BUSY, "There are too many channels.");
    }
    for (const [channel, request] of requests) this.#attach(channel, request);
    return null;
  }

  #attach(channel: string, request: SubscribeRequest): void {
    const former = this.#channels.get(channel);
    if (former) this.#end(former, false);
    const subscription = new Subscription(this, channel, request);
    this.#channels.set(channel, subscription);
    const isOver = this.#channels.size > this.#owner.bounds.maxChannels;
    // Later, so that the answer to the request comes before the outcome.
    queueMicrotask(() => {
      if (!isOver) void this.#decide(subscription, request);
      else if (subscription.state === "deciding") this.#owner.delivery.refuse(subscription, "too-many");
    });
  }

  async #decide(subscription: Subscription, { presence }: SubscribeRequest): Promise<void> {
    const { channel } = subscription;
    const { delivery, feeds, rules } = this.#owner;
    const isUndecided = () => subscription.state === "deciding";
    const rule = rules.find(channel);
    let refusal = await this.#ask(channel, rule, "subscribe");
    if (!refusal && presence) refusal = rule?.presence ? await this.#ask(channel, rule, "presence") : "denied";
    if (!isUndecided()) return;
    if (refusal) return delivery.refuse(subscription, refusal);
    let feed: ChannelFeed;
    try {
      feed = await feeds.open(channel, rule as ChannelRule);
    } catch {
      if (isUndecided()) delivery.refuse(subscription, "unavailable");
      return;
    }
    if (!isUndecided()) return;
    if (presence) subscription.members = presence === "again" ? "held" : "outdated";
    // Under the feed's own string, so that equal names are kept in memory once.
    this.#channels.delete(channel);
    this.#channels.set(feed.channel, subscription);
    feed.add(subscription);
  }

  async #askAgain(subscription: Subscription): Promise<void> {
    const { channel } = subscription;
    const refusal = await this.#ask(channel, this.#owner.rules.find(channel), "subscribe");
    if (!refusal || this.#channels.get(channel) !== subscription || subscription.state === "refused") return;
    this.#leave(subscription, true);
    this.#owner.delivery.refuse(subscription, refusal === "denied" ? "revoked" : refusal);
  }

  async #ask(channel: string, rule: ChannelRule | undefined, action: ChannelAction): Promise<RefusalCode | undefined> {
    if (!rule) return "denied";
    return this.#owner.authorizer.decide({ client: this.id, channel, action });
  }

  #unsubscribe(params: unknown): void {
    this.#countFrame();
    if (!isUnsubscribe(params)) return;
    for (const channel of params) {
      const subscription = this.#channels.get(channel);
      if (subscription) this.#end(subscription, true);
    }
  }

  async #publish(params: unknown): Promise<PublishResult> {
    this.#countFrame();
    if (!isPublish(params)) throw new RpcError(INVALID_PARAMS, "The parameters are a channel, data and an id.");
    if (this.#publishes.size >= this.#owner.bounds.maxPublishes) throw new RpcError(BUSY, "Too many publishes wait.");
    const { channel, data = null, id } = params;
    const publish = { channel, isRevoked: false };
    this.#publishes.add(publish);
    const former = this.#lastPublish.get(channel);
    const done = this.#publishAfter(former, publish, data, id);
    const settled = done.catch(() => {});
    this.#lastPublish.set(channel, settled);
    try {
      const position = await done;
      return position === null ? {} : { position };
    } finally {
      this.#publishes.delete(publish);
      if (this.#lastPublish.get(channel) === settled) this.#lastPublish.delete(channel);
    }
  }

  async #publishAfter(
    former: Promise<unknown> | undefined,
    publish: { readonly channel: string; readonly isRevoked: boolean },
    data: unknown,
    id: string,
  ): Promise<Position | null> {
    const { channel } = publish;
    const rule = this.#owner.rules.find(channel);
    await former;
    const refusal = await this.#ask(channel, rule, "publish");
    if (refusal || publish.isRevoked) throw refused(refusal ?? "revoked");
    try {
      // With the client's name, so that nobody can use up another client's ids.
      const scope = this.id === undefined ? ["", id] : ["client", this.id, id];
      return await this.#owner.publish(channel, rule as ChannelRule, data, scope);
    } catch (error) {
      if (!(error instanceof ConnError && error.code === "unavailable")) this.#owner.onError(error);
      throw refused("unavailable");
    }
  }

  /** Counts a frame, and closes a client that never reads, because answers would pile up in its outbox. */
  #countFrame(): void {
    this.#unreadFrames = this.isWritable ? 0 : this.#unreadFrames + 1;
    if (this.#unreadFrames > MAX_UNREAD_FRAMES) this.#conn.close(POLICY_VIOLATION, "answers are not read");
  }

  /** Takes a subscription out, without a frame. */
  #end(subscription: Subscription, isLeaving: boolean): void {
    this.#leave(subscription, isLeaving);
    subscription.state = "ended";
    this.#waiting?.delete(subscription);
    if (this.#channels.get(subscription.channel) === subscription) this.#channels.delete(subscription.channel);
  }

  /** Takes a subscription out of its feed and of the members: at once if it is `isLeaving`, otherwise after the grace. */
  #leave(subscription: Subscription, isLeaving: boolean): void {
    if (subscription.members !== "none") this.#owner.presence.remove(subscription, this, isLeaving);
    subscription.members = "none";
    if (subscription.feed) this.#owner.feeds.remove(subscription.feed as ChannelFeed, subscription);
    subscription.feed = undefined;
  }
}

function refused(code: RefusalCode): RpcError {
  return new RpcError(PUBLISH_REFUSED, "The publish was refused.", code);
}
