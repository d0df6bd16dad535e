import { Timer } from "../base/timer.ts";
import type { Engine, History } from "../server/engine.ts";
import { MemberList } from "./member-list.ts";
import { Memberships } from "./memberships.ts";
import type { Subscription } from "./subscription.ts";

/** A client as a member. */
export interface MemberIdentity {
  readonly memberId: string;
  /** In JSON. */
  readonly info: string;
}

/** How long changes are kept after the last one. No option, because a node that missed some only reads the list. */
const CHANGES_TTL_MS = 600_000;

/** Returns the inner channel of a channel's changes. No client can name it, because it has a control character. */
function changesOf(channel: string): string {
  return `\u0001members:${channel}`;
}

/** The members of all channels: those that this node has, and those that it shows to its clients. */
export class Presence {
  readonly #engine: Engine;
  /** The log of changes of each channel. */
  readonly #history: History;
  readonly #onError: (error: unknown) => void;
  readonly #memberships: Memberships;
  readonly #lists = new Map<string, MemberList>();
  readonly #held = new Timer();
  readonly #offNode: () => void;
  /** Whether the node has just begun, so that other clients may be on their way back. */
  #isBeginning = true;

  constructor(
    engine: Engine,
    { graceMs, maxMemberChanges }: { readonly graceMs: number; readonly maxMemberChanges: number },
    onError: (error: unknown) => void,
  ) {
    this.#engine = engine;
    this.#history = { size: maxMemberChanges, ttlMs: CHANGES_TTL_MS };
    this.#onError = onError;
    const report = (channel: string, change: object) =>
      engine.publish(changesOf(channel), JSON.stringify(change), { history: this.#history });
    this.#memberships = new Memberships({ engine, report }, graceMs);
    this.#held.start(graceMs, () => this.#releaseHeld(), true);
    this.#offNode = engine.onNode((node, change) => {
      for (const list of this.lists) list.onNode(node, change);
    });
  }

  /** The lists, which follow logs of their own. */
  get lists(): Iterable<MemberList> {
    return this.#lists.values();
  }

  /** Makes the client a member, and has it see the members. */
  add(subscription: Subscription, { memberId, info }: MemberIdentity): void {
    const { channel } = subscription;
    if (subscription.members === "held" && !this.#isBeginning) subscription.members = "outdated";
    const list = this.#lists.get(channel) ?? this.#createList(channel);
    list.watchers.add(subscription);
    this.#memberships.join(channel, memberId, info);
    list.refresh();
  }

  remove(subscription: Subscription, { memberId }: MemberIdentity, isAtOnce: boolean): void {
    const { channel } = subscription;
    const list = this.#lists.get(channel);
    // Not a watcher where the subscription ended before it was attached.
    if (!list?.watchers.delete(subscription)) return;
    this.#memberships.leave(channel, memberId, isAtOnce);
    if (list.watchers.size > 0) return;
    list.stop();
    this.#lists.delete(channel);
  }

  /** Sends the members to a subscription that could not take them. */
  refresh({ channel }: Subscription): void {
    this.#lists.get(channel)?.refresh();
  }

  /** Called when the engine is back: repeats the changes that it did not take. */
  retry(): void {
    this.#memberships.retry();
    for (const list of this.lists) list.reload();
  }

  stop(): void {
    this.#held.stop();
    this.#offNode();
    this.#memberships.stop();
    for (const list of this.lists) list.stop();
    this.#lists.clear();
  }

  #createList(channel: string): MemberList {
    const isLocal = (client: string) => this.#memberships.has(channel, client);
    const list = new MemberList({
      engine: this.#engine,
      channel,
      changes: changesOf(channel),
      history: this.#history,
      isLocal,
      onError: this.#onError,
    });
    this.#lists.set(channel, list);
    return list;
  }

  #releaseHeld(): void {
    this.#isBeginning = false;
    for (const list of this.lists) {
      for (const watcher of list.watchers) if (watcher.members === "held") watcher.members = "outdated";
      list.refresh();
    }
  }
}
