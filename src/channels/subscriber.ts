import { type Deferred, deferred } from "../base/deferred.ts";
import { Emitter, type ListenOptions } from "../base/emitter.ts";
import { ConnError, textOf } from "../base/errors.ts";
import type { MemberList } from "./member-list.ts";
import type { PublishOptions, ResolvedChannelsOptions, ResolvedSubscribeOptions } from "./options.ts";
import type { SubscribeRequest } from "./protocol/frames.ts";
import { Retry } from "./retry.ts";
import type { ChannelMessage, Subscription, SubscriptionEvents, SubscriptionState } from "./subscription.ts";

/** The part of the channels of a Conn that their subscriptions need. */
export interface SubscriberOwner {
  readonly conn: { report(error: ConnError): void };
  readonly options: ResolvedChannelsOptions;
  publish(channel: string, data: unknown, options?: PublishOptions): Promise<string | null>;
}

/** The part of a feed that its subscriptions need. */
export interface SubscriberFeed {
  readonly name: string;
  readonly owner: SubscriberOwner;
  readonly list: MemberList;
  remove(subscriber: Subscriber): void;
  /** Called when a subscription takes messages again: the feed serves it if it is at another place. */
  serve(): void;
}

/** A message that waits for a reader, and the position of the one before it. */
interface Queued extends ChannelMessage<unknown> {
  readonly previous: string | null;
}

const EVENTS: readonly string[] = ["message", "gap", "members", "state", "closed"];

/** One subscription of the application: takes its messages from the feed of the channel, by the chain of positions. */
export class Subscriber implements Subscription<unknown> {
  readonly options: ResolvedSubscribeOptions;
  state: SubscriptionState = "attaching";
  position: string | null = null;
  /** The position after which the next message is taken; undefined before the first attachment. */
  tail: string | null | undefined;
  readonly #feed: SubscriberFeed;
  readonly #emitter = new Emitter<SubscriptionEvents<unknown>>();
  readonly #ready = deferred<void>();
  readonly #retry: Retry;
  #queue: Queued[] = [];
  /** Whether the queue is full, so that later messages are left in the log until the queue has been read. */
  #isLagging = false;
  #load: AbortController | undefined;
  #error: Error | undefined;
  /** Resolved when something has changed for a reader that waits. */
  #news: Deferred<void> | undefined;

  constructor(feed: SubscriberFeed, options: ResolvedSubscribeOptions) {
    this.#feed = feed;
    this.options = options;
    this.#retry = new Retry(feed.owner.options.backoff);
  }

  /** Returns a tag, because Vue and Alpine proxy plain objects deeply, and leave an object with a tag alone. */
  get [Symbol.toStringTag](): string {
    return "Subscription";
  }

