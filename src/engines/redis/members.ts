import { noop } from "../../base/deferred.ts";
import { ConnError } from "../../base/errors.ts";
import { Timer } from "../../base/timer.ts";
import type { EngineMembers, NodeChange } from "../../server/engine.ts";
import type { Commands } from "./commands.ts";
import { foreign } from "./failures.ts";
import type { Keys } from "./keys.ts";
import { NodeWatch, type NodeWatchOwner } from "./node-watch.ts";
import { MEMBERS } from "./scripts.ts";
import { textOf } from "./wire.ts";

/** Renewals of a lease in the time that it lasts. */
const RENEWALS = 3.3;
/** Members in one HSET or HDEL. */
const CHUNK = 500;
/** How long members stay in Redis after all nodes that set them have died, where no read deletes them sooner. */
const TTL_MS = 3_600_000;
const REFRESH_MS = TTL_MS / 3;

export interface MembersOwner {
  /** Called when Redis holds data that is not ours, or the lease of this node lapsed. */
  onError(error: ConnError): void;
  /** Called when another node died or came back. */
  onNode(node: string, change: NodeChange): void;
}

/**
 * The members of channels, and the lease of this node: members count while the lease of their node lasts. A node whose
 * lease lapsed, or whose connection was lost, sets all of its members anew under another name, because the old ones
 * may be deleted by then, or may have come back by a failover.
 */
export class Members implements NodeWatchOwner {
  readonly #commands: Commands;
  readonly #keys: Keys;
  readonly #node: string;
  readonly #leaseMs: number;
  readonly #owner: MembersOwner;
  readonly #watch: NodeWatch;
  /** The info of each client that is a member by this node, by channel. */
  readonly #own = new Map<string, Map<string, string>>();
  readonly #timer = new Timer();
  /** How often this node has joined. */
  #joins = 0;
  /** The name in the fields, once the node has joined. */
  #name: string | undefined;
  /** Until when dead nodes count as alive, by `performance.now()`. */
  #graceUntil = 0;
  #refreshedAt = performance.now();

  constructor(commands: Commands, keys: Keys, node: string, leaseMs: number, owner: MembersOwner) {
    this.#commands = commands;
    this.#keys = keys;
    this.#node = node;
    this.#leaseMs = leaseMs;
    this.#owner = owner;
    this.#watch = new NodeWatch(commands, keys, leaseMs, this);
  }

