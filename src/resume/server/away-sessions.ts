import type { IssuedSessions } from "./issued-sessions.ts";
import type { ServerSession } from "./server-session.ts";
import type { ResolvedSessionOptions } from "./session-options.ts";

/** Bounds of what is kept for clients that are away. */
export type AwayBounds = Pick<ResolvedSessionOptions, "maxSessions" | "maxSessionsPerPrincipal" | "maxBytes">;

/**
 * The sessions whose clients are away, bounded in number and bytes together with the issued ones. Above a bound the issued
 * sessions go first, then the anonymous ones, so that strangers can't evict the sessions of authenticated clients. Within
 * each kind the oldest goes first.
 */
export class AwaySessions {
  readonly #bounds: AwayBounds;
  readonly #issued: IssuedSessions;
  readonly #onEvict: (session: ServerSession) => void;
  /** Bytes kept for each session, in the order in which their clients left. */
  readonly #anonymous = new Map<ServerSession, number>();
  readonly #authenticated = new Map<ServerSession, number>();
  readonly #byPrincipal = new Map<string, Set<ServerSession>>();
  #bytes = 0;

  /** @param onEvict called with each session for which there is no room, after its removal */
  constructor(bounds: AwayBounds, issued: IssuedSessions, onEvict: (session: ServerSession) => void) {
    this.#bounds = bounds;
    this.#issued = issued;
    this.#onEvict = onEvict;
  }

  has(session: ServerSession): boolean {
    return this.#queueOf(session).has(session);
  }

  /** Adds a session for which `bytes` are kept, or updates the bytes of one that is here. */
  set(session: ServerSession, bytes: number): void {
    const queue = this.#queueOf(session);
    const before = queue.get(session);
    queue.set(session, bytes);
    this.#bytes += bytes - (before ?? 0);
    const { principal } = session.record;
    if (before === undefined && principal !== undefined) {
      const siblings = this.#byPrincipal.get(principal) ?? new Set();
      this.#byPrincipal.set(principal, siblings.add(session));
    }
    if (bytes > (before ?? -1)) this.enforceBounds();
    if (before === undefined && principal !== undefined) this.#enforceShare(principal);
  }

  remove(session: ServerSession): void {
    const queue = this.#queueOf(session);
    const { principal = "" } = session.record;
    this.#bytes -= queue.get(session) ?? 0;
    queue.delete(session);
    const siblings = this.#byPrincipal.get(principal);
    if (siblings?.delete(session) && siblings.size === 0) this.#byPrincipal.delete(principal);
  }

  /** Evicts sessions until the bounds hold. */
  enforceBounds(): void {
    const issued = this.#issued;
    while (this.#isOver && issued.countedSessions + issued.countedBytes > 0) issued.evictOldest();
    for (const queue of [this.#anonymous, this.#authenticated]) {
      for (const session of queue.keys()) {
        if (!this.#isOver) return;
        this.#evict(session);
      }
    }
  }

  get #isOver(): boolean {
    const { maxSessions, maxBytes } = this.#bounds;
    const { countedSessions, countedBytes } = this.#issued;
    const sessions = this.#anonymous.size + this.#authenticated.size + countedSessions;
    return sessions > maxSessions || this.#bytes + countedBytes > maxBytes;
  }

  #enforceShare(principal: string): void {
    const siblings = this.#byPrincipal.get(principal);
    for (const session of siblings ?? []) {
      if ((siblings as Set<ServerSession>).size <= this.#bounds.maxSessionsPerPrincipal) return;
      this.#evict(session);
    }
  }

  #evict(session: ServerSession): void {
    this.remove(session);
    this.#onEvict(session);
  }

  #queueOf({ record: { principal } }: ServerSession): Map<ServerSession, number> {
    return principal === undefined ? this.#anonymous : this.#authenticated;
  }
}
