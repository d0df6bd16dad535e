import type { ServerSession } from "./server-session.ts";
import type { ResolvedSessionOptions } from "./session-options.ts";

/** Bounds of what is kept for clients that are away. */
export type AwayBounds = Pick<ResolvedSessionOptions, "maxSessions" | "maxSessionsPerPrincipal" | "maxBytes">;

/** The sessions whose clients are away, bounded in number and bytes. The session that is away longest is evicted first. */
export class AwaySessions {
  readonly #bounds: AwayBounds;
  readonly #onEvict: (session: ServerSession) => void;
  /** Bytes kept for each session, in the order in which their clients left. */
  readonly #bytes = new Map<ServerSession, number>();
  readonly #byPrincipal = new Map<string, Set<ServerSession>>();
  #totalBytes = 0;

  /** @param onEvict called with each session for which there is no room, after its removal */
  constructor(bounds: AwayBounds, onEvict: (session: ServerSession) => void) {
    this.#bounds = bounds;
    this.#onEvict = onEvict;
  }

  /** Adds a session for which `bytes` are kept. Does nothing for a session that is here. */
  add(session: ServerSession, bytes: number): void {
    if (this.#bytes.has(session)) return;
    const { principal } = session.record;
    this.#bytes.set(session, bytes);
    this.#totalBytes += bytes;
    if (principal !== undefined) this.#sessionsOf(principal).add(session);
    this.#enforceTotals();
    if (principal !== undefined) this.#enforceShare(principal);
  }

  remove(session: ServerSession): void {
    const { principal = "" } = session.record;
    this.#totalBytes -= this.#bytes.get(session) ?? 0;
    this.#bytes.delete(session);
    const siblings = this.#byPrincipal.get(principal);
    if (siblings?.delete(session) && siblings.size === 0) this.#byPrincipal.delete(principal);
  }

  /** Counts bytes that are kept for `session` from now on, or no more. Does nothing for a session that is not here. */
  addBytes(session: ServerSession, bytes: number): void {
    const before = this.#bytes.get(session);
    if (before === undefined) return;
    this.#bytes.set(session, before + bytes);
    this.#totalBytes += bytes;
    if (bytes > 0) this.#enforceTotals();
  }

  #sessionsOf(principal: string): Set<ServerSession> {
    const siblings = this.#byPrincipal.get(principal) ?? new Set();
    this.#byPrincipal.set(principal, siblings);
    return siblings;
  }

  #enforceTotals(): void {
    const { maxSessions, maxBytes } = this.#bounds;
    for (const session of this.#bytes.keys()) {
      if (this.#bytes.size <= maxSessions && this.#totalBytes <= maxBytes) return;
      this.#evict(session);
    }
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
}