  get channel(): string {
    return this.#feed.name;
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  get members(): ReadonlyMap<string, unknown> {
    return this.#feed.list.members;
  }

  get memberCount(): number {
    return this.#feed.list.count;
  }

  publish(data: unknown, options?: PublishOptions): Promise<string | null> {
    return this.#feed.owner.publish(this.channel, data, options);
  }

  report(error: ConnError): void {
    this.#feed.owner.conn.report(error);
  }

  on<Name extends keyof SubscriptionEvents<unknown>>(
    event: Name,
    listener: (payload: SubscriptionEvents<unknown>[Name]) => void,
    options?: ListenOptions,
  ): () => void {
    if (!EVENTS.includes(event))
      throw new ConnError("misuse", `${event} is no event: use one of ${EVENTS.join(", ")}.`);
    if (typeof listener !== "function")
      throw new ConnError("misuse", `on("${event}") takes a function; got ${typeof listener}.`);
    const off = this.#emitter.on(event, listener, options);
    if (event === "message") {
      queueMicrotask(() => this.#push());
      // Otherwise a reader that waits would wait for ever.
      this.#tellReader();
    }
    return off;
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<ChannelMessage<unknown>> {
    let isDone = false;
    const next = async (): Promise<IteratorResult<ChannelMessage<unknown>>> => {
      while (!isDone) {
        if (this.#emitter.hasListeners("message")) throw new ConnError("misuse");
        const value = this.#shift();
        if (value) return { done: false, value };
        if (this.state === "closed") {
          isDone = true;
          if (this.#error) throw this.#error;
          break;
        }
        this.#news ??= deferred();
        await this.#news.promise;
      }
      return { done: true, value: undefined };
    };
    const iterator = {
      next,
      return: async () => {
        isDone = true;
        this.#tellReader();
        return { done: true as const, value: undefined };
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  close(): void {
    this.#queue = [];
    this.end();
  }

  // The feed calls these.

  /** Whether it takes messages of its place now: its queue has room, and no `load` runs. */
  get isReading(): boolean {
    return !this.#isLagging && !this.#load;
  }

  /** The request that continues this subscription. */
  get request(): SubscribeRequest {
    const { from } = this.options;
    if (typeof this.tail === "string") return { after: this.tail };
    if (this.startsAtHead) return {};
    return typeof from === "string" ? { after: from } : from;
  }

  /** Whether the next message is to be the next of the channel: at first with `from: "now"`, without history always. */
  get startsAtHead(): boolean {
    return this.tail === null || (this.tail === undefined && this.options.from === "now");
  }

  /** Continues after `position`, without a gap. */
  place(position: string | null): void {
    const isFirst = this.tail === undefined;
    this.tail = position;
    if (this.#queue.length === 0) this.position = position;
    if (isFirst && this.options.load) this.#startLoad(position);
  }

  /** Continues after `position`, and reports the messages before it as missed. */
  skip(position: string | null): void {
    const { load } = this.options;
    const after = (this.tail ?? this.options.from) as string;
    this.place(position);
    this.#emitter.emit("gap", { after, position });
    if (load && this.state !== "closed") {
      // Set at once, so that no message is delivered before the load that it may be part of.
      this.#load = new AbortController();
      this.#retry.again(() => this.#startLoad(position));
    }
  }

  /** Takes a message if it is the next one for this subscription. */
  offer(previous: string | null, position: string | null, data: unknown): void {
    if (this.tail !== previous || this.#isLagging) return;
    if (this.#queue.length >= this.options.maxQueued) {
      // Left in the log, which is read from here once the queue is empty.
      this.#isLagging = position !== null;
      if (this.#isLagging) return;
      this.#queue.shift();
    }
    this.tail = position;
    this.#queue.push({ previous, position, data });
    this.#push();
    this.#tellReader();
  }

  /** Called when no message is left to be read, so that the next gap counts as the first in a row. */
  onCaughtUp(): void {
    if (this.isReading) this.#retry.reset();
  }

  setState(to: SubscriptionState): void {
    const from = this.state;
    if (from === to || from === "closed") return;
    this.state = to;
    if (to === "attached") this.#ready.resolve();
    this.#emitter.emit("state", { from, to });
  }

  onMembers(change: SubscriptionEvents<unknown>["members"]): void {
    if (this.options.presence) this.#emitter.emit("members", change);
  }

  /** Ends it, for `error` if there is one. */
  end(error?: Error): void {
    if (this.state === "closed") return;
    this.#error = error;
    this.#load?.abort();
    this.#retry.stop();
    this.#feed.remove(this);
    this.#ready.reject(error ?? new ConnError("closed", `The subscription to ${this.channel} was closed.`));
    this.setState("closed");
    this.#emitter.emit("closed", error ? { error } : {});
    this.#emitter.releaseSignals();
    this.#tellReader();
  }

  #shift(): ChannelMessage<unknown> | undefined {
    if (this.#load) return undefined;
    const next = this.#queue.shift();
    if (next) {
      this.position = next.position;
      return { data: next.data, position: next.position };
    }
    if (this.#isLagging) {
      this.#isLagging = false;
      this.#feed.serve();
    }
    return undefined;
  }

  #push(): void {
    while (this.#emitter.hasListeners("message")) {
      const next = this.#shift();
      if (!next) return;
      this.#emitter.emit("message", next);
    }
  }

  #tellReader(): void {
    this.#news?.resolve();
    this.#news = undefined;
  }

  async #startLoad(head: string | null): Promise<void> {
    const controller = new AbortController();
    const { signal } = controller;
    this.#load = controller;
    let position: unknown;
    try {
      position = await this.options.load?.({ head, signal });
    } catch (cause) {
      if (signal.aborted) return;
      this.report(new ConnError("provider", `load() of ${this.channel} failed: ${textOf(cause)}`, { cause }));
      return this.#retry.later(() => this.#startLoad(head));
    }
    if (signal.aborted) return;
    this.#load = undefined;
    if (this.tail !== null) this.#goOnAfter(typeof position === "string" ? position : (head as string));
    this.#push();
    this.#tellReader();
    this.#feed.serve();
  }

  /** Keeps the messages after `position` that came while `load` ran. Without any, the log is read from there. */
  #goOnAfter(position: string): void {
    const first = this.#queue.findIndex(({ previous }) => previous === position);
    this.#queue = first < 0 ? [] : this.#queue.slice(first);
    if (first < 0) this.tail = position;
    this.position = position;
  }
}
