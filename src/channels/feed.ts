import { Timer } from "../base/timer.ts";
import { MemberList } from "./member-list.ts";
import type { AttachedParams, MembersParams, MessageParams, SubscribeRequest } from "./protocol/frames.ts";
import { finalError, refusal } from "./refusal.ts";
import { Retry } from "./retry.ts";
import type { Subscriber, SubscriberFeed, SubscriberOwner } from "./subscriber.ts";

/** The part of the channels of a Conn that a feed needs. */
export interface FeedOwner extends SubscriberOwner {
  /** Called when the feed is to be asked for, or to be given up where nobody subscribes it any more. */
  onChange(feed: Feed): void;
}

/** Milliseconds within which a server decides. A hub takes 5 s for `authorize`, and as long for its engine. */
const DECIDES_WITHIN_MS = 30_000;

/** How far the feed has come on the connection. */
type FeedState =
  /** It is not asked for, or only the next frame does. */
  | "idle"
  /** A `$/subscribe` is sent. Until its answer, all that comes belongs to an earlier one. */
  | "sent"
  /** The server has answered, and decides. */
  | "deciding"
  /** Messages flow. */
  | "attached";

/**
 * One channel on the wire, for all who subscribe it here. The feed has one place in the log, and each subscriber has its
 * own: a subscriber at another place is served when the others have reached the head, by reading the log from there.
 */
export class Feed implements SubscriberFeed {
  readonly name: string;
  readonly owner: FeedOwner;
  readonly list = new MemberList();
  readonly subscribers = new Set<Subscriber>();
  state: FeedState = "idle";
  /** Whether the server may hold a subscription on this connection. */
  isKnown = false;
  /** Waits where messages do not follow on each other. */
  readonly #mismatch: Retry;
  /** Waits while the server can't decide. */
  readonly #unavailable: Retry;
  readonly #deciding = new Timer();
  /** The position of the last message, or after which the next one comes. */
  #position: string | null = null;
  /** The newest position that the server named. */
  #head: string | null = null;
  #hasReachedHead = false;
  /** Whom the feed was asked for, and how. */
  #served: Subscriber | undefined;
  #request: SubscribeRequest = {};
  /** The number of the latest `$/subscribe`, because an answer to an earlier one says nothing. */
  #sequence = 0;

  constructor(name: string, owner: FeedOwner) {
    this.name = name;
    this.owner = owner;
    this.#mismatch = new Retry(owner.options.backoff);
    this.#unavailable = new Retry(owner.options.backoff);
  }

