import { Timer } from "../base/timer.ts";
import { ATTACHED, REFUSED } from "../channels/protocol/methods.ts";
import { isPosition } from "../channels/protocol/names.ts";
import type { Position } from "../server/engine.ts";
import type { ChannelMessage } from "./channel-message.ts";
import { SharedFrame } from "./shared-frame.ts";
import type { SubscribedFeed, Subscription } from "./subscription.ts";

/** Recent messages that are copied at a time. Not all, because a slow client takes a long backlog in many parts. */
const RECENT_PART = 64;
/** A position that no log has. */
const NOWHERE = "";
/** Milliseconds until a read of the log that failed is repeated. */
const RETRY_MS = 1_000;

/**
 * Brings each subscription from its position to the feed's. First subscribe, return after a drop and recovery of a slow
 * client are this one mechanism: a subscription is a position in the log, and nothing is queued for it.
 */
export class Delivery {
  /** Whether nothing may be delivered, because revocations may have been missed. */
  isHeld = false;
  /** Subscriptions whose read failed. */
  readonly #failed = new Set<Subscription>();
  readonly #retry = new Timer();

  /** Writes a new message to a live subscription. A subscription that can't take it falls behind. */
  offer(subscription: Subscription, message: ChannelMessage): void {
    const { client } = subscription;
    if (client.isWritable) {
      const result = client.write(message.frame);
      if (result === "written") return;
      if (result === "impossible" && message.position !== null) {
        return this.#leaveOut(subscription, message.position);
      }
    }
    // Without history the message is dropped, because delivery is at most once.
    if (message.previous === null) return;
    subscription.state = "behind";
    subscription.position = message.previous;
    client.awaitDrain(subscription);
  }

  /** Makes a live subscription continue after the feed's position, because the log does not reach back to its own. */
  skip(subscription: Subscription): void {
    subscription.state = "behind";
    subscription.position = NOWHERE;
    const feed = subscription.feed as SubscribedFeed;
    if (feed.rule.deliver !== "newest") this.#jump(subscription, feed);
    this.advance(subscription);
  }

  /** Refuses a subscription, or ends it. */
  refuse(subscription: Subscription, code: Subscription["notice"]): void {
    subscription.state = "refused";
    subscription.notice = code;
    this.advance(subscription);
  }

  /** Writes what can be written now. */
  advance(subscription: Subscription): void {
    if (subscription.state === "refused") this.#writeRefusal(subscription);
    else if (subscription.state === "behind" && !this.isHeld && !subscription.isReading) this.#begin(subscription);
  }

  stop(): void {
    this.#retry.stop();
    this.#failed.clear();
  }

