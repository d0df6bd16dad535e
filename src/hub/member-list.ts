import { Timer } from "../base/timer.ts";
import type { Member, MembersParams } from "../channels/protocol/frames.ts";
import { MAX_MEMBERS } from "../channels/protocol/limits.ts";
import { MEMBERS } from "../channels/protocol/methods.ts";
import type { Engine, History, LogEntry, NodeChange, Position } from "../server/engine.ts";
import { LogFollower } from "./log-follower.ts";
import { foreignMember, isInfo, type MemberChange, parseChange } from "./member-change.ts";
import { SharedFrame } from "./shared-frame.ts";
import type { Subscription } from "./subscription.ts";

/** A member as this node knows it. */
interface KnownMember {
  info: string;
  /** The nodes where the client is a member; undefined where only the list is known, which does not name nodes. */
  nodes: readonly string[] | undefined;
}

/** A log whose follower is to be compared with the engine. */
export interface LogToCheck {
  readonly channel: string;
  readonly history: History;
  check(head: Position): Promise<unknown>;
}

/** The way to the members of one channel. */
export interface MemberSource {
  readonly engine: Engine;
  readonly channel: string;
  /** The inner channel that has an entry for each change. */
  readonly changes: string;
  readonly history: History;
  /** Whether the client is a member by this node. */
  isLocal(client: string): boolean;
  /** Called when the engine holds members that this version did not write. */
  onError(error: unknown): void;
}

/** Milliseconds for which changes are gathered. */
const GATHER_MS = 100;
/** Milliseconds between two reads of a list. */
const RELOAD_MS = 200;
/**
 * A list that was too long to send is sent again from this number of members on down. Less than `MAX_MEMBERS`, so that a
 * number that varies around the bound does not send the whole list each time.
 */
const MEMBERS_AGAIN = 900;

/** The members of one channel on this node, and the subscribers who see them. */
export class MemberList {
  readonly watchers = new Set<Subscription>();
  readonly #source: MemberSource;
  readonly #follower: LogFollower;
  #members = new Map<string, KnownMember>();
  /** For each member that changed since the last frame, the info that watchers know; undefined for none. */
  readonly #changed = new Map<string, string | undefined>();
  #state: "new" | "loading" | "ready" | "stopped" = "new";
  /** Changes that came while the list was being read, so that the list may lack them. */
  #early: MemberChange[] = [];
  #mustReload = false;
  #lastReload = Number.NEGATIVE_INFINITY;
  readonly #reload = new Timer();
  readonly #gather = new Timer();
  #isGathering = false;
  #isLarge = false;
  #sentCount = -1;

