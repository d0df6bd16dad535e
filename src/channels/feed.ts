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

/** Milliseconds until an undecided request is repeated. A hub takes 5 s for `authorize`, and as long for its engine. */
const DECISION_MS = 30_000;

/** How far the feed has come on the connection. */
type FeedState =
  /** The channel is not asked for, or the next frame will. */
  | "idle"
  /** A `$/subscribe` is sent. Frames before its answer belong to an earlier one. */
  | "sent"
  /** The server has answered, and decides. */
  | "deciding"
  /** Messages flow. */
  | "attached";

/**
 * One channel on the wire, for all of its subscribers here. The server sends from one place in the log, and each subscriber
 * has its own place. A subscriber at another place is served once the others have reached the head: the channel is asked
 * for again, from that place.
 */
export class Feed implements SubscriberFeed {
  readonly name: string;
  readonly owner: FeedOwner;
  readonly list = new MemberList();
  readonly subscribers = new Set<Subscriber>();
  state: FeedState = "idle";
  /** Whether the server may hold a subscription on this connection. */
  isKnown = false;
  /** Delays another request after a message that did not follow on the one before. */
  readonly #mismatch: Retry;
  /** Delays another request where the server can't decide. */
  readonly #unavailable: Retry;
  readonly #deciding = new Timer();
  /** The feed's place: the position of the last message, or the one after which the next message comes. */
  #position: string | null = null;
  /** The newest position that the server named. */
  #head: string | null = null;
  #hasReachedHead = false;
  /** The subscriber for which the channel was last asked for, and the request. */
  #served: Subscriber | undefined;
  #request: SubscribeRequest = {};
  /** The number of the latest `$/subscribe`. Answers to earlier ones are ignored. */
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
    else if (!subscriber.startsAtHead) this.serve();
    else {
      subscriber.place(this.#hasReachedHead ? this.#position : this.#head);
      subscriber.setState("attached");
    }
  }

  remove(subscriber: Subscriber): void {
    const hadPresence = this.#hasPresence;
    this.subscribers.delete(subscriber);
    // Asked for again without presence, because otherwise this client would stay a member.
    if (this.subscribers.size === 0 || this.#hasPresence !== hadPresence) this.#ask();
  }

  /** Once the feed is at the head: asks for the channel again, for one subscriber that is at another place. */
  serve(): void {
    if (this.state !== "attached" || !this.#hasReachedHead) return;
    for (const subscriber of this.subscribers) if (subscriber.tail === this.#position) subscriber.onCaughtUp();
    if (this.#findWaiting()) this.#ask();
  }

  /** Called when the connection has ended: the server has no subscription any more. */
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
        this.#deciding.start(DECISION_MS, () => this.#askLater());
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
    // Without a request, as after a gap, the frame continues from the feed's place.
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
      if (subscriber.startsAtHead) subscriber.place(head);
      else if (isContinued(subscriber, served, last)) {
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
      ({ isReading, startsAtHead, tail }) =>
        isReading && !startsAtHead && (tail === undefined || tail !== this.#position),
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

/**
 * Whether a `$/attached` that continues after `last` continues this subscriber: one that is at that place, or, without a
 * place yet, the one that was `served`. All others take messages of their places later, or are served then.
 */
function isContinued(subscriber: Subscriber, served: Subscriber | undefined, last: string | null | undefined): boolean {
  const { isReading, tail } = subscriber;
  if (!isReading) return false;
  return tail === undefined ? subscriber === served : tail === last;
}