  add(subscriber: Subscriber): void {
    const hadPresence = this.#hasPresence;
    this.subscribers.add(subscriber);
    if (this.state !== "attached" || this.#hasPresence !== hadPresence) this.#ask();
    else if (!subscriber.isAnywhere) this.serve();
    else {
      subscriber.place(this.#hasReachedHead ? this.#position : this.#head);
      subscriber.setState("attached");
    }
  }

  remove(subscriber: Subscriber): void {
    const hadPresence = this.#hasPresence;
    this.subscribers.delete(subscriber);
    // Asked for again without presence, because this client is a member otherwise.
    if (this.subscribers.size === 0 || this.#hasPresence !== hadPresence) this.#ask();
  }

  /** Asks for the channel again where a subscriber is not at the feed's place; one at a time, once the log is read. */
  serve(): void {
    if (this.state !== "attached" || !this.#hasReachedHead) return;
    for (const subscriber of this.subscribers) if (subscriber.tail === this.#position) subscriber.onCaughtUp();
    if (this.#findWaiting()) this.#ask();
  }

  /** The connection has ended, and with it all that it knew. */
  disconnect(): void {
    this.#reset();
    for (const subscriber of this.subscribers) subscriber.setState("attaching");
  }

  /** Returns what the next `$/subscribe` asks for, which is about to be sent. */
  send(): SubscribeRequest {
    const presence = this.#hasPresence && { presence: this.list.isKnown ? ("again" as const) : (true as const) };
    this.#served = this.#findWaiting() ?? [...this.subscribers].find(({ isReading }) => isReading);
    this.#request = this.#served?.request ?? {};
    this.state = "sent";
    this.isKnown = true;
    this.#stopWaiting();
    return { ...this.#request, ...presence };
  }

  /** Returns the functions that take the answer to the request that is being sent. */
  onSent(): { readonly onAnswer: () => void; readonly onFailure: (error: Error) => void } {
    const sequence = ++this.#sequence;
    return {
      onAnswer: () => {
        if (sequence !== this.#sequence) return;
        this.state = "deciding";
        this.#deciding.start(DECIDES_WITHIN_MS, () => this.#askLater());
      },
      onFailure: (error) => {
        if (sequence !== this.#sequence) return;
        const reason = finalError(this.name, error);
        if (reason) this.end(reason);
        else this.#askLater();
      },
    };
  }

  onAttached([, after, head, hasGap]: AttachedParams): void {
    if (this.state !== "deciding" && this.state !== "attached") return;
    const isAsked = this.state === "deciding";
    const served = isAsked ? this.#served : undefined;
    const last = isAsked ? this.#request.after : this.#position;
    this.#unavailable.reset();
    this.#deciding.stop();
    this.state = "attached";
    this.#position = after;
    this.#head = head;
    this.#hasReachedHead = after === head;
    for (const subscriber of [...this.subscribers]) {
      const { isAnywhere, isReading, tail } = subscriber;
      if (isAnywhere) subscriber.place(head);
      // Others are at another place of the log: they meet its messages later, or are served then.
      else if (isReading && (tail === undefined ? subscriber === served : tail === last)) {
        if (hasGap) subscriber.skip(after);
        else subscriber.place(after);
      }
      if (subscriber.tail !== undefined) subscriber.setState("attached");
    }
    this.serve();
  }

  onMessage([, previous, position, data]: MessageParams): void {
    if (this.state !== "attached") return;
    if (previous !== this.#position) {
      this.state = "idle";
      return this.#mismatch.again(() => this.#ask());
    }
    this.#mismatch.reset();
    this.#position = position;
    for (const subscriber of [...this.subscribers]) subscriber.offer(previous, position, data);
    if (this.#hasReachedHead || position !== this.#head) return;
    this.#hasReachedHead = true;
    this.serve();
  }

  onMembers(params: MembersParams): void {
    if (this.state !== "attached" || !this.#hasPresence) return;
    const change = this.list.apply(params);
    for (const subscriber of [...this.subscribers]) subscriber.onMembers(change);
  }

  onRefused(code: string): void {
    if (this.state !== "deciding" && this.state !== "attached") return;
    if (code === "unavailable") return this.#askLater();
    this.end(refusal(this.name, code));
  }

  /** Ends all subscriptions, for `error` if there is one. */
  end(error?: Error): void {
    this.#reset();
    for (const subscriber of [...this.subscribers]) subscriber.end(error);
  }

  get #hasPresence(): boolean {
    return [...this.subscribers].some(({ options }) => options.presence);
  }

  /** Finds a subscriber that reads and is not at the feed's place. */
  #findWaiting(): Subscriber | undefined {
    return [...this.subscribers].find(
      ({ isReading, isAnywhere, tail }) => isReading && !isAnywhere && (tail === undefined || tail !== this.#position),
    );
  }

  #reset(): void {
    this.state = "idle";
    this.isKnown = false;
    this.#sequence++;
    this.#stopWaiting();
  }

  #stopWaiting(): void {
    this.#mismatch.stop();
    this.#unavailable.stop();
    this.#deciding.stop();
  }

  #ask(): void {
    this.#stopWaiting();
    this.owner.onChange(this);
  }

  #askLater(): void {
    this.#deciding.stop();
    this.state = "idle";
    for (const subscriber of this.subscribers) subscriber.setState("attaching");
    this.#unavailable.later(() => this.#ask());
  }
}
