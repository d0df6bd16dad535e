import { type Deferred, deferred } from "../base/deferred.ts";
import { aborted, ConnError, onAbort } from "../base/errors.ts";
import { Timer } from "../base/timer.ts";
import type { ChannelsPeer } from "./channels-conn.ts";
import type { PublishOptions, ResolvedChannelsOptions } from "./options.ts";
import type { PublishResult } from "./protocol/frames.ts";
import { PUBLISH } from "./protocol/methods.ts";
import { finalError } from "./refusal.ts";
import { Retry } from "./retry.ts";

/** The part of the channels of a Conn that a publisher needs. */
export interface PublisherOwner {
  readonly peer: ChannelsPeer;
  readonly options: ResolvedChannelsOptions;
  /** Whether this layer may send now. */
  readonly isLive: boolean;
  /** Called when a publish has settled. */
  onSettled(publisher: Publisher): void;
}

interface Publish {
  readonly data: unknown;
  readonly id: string;
  readonly call: Deferred<string | null>;
  readonly deadline: Timer;
  isTried: boolean;
  /** Whether it may be appended, because a connection took a request that was not answered with a result. */
  mayBeAppended: boolean;
}

/** The publishes of one channel, one after another. Each is repeated until it is appended once, refused, or too old. */
export class Publisher {
  readonly channel: string;
  readonly #owner: PublisherOwner;
  readonly #retry: Retry;
  #waiting: Publish[] = [];
  /** Aborted to take back, or give up, the request that is under way. */
  #request: AbortController | undefined;
  #end: ConnError | undefined;

  constructor(channel: string, owner: PublisherOwner) {
    this.channel = channel;
    this.#owner = owner;
    this.#retry = new Retry(owner.options.backoff);
  }

  /** Publishes that wait or are under way. */
  get length(): number {
    return this.#waiting.length;
  }

  publish(data: unknown, id: string, { signal }: PublishOptions): Promise<string | null> {
    const call = deferred<string | null>();
    const publish: Publish = { data, id, call, deadline: new Timer(), isTried: false, mayBeAppended: false };
    this.#waiting.push(publish);
    onAbort(signal, call.promise, () => this.#fail(publish, aborted(signal as AbortSignal)));
    this.send();
    return call.promise;
  }

  /** Sends the first publish that waits, unless one is under way. */
  send(): void {
    const [publish] = this.#waiting;
    if (!publish || this.#request || !this.#owner.isLive) return;
    this.#retry.stop();
    const { data, id } = publish;
    const { publishTimeoutMs } = this.#owner.options;
    if (!publish.isTried) publish.deadline.start(publishTimeoutMs, () => this.#fail(publish, this.#interrupted()));
    publish.isTried = true;
    const request = new AbortController();
    this.#request = request;
    const options = { signal: request.signal, timeoutMs: publishTimeoutMs };
    let answer: Promise<unknown>;
    try {
      answer = this.#owner.peer.call(PUBLISH, { channel: this.channel, data, id }, options);
    } catch (error) {
      return this.#fail(publish, error as Error);
    }
    answer.then(
      (result) => {
        const { position } = (result ?? {}) as PublishResult;
        if (this.#request === request) this.#settle(publish, () => publish.call.resolve(position ?? null));
      },
      (error) => {
        if (this.#request === request) this.#onFailure(publish, error);
      },
    );
  }

  /** Called when the connection has ended without a session: takes back a request that was not written. */
  withdraw(): void {
    this.#request?.abort();
  }

  /**
   * Rejects all publishes. When the Conn has ended, the one under way is left to its call, which rejects with its outcome;
   * when the channels were detached (`isDetached`), no call will.
   */
  end(error: ConnError, isDetached: boolean): void {
    this.#end = error;
    const [first, ...others] = [...this.#waiting];
    for (const publish of others) this.#fail(publish, error);
    if (!first || (this.#request && !isDetached)) return;
    this.#fail(first, first.mayBeAppended || this.#request ? this.#interrupted() : error);
  }

  #onFailure(publish: Publish, error: Error): void {
    this.#request = undefined;
    const { code } = error as { readonly code?: unknown };
    // A number is an answer of the server, whose engine may have appended the message and then not answered.
    if (typeof code === "number" || code === "interrupted" || code === "unmarshal") publish.mayBeAppended = true;
    const reason = finalError(this.channel, error);
    if (this.#end) this.#fail(publish, publish.mayBeAppended ? this.#interrupted() : this.#end);
    else if (reason) this.#fail(publish, reason);
    else if (code === "interrupted" || code === "aborted") this.send();
    else this.#retry.later(() => this.send());
  }

  #fail(publish: Publish, error: Error): void {
    if (this.#waiting.includes(publish)) this.#settle(publish, () => publish.call.reject(error));
  }

  #settle(publish: Publish, act: () => void): void {
    publish.deadline.stop();
    if (this.#waiting[0] === publish) {
      this.#retry.stop();
      this.#retry.reset();
      const request = this.#request;
      this.#request = undefined;
      request?.abort();
    }
    this.#waiting.splice(this.#waiting.indexOf(publish), 1);
    act();
    this.#owner.onSettled(this);
    if (!this.#end) this.send();
  }

  #interrupted(): ConnError {
    return new ConnError(
      "interrupted",
      `The publish to ${this.channel} was not answered, and may be appended: give an id to repeat it safely.`,
    );
  }
}
