import { Timer } from "../base/timer.ts";
import { ATTACHED, REFUSED } from "../channels/protocol/methods.ts";
import { isPosition } from "../channels/protocol/names.ts";
import type { Position } from "../server/engine.ts";
import type { ChannelMessage } from "./channel-message.ts";
import { SharedFrame } from "./shared-frame.ts";
import type { SubscribedFeed, Subscription } from "./subscription.ts";

/** Messages of one look into those that are recent, so that a long backlog is not copied for each part that is written. */
const PART = 64;
/** A position that no log has. */
const NOWHERE = "";
/** Milliseconds until a read that failed is repeated. */
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

  /** Gives a message that has just come to a subscription that is live. */
  offer(subscription: Subscription, message: ChannelMessage): void {
    const { client } = subscription;
    if (client.isWritable) {
      const result = client.write(message.frame);
      if (result === "written") return;
      if (result === "impossible" && message.position !== null) {
        return this.#leaveOut(subscription, message.position);
      }
    }
    // Without history it is lost to this subscriber, who is not owed it.
    if (message.previous === null) return;
    subscription.state = "behind";
    subscription.position = message.previous;
    client.awaitDrain(subscription);
  }

  /** Has a live subscription go on after the feed's position, since the log does not reach back to its own. */
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

  /** Decides where the subscription begins, and goes on from there. */
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
    // A position of another form is nowhere in the log: the engine need not be asked.
    if (after !== undefined && recent && !isPosition(after)) this.#jump(subscription, feed, "gap");
    this.#goOn(subscription, feed);
  }

  #goOn(subscription: Subscription, feed: SubscribedFeed, part?: readonly ChannelMessage[]): void {
    const { client } = subscription;
    let messages = part;
    while (subscription.state === "behind") {
      if (!client.isWritable) return client.awaitDrain(subscription);
      if (subscription.position === feed.head) {
        // A head that was named and is not on the way there would have the client wait for it.
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
    if (feed.rule.deliver !== "newest") return recent?.after(subscription.position as Position, PART);
    const newest = recent?.newest;
    return newest && newest.position === feed.head ? [newest] : undefined;
  }

  /** Returns whether to go on: not if the client can't take more at the moment. */
  #writeAll(subscription: Subscription, feed: SubscribedFeed, messages: readonly ChannelMessage[]): boolean {
    const { client } = subscription;
    for (const message of messages) {
      if (message.previous !== subscription.position) {
        // Only the newest is wanted, or the engine has left something out.
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
      // Later messages come from the feed, which has not brought them yet.
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

  /** Goes on after the feed's position, and says so. */
  #jump(subscription: Subscription, feed: SubscribedFeed, notice?: "gap"): void {
    subscription.position = feed.head;
    subscription.notice = notice ?? (feed.rule.deliver === "all" ? "gap" : "attached");
  }

  /** The message after which the subscription goes on can't be written to its client. */
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

  /** Goes on after the head of the log. The feed may not be there yet, and the client may have seen what is in between. */
  #jumpToHead(subscription: Subscription, feed: SubscribedFeed): void {
    this.#await(subscription, feed.catchUp(), () => {
      this.#jump(subscription, feed);
      this.#goOn(subscription, feed);
    });
  }

  /** The engine knows the position as its newest, and the feed does not yet. */
  #catchUp(subscription: Subscription, feed: SubscribedFeed): void {
    this.#await(subscription, feed.catchUp(), () => {
      if (isAtHand(subscription.position as Position, feed)) this.#goOn(subscription, feed);
      else this.#retryLater(subscription);
    });
  }

  /** Goes on with what the engine answers, unless the subscription has ended meanwhile. */
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

/** Whether the way from `position` to the feed's needs no engine. */
function isAtHand(position: Position, feed: SubscribedFeed): boolean {
  if (position === feed.head || feed.rule.deliver === "newest") return true;
  return feed.recent?.has(position) === true;
}