  #writeRefusal(subscription: Subscription): void {
    const { channel, notice, client } = subscription;
    const result = client.write(new SharedFrame(REFUSED, () => [channel, notice]));
    if (result === "blocked") client.awaitDrain(subscription);
    else client.onRefused(subscription);
  }

  /** Finds the position at which the subscription begins, and continues from there. */
  #begin(subscription: Subscription): void {
    const { request } = subscription;
    const feed = subscription.feed as SubscribedFeed;
    const { head, recent } = feed;
    if (!request) {
      if (feed.rule.deliver === "fitting" && recent) this.#jump(subscription, feed);
      return this.#goOn(subscription, feed);
    }
    const { after, last = 0 } = request;
    if (!recent || (after === undefined && last === 0)) subscription.position = head;
    else if (after !== undefined) subscription.position = after;
    else {
      const count = feed.rule.deliver === "newest" ? 1 : last;
      const start = recent.before(count);
      if (start === undefined) return this.#readStart(subscription, feed, count);
      subscription.position = start;
    }
    subscription.request = undefined;
    subscription.notice = "attached";
    // A position of another form is in no log, so that the engine need not be asked.
    if (after !== undefined && recent && !isPosition(after)) this.#jump(subscription, feed, "gap");
    this.#goOn(subscription, feed);
  }

  /**
   * Writes messages after the subscription's position: those of `part`, then recent ones. Ends when the subscription is
   * live, its client takes no more, or the engine must be read.
   */
  #goOn(subscription: Subscription, feed: SubscribedFeed, part?: readonly ChannelMessage[]): void {
    const { client } = subscription;
    let messages = part;
    while (subscription.state === "behind") {
      if (!client.isWritable) return client.awaitDrain(subscription);
      if (subscription.position === feed.head) {
        // Otherwise the client would wait for the head that the last `$/attached` named, which never came.
        if (subscription.namedHead !== undefined) subscription.notice ??= "attached";
        if (subscription.notice && !this.#writeAttached(subscription, feed)) return;
        subscription.state = "live";
        subscription.position = null;
        return;
      }
      messages ??= this.#recentFor(subscription, feed);
      if (!messages || messages.length === 0) return this.#read(subscription, feed);
      if (!this.#writeAll(subscription, feed, messages)) return;
      messages = undefined;
    }
  }

  #recentFor(subscription: Subscription, feed: SubscribedFeed): readonly ChannelMessage[] | undefined {
    const { recent } = feed;
    if (feed.rule.deliver !== "newest") return recent?.after(subscription.position as Position, RECENT_PART);
    const newest = recent?.newest;
    return newest && newest.position === feed.head ? [newest] : undefined;
  }

  /** Writes messages in order. Returns false where the client takes no more at the moment. */
  #writeAll(subscription: Subscription, feed: SubscribedFeed, messages: readonly ChannelMessage[]): boolean {
    const { client } = subscription;
    for (const message of messages) {
      if (message.previous !== subscription.position) {
        // Messages were left out: by `newest` on purpose, otherwise by the engine.
        subscription.notice = feed.rule.deliver === "all" ? "gap" : "attached";
        subscription.position = message.previous;
      }
      if (!client.isWritable) {
        client.awaitDrain(subscription);
        return false;
      }
      if (subscription.notice && !this.#writeAttached(subscription, feed)) return false;
      const result = client.write(message.frame);
      if (result === "blocked") {
        client.awaitDrain(subscription);
        return false;
      }
      subscription.position = message.position;
      if (subscription.namedHead === message.position) subscription.namedHead = undefined;
      if (result === "impossible") subscription.notice = "gap";
      // Later messages are left to the feed, because it brings them as new ones.
      if (subscription.position === feed.head) return true;
    }
    return true;
  }

  #writeAttached(subscription: Subscription, feed: SubscribedFeed): boolean {
    const { client, position, notice } = subscription;
    const params = [feed.channel, position, feed.head, notice === "gap"];
    if (client.write(new SharedFrame(ATTACHED, () => params)) !== "written") {
      client.awaitDrain(subscription);
      return false;
    }
    subscription.notice = undefined;
    subscription.namedHead = position === feed.head ? undefined : feed.head;
    if (!subscription.isAttached) {
      subscription.isAttached = true;
      client.onAttached(subscription);
    }
    return subscription.state === "behind";
  }

  /** Moves the subscription to the feed's position. A notice informs the client before the next message. */
  #jump(subscription: Subscription, feed: SubscribedFeed, notice?: "gap"): void {
    subscription.position = feed.head;
    subscription.notice = notice ?? (feed.rule.deliver === "all" ? "gap" : "attached");
  }

  /** Skips the message at `position`, which can't be written to this client, with a gap. */
  #leaveOut(subscription: Subscription, position: Position): void {
    subscription.state = "behind";
    subscription.position = position;
    subscription.notice = "gap";
    this.advance(subscription);
  }

  #readStart(subscription: Subscription, feed: SubscribedFeed, count: number): void {
    this.#await(subscription, feed.readStart(count), (start) => {
      subscription.request = undefined;
      subscription.notice = "attached";
      subscription.position = start;
      this.#goOn(subscription, feed);
    });
  }

  #read(subscription: Subscription, feed: SubscribedFeed): void {
    const position = subscription.position as Position;
    const read = async () => {
      await feed.fill();
      if (feed.rule.deliver === "newest") return feed.recent?.newest ? [] : undefined;
      return feed.recent?.has(position) || position === feed.head ? [] : await feed.readAfter(position);
    };
    this.#await(subscription, read(), (messages) => {
      if (!messages && feed.rule.deliver === "all") return this.#jumpToHead(subscription, feed);
      if (!messages) this.#jump(subscription, feed);
      else if (messages.length === 0 && !isAtHand(position, feed)) return this.#catchUp(subscription, feed);
      this.#goOn(subscription, feed, messages?.length ? messages : undefined);
    });
  }

  /** Moves to the head of the log. Not to the feed's position, because the client may have seen messages after it. */
  #jumpToHead(subscription: Subscription, feed: SubscribedFeed): void {
    this.#await(subscription, feed.catchUp(), () => {
      this.#jump(subscription, feed);
      this.#goOn(subscription, feed);
    });
  }

  /** Waits until the feed has caught up, because the engine has the position and the feed does not yet. */
  #catchUp(subscription: Subscription, feed: SubscribedFeed): void {
    this.#await(subscription, feed.catchUp(), () => {
      if (isAtHand(subscription.position as Position, feed)) this.#goOn(subscription, feed);
      else this.#retryLater(subscription);
    });
  }

  /** Calls `goOn` with the engine's answer, unless the subscription has ended meanwhile or delivery is held. */
  #await<T>(subscription: Subscription, answer: Promise<T>, goOn: (value: T) => void): void {
    subscription.isReading = true;
    answer.then(
      (value) => {
        subscription.isReading = false;
        if (subscription.state !== "behind") return;
        if (this.isHeld) return;
        goOn(value);
      },
      () => {
        subscription.isReading = false;
        if (subscription.state !== "behind") return;
        if (subscription.isAttached) this.#retryLater(subscription);
        else this.refuse(subscription, "unavailable");
      },
    );
  }

  #retryLater(subscription: Subscription): void {
    this.#failed.add(subscription);
    if (this.#failed.size > 1) return;
    this.#retry.start(
      RETRY_MS,
      () => {
        const failed = [...this.#failed];
        this.#failed.clear();
        for (const each of failed) this.advance(each);
      },
      true,
    );
  }
}

/** Whether the messages from `position` to the feed's position are recent, so that the engine need not be read. */
function isAtHand(position: Position, feed: SubscribedFeed): boolean {
  if (position === feed.head || feed.rule.deliver === "newest") return true;
  return feed.recent?.has(position) === true;
}