  async set(channel: string, client: string, info: string): Promise<void> {
    const members = this.#own.get(channel) ?? new Map<string, string>();
    members.set(client, info);
    this.#own.set(channel, members);
    if (this.#name === undefined) return this.#join();
    await this.#write(this.#name, channel, [[client, info]]);
  }

  async remove(channel: string, client: string): Promise<void> {
    const members = this.#own.get(channel);
    members?.delete(client);
    if (members?.size === 0) this.#own.delete(channel);
    if (this.#name === undefined) return;
    await this.#commands.send(["HDEL", this.#keys.members(channel), `${this.#name}/${client}`]);
  }

  async list(channel: string): Promise<EngineMembers> {
    const args = [this.#keys.leasePrefix, this.isGrace ? "1" : "0"];
    const reply = await this.#commands.run(MEMBERS, [this.#keys.members(channel)], args, { isRepeatable: true });
    const found = Array.isArray(reply) ? reply : [];
    const members = new Map<string, string>();
    for (let i = 0; i < found.length; i += 2) {
      const field = textOf(found[i]) ?? "";
      const slash = field.indexOf("/");
      if (slash < 0) this.#owner.onError(foreign(`a member of ${channel} without a node`));
      // Fields of this node may be those of an earlier name.
      else if (!field.startsWith(`${this.#node}.`)) members.set(field.slice(slash + 1), textOf(found[i + 1]) ?? "");
    }
    for (const [client, info] of this.#own.get(channel) ?? []) members.set(client, info);
    return members;
  }

  // NodeWatchOwner: asked and called by the watch.

  get isNeeded(): boolean {
    return this.#own.size > 0;
  }

  get isGrace(): boolean {
    return performance.now() < this.#graceUntil;
  }

  onNode(node: string, change: NodeChange): void {
    if (node !== this.#node) this.#owner.onNode(node, change);
  }

  /** Joins anew after a reconnect. Leases of others may have lapsed while Redis was away, so they get time to join too. */
  onReconnect(): void {
    this.#graceUntil = performance.now() + this.#leaseMs;
    if (this.#name === undefined) return;
    this.#name = undefined;
    this.#join().catch(noop);
  }

  /** Ends all memberships of this node: now, or in so many milliseconds. */
  async close(inMs: number): Promise<void> {
    this.#timer.stop();
    this.#watch.stop();
    const name = this.#name;
    if (name === undefined) return;
    this.#name = undefined;
    if (inMs > 0 && this.#own.size > 0) {
      // Other nodes see the lease end, and forget its name and its members then.
      await this.#commands.send(["PEXPIRE", this.#keys.lease(name), String(Math.ceil(inMs))]);
      return;
    }
    // The lease comes first, because it alone ends them all.
    const deletions: Promise<unknown>[] = [
      this.#commands.send(["DEL", this.#keys.lease(name)]),
      this.#commands.send(["SREM", this.#keys.nodes, name]),
    ];
    for (const [channel, members] of this.#own) {
      for (const clients of chunksOf([...members.keys()])) {
        const fields = clients.map((client) => `${name}/${client}`);
        deletions.push(this.#commands.send(["HDEL", this.#keys.members(channel), ...fields]));
      }
    }
    this.#own.clear();
    await Promise.all(deletions);
  }

  /** Takes a new name, and sets all members under it. */
  async #join(): Promise<void> {
    const before = this.#joins === 0 ? undefined : this.#nameOf(this.#joins);
    const name = this.#nameOf(++this.#joins);
    this.#name = name;
    this.#renewLater();
    this.#refreshedAt = performance.now();
    const writes: Promise<unknown>[] = [
      this.#commands.send(["SET", this.#keys.lease(name), "1", "PX", String(this.#leaseMs)]),
    ];
    for (const [channel, members] of this.#own) writes.push(this.#write(name, channel, [...members]));
    // Afterwards, so that nodes which learn of the lease find its members.
    writes.push(this.#commands.send(["SADD", this.#keys.nodes, name]));
    try {
      await Promise.all(writes);
    } catch (error) {
      // The next renewal begins again, because some members may be missing under this name.
      if (this.#name === name) this.#name = undefined;
      throw error;
    }
    // Afterwards, so that no reader misses a member in between.
    if (before !== undefined) await this.#commands.send(["DEL", this.#keys.lease(before)]);
  }

  #nameOf(join: number): string {
    return `${this.#node}.${join.toString(36)}`;
  }

  async #write(name: string, channel: string, members: readonly (readonly [string, string])[]): Promise<void> {
    const key = this.#keys.members(channel);
    const writes = chunksOf(members).map((chunk) =>
      this.#commands.send(["HSET", key, ...chunk.flatMap(([client, info]) => [`${name}/${client}`, info])]),
    );
    await Promise.all([...writes, this.#commands.send(["PEXPIRE", key, String(TTL_MS)])]);
  }

  #renewLater(): void {
    this.#timer.start(this.#leaseMs / RENEWALS, () => this.#renew(), true);
  }

  #renew(): void {
    this.#renewLater();
    if (this.#own.size === 0) return;
    if (this.#name === undefined) {
      this.#join().catch(noop);
      return;
    }
    this.#renewLease(this.#name).catch(noop);
    this.#refresh();
  }

  async #renewLease(name: string): Promise<void> {
    const lease = ["SET", this.#keys.lease(name), "1", "PX", String(this.#leaseMs), "XX"];
    // The name again, because a failover or an eviction may have lost it.
    const [reply] = await Promise.all([
      this.#commands.send(lease),
      this.#commands.send(["SADD", this.#keys.nodes, name]),
    ]);
    if (reply !== null || this.#name !== name) return;
    this.#owner.onError(
      new ConnError(
        "unavailable",
        `The lease of this node lapsed after ${this.#leaseMs} ms, and its members join anew: raise leaseMs if the process stalls.`,
      ),
    );
    await this.#join();
  }

  /** Renews the time to live of the members that this node has set. */
  #refresh(): void {
    if (performance.now() - this.#refreshedAt < REFRESH_MS) return;
    this.#refreshedAt = performance.now();
    for (const channel of this.#own.keys()) {
      this.#commands.send(["PEXPIRE", this.#keys.members(channel), String(TTL_MS)]).catch(noop);
    }
  }
}

function chunksOf<T>(all: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(all.length / CHUNK) }, (_, i) => all.slice(i * CHUNK, (i + 1) * CHUNK));
}
