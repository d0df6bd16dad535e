import { ConnError } from "../base/errors.ts";
import { Timer } from "../base/timer.ts";
import { marshal } from "../codec/codec.ts";
import type { Engine, Position } from "../server/engine.ts";
import { Authorizer } from "./authorizer.ts";
import { type ChannelRule, ChannelRules } from "./channel-rules.ts";
import type { Client, ClientOwner } from "./client.ts";
import { Delivery } from "./delivery.ts";
import { DrainWatch } from "./drain-watch.ts";
import { FeedRegistry } from "./feed-registry.ts";
import type { ResolvedHubOptions } from "./hub-options.ts";
import type { LogToCheck } from "./member-list.ts";
import { memoryEngine } from "./memory-engine.ts";
import { Presence } from "./presence.ts";
import { type Revocation, type RevocationOwner, Revocations } from "./revocations.ts";

/** Heads that are asked for at a time. */
const HEADS = 500;
/** Milliseconds until a recovery that failed is tried again. */
const RECOVER_MS = 1_000;

/** One process of a hub: its clients, its feeds, and its recovery when the engine is lost and comes back. */
export class HubNode implements ClientOwner, RevocationOwner {
  readonly bounds: ResolvedHubOptions;
  readonly rules: ChannelRules;
  readonly authorizer: Authorizer;
  readonly delivery = new Delivery();
  readonly drainWatch = new DrainWatch();
  readonly feeds: FeedRegistry;
  readonly presence: Presence;
  readonly #engine: Engine;
  readonly #revocations: Revocations;
  readonly #clients = new Set<Client>();
  /** By id. Anonymous clients are not here. */
  readonly #byId = new Map<string, Set<Client>>();
  readonly #check = new Timer();
  readonly #recover = new Timer();
  readonly #offState: () => void;
  /** Names the recovery under way: a later one takes its place. */
  #recovery = 0;
  #isClosed = false;

  constructor(options: ResolvedHubOptions) {
    this.bounds = options;
    this.#engine = options.engine ?? memoryEngine();
    this.rules = new ChannelRules(options.channels);
    this.authorizer = new Authorizer(options.authorize, options.authorizeTimeoutMs, (error) => this.onError(error));
    this.feeds = new FeedRegistry({
      engine: this.#engine,
      delivery: this.delivery,
      codec: options.codec,
      recent: { messages: options.maxRecentMessages, bytes: options.maxRecentBytes },
    });
    this.presence = new Presence(this.#engine, options, (error) => this.onError(error));
    const revocations = { size: options.maxRevocations, ttlMs: options.revocationTtlMs };
    this.#revocations = new Revocations(this.#engine, revocations, this);
    this.#offState = this.#engine.onState((state) => {
      if (state === "down") this.#hold();
      else void this.#catchUp();
    });
    void this.#catchUp();
    this.#checkLater();
  }

  /** Adds a client, and returns a function that removes it. */
  add(client: Client): () => void {
    if (this.#isClosed) throw new ConnError("closed", "The hub is closed.");
    this.#clients.add(client);
    const { id } = client;
    if (id !== undefined) this.#byId.set(id, (this.#byId.get(id) ?? new Set()).add(client));
    return () => {
      client.disconnect();
      this.#clients.delete(client);
      const namesakes = id === undefined ? undefined : this.#byId.get(id);
      namesakes?.delete(client);
      if (id !== undefined && namesakes?.size === 0) this.#byId.delete(id);
    };
  }

  publish(channel: string, rule: ChannelRule, data: unknown, id?: readonly string[]): Promise<Position | null> {
    const payload = marshal(this.bounds.codec, data);
    const { history } = rule;
    return this.#engine.publish(channel, payload, { history, id: id && JSON.stringify(id) });
  }

  async revoke(revocation: Revocation): Promise<void> {
    // On this node at once, even where the engine can't be reached.
    this.onRevoked(revocation);
    await this.#revocations.publish(revocation);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#offState();
    this.#check.stop();
    this.#recover.stop();
    this.#recovery++;
    this.presence.stop();
    for (const client of this.#clients) client.disconnect();
    this.#clients.clear();
    this.#byId.clear();
    this.delivery.stop();
    this.drainWatch.stop();
    this.feeds.stop();
    this.#revocations.follower.stop();
    await this.#engine.close({ membersMs: this.bounds.graceMs });
  }

  onError(error: unknown): void {
    try {
      this.bounds.onError(error);
    } catch (cause) {
      console.error("onError failed:", cause, "It was to report:", error);
    }
  }

  // RevocationOwner: called for each entry of the inner channel.

  onRevoked({ client, channel }: Revocation): void {
    for (const each of this.#byId.get(client) ?? []) each.revoke(channel);
  }

  onMissed(): void {
    for (const client of this.#clients) client.reauthorize();
  }

  /** Delivers nothing until revocations are known to be complete. */
  #hold(): void {
    this.#recovery++;
    this.delivery.isHeld = true;
    this.feeds.hold();
    this.#revocations.follower.hold();
    for (const list of this.presence.lists) list.follower.hold();
  }

  /** Called when the engine is there, for the first time or again: reads what was missed, revocations first. */
  async #catchUp(): Promise<void> {
    this.#hold();
    const recovery = this.#recovery;
    const isOver = () => recovery !== this.#recovery;
    try {
      const isComplete = await this.#revocations.catchUp();
      if (isOver()) return;
      if (!isComplete) return this.#catchUpLater();
      this.delivery.isHeld = false;
      this.feeds.unhold();
      await this.#checkFeeds(() => true, isOver);
      if (isOver()) return;
      this.presence.retry();
      for (const feed of this.feeds.all) {
        for (const subscription of feed.subscriptions) this.delivery.advance(subscription);
      }
    } catch {
      if (!isOver()) this.#catchUpLater();
    }
  }

  #catchUpLater(): void {
    this.#recover.start(RECOVER_MS, () => void this.#catchUp(), true);
  }

  /** Compares the heads of feeds, in parts, with those of the engine. */
  async #checkFeeds(isDue: (isActive: boolean) => boolean, isOver: () => boolean): Promise<void> {
    const due: LogToCheck[] = [];
    for (const { channel, rule, follower } of this.feeds.all) {
      const isActive = follower.isActive;
      follower.isActive = false;
      if (!rule.history) follower.release();
      else if (isDue(isActive)) {
        due.push({ channel, history: rule.history, check: (head) => follower.check(head) });
      }
    }
    for (const list of this.presence.lists) due.push(list.logToCheck);
    for (let start = 0; start < due.length && !isOver(); start += HEADS) {
      const part = due.slice(start, start + HEADS);
      const heads = await this.#engine.heads(part.map(({ channel, history }) => ({ channel, history })));
      if (isOver()) return;
      await Promise.all(part.map(({ check }, index) => check(heads[index] as Position)));
    }
  }

  /** Finds feeds that have stalled without an error, and renews the time to live of quiet channels' heads. */
  #checkLater(): void {
    this.#check.start(
      // Twice within the time, because a feed may stall right after an entry has come.
      this.bounds.checkMs / 2,
      () => {
        const recovery = this.#recovery;
        const look = async () => {
          if (this.delivery.isHeld) return;
          await this.#revocations.catchUp();
          await this.#checkFeeds(
            (isActive) => !isActive,
            () => recovery !== this.#recovery,
          );
        };
        look()
          .catch(() => {})
          .finally(() => {
            if (!this.#isClosed) this.#checkLater();
          });
      },
      true,
    );
  }
}