  constructor(source: MemberSource) {
    this.#source = source;
    const { engine, changes, history } = source;
    this.#follower = new LogFollower(engine, changes, history, {
      onEntry: (entry) => this.#onEntry(entry),
      onGap: () => this.reload(),
      isKnown: () => false,
    });
    void this.#start();
  }

  get follower(): LogFollower {
    return this.#follower;
  }

  /** The log of changes, to be compared with its head in the engine. */
  get logToCheck(): LogToCheck {
    const { changes, history } = this.#source;
    return { channel: changes, history, check: (head) => this.#follower.check(head) };
  }

  /** Reads the list anew where the node may have had members of it, or has them again. */
  onNode(node: string, change: NodeChange): void {
    // A node that is back makes no entries for its members.
    let isConcerned = change === "back";
    for (const [client, member] of this.#members) {
      if (member.nodes?.includes(node)) {
        const others = member.nodes.filter((other) => other !== node);
        member.nodes = others.length > 0 ? others : undefined;
        isConcerned = true;
      } else if (!member.nodes && !this.#source.isLocal(client)) isConcerned = true;
    }
    if (isConcerned) this.reload();
  }

  /** Writes to the watchers in `GATHER_MS`, so that many changes make one frame. */
  refresh(): void {
    if (this.#isGathering || this.#state !== "ready") return;
    this.#isGathering = true;
    this.#gather.start(GATHER_MS, () => this.#write());
  }

  /** Reads the list anew, at most five times a second. */
  reload(): void {
    this.#mustReload = true;
    if (this.#state !== "ready") return;
    const wait = this.#lastReload + RELOAD_MS - performance.now();
    if (wait > 0) this.#reload.start(wait, () => this.#load(), true);
    else void this.#load();
  }

  stop(): void {
    this.#state = "stopped";
    this.#follower.stop();
    this.#reload.stop();
    this.#gather.stop();
  }

  /** Attaches the feed of changes first, so that the list that is read then lacks none. */
  async #start(): Promise<void> {
    try {
      await this.#follower.start();
    } catch {
      if (!this.#isStopped) this.#reload.start(RELOAD_MS, () => this.#start(), true);
      return;
    }
    await this.#load();
  }

  get #isStopped(): boolean {
    return this.#state === "stopped";
  }

  async #load(): Promise<void> {
    if (this.#isStopped || this.#state === "loading") return;
    this.#state = "loading";
    this.#mustReload = false;
    this.#lastReload = performance.now();
    try {
      this.#replace(await this.#source.engine.members(this.#source.channel));
    } catch {
      this.#mustReload = true;
    }
    if (this.#isStopped) return;
    this.#state = "ready";
    for (const change of this.#early.splice(0)) this.#apply(change);
    this.refresh();
    if (this.#mustReload) this.reload();
  }

  #replace(list: ReadonlyMap<string, string>): void {
    if (this.#isStopped) return;
    const former = this.#members;
    this.#members = new Map();
    for (const [client, info] of list) {
      if (!isInfo(info)) {
        this.#source.onError(foreignMember(this.#source.channel));
        continue;
      }
      const known = former.get(client);
      if (known?.info !== info) this.#note(client, known?.info);
      this.#members.set(client, { info, nodes: known?.nodes });
    }
    for (const [client, { info }] of former) if (!this.#members.has(client)) this.#note(client, info);
  }

  #onEntry({ data }: LogEntry): void {
    const change = parseChange(data);
    if (!change) {
      this.#source.onError(foreignMember(this.#source.channel));
      return this.reload();
    }
    if (this.#state === "ready") this.#apply(change);
    else this.#early.push(change);
  }

  #apply({ node, client, info }: MemberChange): void {
    const known = this.#members.get(client);
    if (info !== undefined) {
      if (known?.info !== info) this.#note(client, known?.info);
      this.#members.set(client, { info, nodes: nodesWith(known, node) });
    } else if (known) {
      // Read again, because another node may have the same member.
      if (!known.nodes) return this.reload();
      known.nodes = known.nodes.filter((other) => other !== node);
      if (known.nodes.length > 0) return;
      this.#note(client, known.info);
      this.#members.delete(client);
    }
    this.refresh();
  }

  /** Remembers what the watchers know of a member that is about to change. */
  #note(client: string, info: string | undefined): void {
    if (!this.#changed.has(client)) this.#changed.set(client, info);
  }

  /** Writes the changes since the last frame to watchers that had it, and the whole list to those that did not. */
  #write(): void {
    this.#isGathering = false;
    if (this.#state !== "ready") return;
    const count = this.#members.size;
    const wasLarge = this.#isLarge;
    this.#isLarge = count > (wasLarge ? MEMBERS_AGAIN : MAX_MEMBERS);
    const everybody = this.#frame(count, () => (this.#isLarge ? [null, null] : [this.#list(), null]));
    const difference = this.#difference(count, wasLarge);
    this.#changed.clear();
    this.#sentCount = count;
    for (const watcher of this.watchers) {
      if (watcher.members === "held") continue;
      const frame = watcher.members === "outdated" ? everybody : difference;
      if (!frame) continue;
      const { client } = watcher;
      const isWritten = client.isWritable && client.write(frame) !== "blocked";
      watcher.members = isWritten ? "current" : "outdated";
      if (!isWritten) client.awaitDrain(watcher);
    }
  }

  /** Returns the frame for watchers that had the last one, or undefined if nothing has changed. */
  #difference(count: number, wasLarge: boolean): SharedFrame | undefined {
    if (this.#isLarge) {
      return wasLarge && count === this.#sentCount ? undefined : this.#frame(count, () => [null, null]);
    }
    if (wasLarge) return this.#frame(count, () => [this.#list(), null]);
    const joined: Member[] = [];
    const left: string[] = [];
    for (const [client, before] of this.#changed) {
      const now = this.#members.get(client)?.info;
      if (now === undefined && before !== undefined) left.push(client);
      else if (now !== undefined && now !== before) joined.push([client, JSON.parse(now)]);
    }
    return joined.length + left.length === 0 ? undefined : this.#frame(count, () => [joined, left]);
  }

  #frame(count: number, lists: () => readonly [MembersParams[1], MembersParams[2]]): SharedFrame {
    return new SharedFrame(MEMBERS, () => [this.#source.channel, ...lists(), count]);
  }

  #list(): Member[] {
    return [...this.#members].map(([client, { info }]) => [client, JSON.parse(info)] as const);
  }
}

/** Returns the nodes of a member after it joined on `node`; undefined where the nodes before are not known. */
function nodesWith(known: KnownMember | undefined, node: string): readonly string[] | undefined {
  if (!known) return [node];
  return known.nodes && [...known.nodes.filter((other) => other !== node), node];
}
