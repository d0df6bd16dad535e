import { Timer } from "../base/timer.ts";
import { ChannelFeed, type FeedContext } from "./channel-feed.ts";
import type { ChannelRule } from "./channel-rules.ts";
import type { Subscription } from "./subscription.ts";

/** Milliseconds for which a feed without subscribers stays, for subscribers that return. */
const LINGER_MS = 5_000;
/** Feeds without subscribers that stay. */
const MAX_LINGERING = 1_000;

/** The feeds of a node: one for each channel that has subscribers here, or had some a moment ago. */
export class FeedRegistry {
  readonly #context: FeedContext;
  readonly #feeds = new Map<string, ChannelFeed>();
  /** Feeds without subscribers, with when they ended, oldest first. */
  readonly #lingering = new Map<ChannelFeed, number>();
  readonly #timer = new Timer();
  /** Whether feeds that begin are held from their start. */
  #isHeld = false;

  constructor(context: FeedContext) {
    this.#context = context;
  }

  get all(): Iterable<ChannelFeed> {
    return this.#feeds.values();
  }

  /** Returns the feed of a channel once it is attached. Rejects if the engine can't be reached. */
  async open(channel: string, rule: ChannelRule): Promise<ChannelFeed> {
    const feed = this.#feeds.get(channel) ?? this.#create(channel, rule);
    await feed.ready;
    return feed;
  }

  remove(feed: ChannelFeed, subscription: Subscription): void {
    feed.subscriptions.delete(subscription);
    this.#release(feed);
  }

  /** Ignores the entries of all feeds, until each feed is checked or released. */
  hold(): void {
    this.#isHeld = true;
    for (const feed of this.all) feed.follower.hold();
  }

  unhold(): void {
    this.#isHeld = false;
  }

  stop(): void {
    this.#timer.stop();
    for (const feed of this.all) feed.follower.stop();
    this.#feeds.clear();
    this.#lingering.clear();
  }

  #create(channel: string, rule: ChannelRule): ChannelFeed {
    const feed = new ChannelFeed(channel, rule, this.#context);
    if (this.#isHeld) feed.follower.hold();
    this.#feeds.set(channel, feed);
    feed.ready.then(
      () => this.#release(feed),
      () => this.#drop(feed),
    );
    return feed;
  }

  /** Lets a feed without subscribers stay for a while. */
  #release(feed: ChannelFeed): void {
    if (feed.subscriptions.size > 0 || this.#feeds.get(feed.channel) !== feed) return;
    this.#lingering.delete(feed);
    this.#lingering.set(feed, performance.now() + LINGER_MS);
    if (this.#lingering.size > MAX_LINGERING) this.#sweep(MAX_LINGERING);
    if (this.#lingering.size === 1) this.#sweepLater();
  }

  /** Ends feeds whose time is over, and the oldest above `most`. */
  #sweep(most: number): void {
    const now = performance.now();
    for (const [feed, until] of this.#lingering) {
      if (until > now && this.#lingering.size <= most) return;
      this.#lingering.delete(feed);
      if (feed.subscriptions.size === 0) this.#drop(feed);
    }
  }

  #sweepLater(): void {
    this.#timer.start(
      LINGER_MS,
      () => {
        this.#sweep(MAX_LINGERING);
        if (this.#lingering.size > 0) this.#sweepLater();
      },
      true,
    );
  }

  #drop(feed: ChannelFeed): void {
    feed.follower.stop();
    this.#feeds.delete(feed.channel);
  }
}
