import { ConnError } from "../base/errors.ts";
import type { CodecLike } from "../codec/codec.ts";
import type { Engine, LogEntry, Position, ReadFrom } from "../server/engine.ts";
import { ChannelMessage } from "./channel-message.ts";
import type { ChannelRule } from "./channel-rules.ts";
import type { Delivery } from "./delivery.ts";
import { LogFollower } from "./log-follower.ts";
import { type RecentBounds, RecentMessages } from "./recent-messages.ts";
import type { SubscribedFeed, Subscription } from "./subscription.ts";

/** The things that all feeds of a hub have in common. */
export interface FeedContext {
  readonly engine: Engine;
  readonly delivery: Delivery;
  /** The codec of the data in the log. */
  readonly codec: CodecLike<unknown, unknown>;
  readonly recent: RecentBounds;
}

/** The most that one read for subscribers brings. */
const READ_LIMIT = { messages: 512, bytes: 2 ** 18 };
/** The most reads that fill the recent messages. Older messages are read when a subscriber asks for them. */
const MAX_FILL_READS = 8;

/** A channel on this node: follows its log, and has its subscriptions, live and behind. */
export class ChannelFeed implements SubscribedFeed {
  readonly channel: string;
  readonly rule: ChannelRule;
  readonly recent: RecentMessages | undefined;
  readonly subscriptions = new Set<Subscription>();
  readonly follower: LogFollower;
  /** Resolves when the feed is attached. */
  readonly ready: Promise<void>;
  readonly #context: FeedContext;
  /** Reads under way, by what they ask for. */
  readonly #reads = new Map<string, Promise<readonly ChannelMessage[] | undefined>>();
  #filling: Promise<void> | undefined;
  #isFilled = false;

  constructor(channel: string, rule: ChannelRule, context: FeedContext) {
    this.channel = channel;
    this.rule = rule;
    this.#context = context;
    if (rule.history) this.recent = new RecentMessages(context.recent);
    this.follower = new LogFollower(context.engine, channel, rule.history, this);
    this.ready = this.follower.start();
  }

  get head(): Position | null {
    return this.follower.head;
  }

  /** Attaches a subscription that has the right to it, from its request on. */
  add(subscription: Subscription): void {
    subscription.feed = this;
    subscription.channel = this.channel;
    subscription.state = "behind";
    this.subscriptions.add(subscription);
    this.#context.delivery.advance(subscription);
  }

  fill(): Promise<void> {
    if (this.#isFilled) return Promise.resolve();
    this.#filling ??= this.#fill().finally(() => {
      this.#filling = undefined;
    });
    return this.#filling;
  }

  readAfter(position: Position): Promise<readonly ChannelMessage[] | undefined> {
    return this.#read(position, { after: position });
  }

  async readStart(count: number): Promise<Position> {
    await this.fill();
    const start = this.recent?.before(count);
    if (start !== undefined) return start;
    const messages = await this.#read(`last ${count}`, { last: count });
    return messages?.[0]?.previous ?? (this.head as Position);
  }

  async catchUp(): Promise<void> {
    await this.follower.catchUp();
    if (!this.follower.isComplete) throw new ConnError("unavailable");
  }

  // FollowerOwner: called by the follower.

  onEntry(entry: LogEntry): void {
    const { delivery, codec } = this.#context;
    const message = new ChannelMessage(this.channel, entry, codec);
    this.recent?.push(message);
    const live = [...this.subscriptions].filter(({ state }) => state === "live");
    live[0]?.client.share(message.frame, () => {
      for (const subscription of live) if (subscription.state === "live") delivery.offer(subscription, message);
    });
  }

  onGap(): void {
    this.recent?.clear();
    this.#isFilled = false;
    for (const subscription of this.subscriptions) {
      if (subscription.state === "live") this.#context.delivery.skip(subscription);
    }
  }

  isKnown(position: Position): boolean {
    return this.recent?.has(position) === true;
  }

  /** Reads the newest messages of the log, so that many subscribers that return at once cost one read together. */
  async #fill(): Promise<void> {
    const { engine, recent, codec } = this.#context;
    const last = Math.min(recent.messages, this.rule.history?.size ?? 0);
    const found: ChannelMessage[] = [];
    let from: ReadFrom = { last };
    for (let reads = 0; reads < MAX_FILL_READS; reads++) {
      const part = await engine.read(this.channel, from, READ_LIMIT);
      if (!part) break;
      for (const entry of part.entries) found.push(new ChannelMessage(this.channel, entry, codec));
      const end = found.at(-1)?.position;
      if (!end || end === part.head || part.entries.length === 0) break;
      from = { after: end };
    }
    this.recent?.fill(found, this.head as Position);
    this.#isFilled = true;
  }

  #read(key: string, from: ReadFrom): Promise<readonly ChannelMessage[] | undefined> {
    const known = this.#reads.get(key);
    if (known) return known;
    const { engine, codec } = this.#context;
    const reading = engine
      .read(this.channel, from, READ_LIMIT)
      .then((part) => part?.entries.map((entry) => new ChannelMessage(this.channel, entry, codec)))
      .finally(() => this.#reads.delete(key));
    this.#reads.set(key, reading);
    return reading;
  }
}
