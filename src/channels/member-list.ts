import type { Member, MembersParams } from "./protocol/frames.ts";
import type { SubscriptionEvents } from "./subscription.ts";

/** The members of one channel, as far as the server said. */
export class MemberList {
  /** A new map at each change, so that a view can compare it. */
  members: ReadonlyMap<string, unknown> = new Map();
  count = 0;
  /** Whether the server has sent them once. */
  isKnown = false;

  /** Applies a `$/members` frame, and returns the difference to the members that were known. */
  apply([, joined, left, count]: MembersParams): SubscriptionEvents<unknown>["members"] {
    const before = this.members;
    this.isKnown = true;
    this.count = count;
    if (joined && left) {
      const members = new Map(before);
      for (const id of left) members.delete(id);
      for (const [id, info] of joined) members.set(id, info);
      this.members = members;
      return { joined, left, count };
    }
    this.members = new Map(joined);
    const isNew = ([id]: Member) => !before.has(id);
    return {
      joined: [...this.members].filter(isNew),
      left: [...before.keys()].filter((id) => !this.members.has(id)),
      count,
    };
  }
}
