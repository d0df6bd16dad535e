import type { Payload } from "../base/payload.ts";

/**
 * The name of an entry in a channel's log: a counter in base 36, a hyphen and a random tag, as in `2x-k7f3q`. The counter
 * orders the entries of one log; the tag tells two logs apart that use the same numbers, as after a failover that lost
 * the last writes.
 */
export type Position = string;

/** How much of a channel the engine keeps. */
export interface History {
  /** Entries. At least 1. */
  readonly size: number;
  /** Milliseconds from the last publish after which the whole log is forgotten. At least 1. */
  readonly ttlMs: number;
}

/** One published message. Both positions are null in a channel without history. */
export interface LogEntry {
  /** The name of the entry. */
  readonly position: Position | null;
  /** The position of the entry before it in the log, or of the empty log's head. */
  readonly previous: Position | null;
  /** The message, in the form that the log keeps. */
  readonly data: Payload;
}

/** Where a read begins: after an entry, or with the last `last` entries. */
export type ReadFrom =
  | {
      /** The position of the entry before the first one. */
      readonly after: Position;
    }
  | {
      /** The number of newest entries. */
      readonly last: number;
    };

/** How much one read returns at most. A read returns at least one entry where there is one. */
export interface ReadLimit {
  /** Entries. */
  readonly messages: number;
  /** Bytes of data. */
  readonly bytes: number;
}

/** A part of a log, in order. */
export interface LogPart {
  /** The entries, oldest first. */
  readonly entries: readonly LogEntry[];
  /** The position of the last entry of the whole log at the time of the read. */
  readonly head: Position;
}

/** The members of a channel: the info of each client id, as the application gave it, serialized. */
export type EngineMembers = ReadonlyMap<string, string>;

/**
 * How the memberships of another node changed without a call of that node: they ended because the node died, or they are
 * back because it had only been cut off or stopped.
 */
export type NodeChange = "gone" | "back";

/** Whether the engine can be reached: while it is `down`, publishes and reads reject with `unavailable`. */
export type EngineState = "up" | "down";

/**
 * The store under channels: a log for each channel with history, a live feed for each channel, and the members of
 * channels by node. One engine object is one node; several nodes on one store are one cluster.
 *
 * Every method that returns a promise rejects with ConnError `unavailable` when the engine can't be reached within its
 * own deadline. A publish that rejects so may have been appended: the same `id` makes a repeat safe.
 */
export interface Engine {
  /** The name of this node, random and new with each engine object. */
  readonly node: string;
  /**
   * Appends a message to the log of the channel, and sends it to the feed of each node that subscribed. Without `history`
   * nothing is kept and the result is null. A repeated `id` (remembered for 5 minutes) returns the position of the first
   * publish and appends nothing.
   */
  publish(
    channel: string,
    data: Payload,
    options: { readonly history?: History | undefined; readonly id?: string | undefined },
  ): Promise<Position | null>;
  /**
   * Reads the log. Resolves with undefined where the log does not reach back to `after`: it neither is the head nor the
   * `previous` of an entry. A read of the `last` entries has no gap.
   */
  read(channel: string, from: ReadFrom, limit: ReadLimit): Promise<LogPart | undefined>;
  /**
   * Attaches the feed of a channel. Resolves with the head once each later publish reaches `onEntry`, and with null for
   * a channel without history. A feed may lose entries, repeat them and reorder them: its reader compares `previous`.
   */
  subscribe(
    channel: string,
    history: History | undefined,
    onEntry: (entry: LogEntry) => void,
  ): Promise<Position | null>;
  /** Detaches the feed of a channel. */
  unsubscribe(channel: string): void;
  /** Makes heads where there are none, refreshes their time to live, and returns them in the order of `channels`. */
  heads(channels: readonly { readonly channel: string; readonly history: History }[]): Promise<readonly Position[]>;
  /** Makes `client` a member by this node, or changes its info. A member of two nodes stays until both removed it. */
  setMember(channel: string, client: string, info: string): Promise<void>;
  /** Ends the membership of `client` by this node. */
  removeMember(channel: string, client: string): Promise<void>;
  /** Lists the members by all nodes that are alive. */
  members(channel: string): Promise<EngineMembers>;
  /**
   * Calls `listener` with each change of state, and with `up` again after each reconnect, when feeds may have missed
   * entries. Returns an unsubscribe function.
   */
  onState(listener: (state: EngineState) => void): () => void;
  /**
   * Calls `listener` when another node dies or comes back, which changes the members of channels: `members()` lists them.
   * Called only while this node has members itself. Returns an unsubscribe function.
   */
  onNode(listener: (node: string, change: NodeChange) => void): () => void;
  /**
   * Ends feeds, timers and connections of this node. Its memberships end with them, or last `membersMs` longer, so that
   * a client which moves to another node by then is a member throughout.
   */
  close(options?: { readonly membersMs?: number | undefined }): Promise<void>;
}
