import { randomBytes } from "node:crypto";
import type { WebSocket } from "ws";
import { FENCED, GOING_AWAY } from "../../base/close-codes.ts";
import type { Resume } from "../../core/session.ts";
import type { ServerSource } from "../../server/accepted-source.ts";
import type { ServerConn } from "../../server/handler-options.ts";
import type { AcceptedUpgrade } from "../../server/upgrader.ts";
import type { ResumePlan } from "../protocol/delivery-state.ts";
import type { SelectedProtocol } from "../protocol/subprotocol.ts";
import { AwaySessions } from "./away-sessions.ts";
import { IssuedSessions, requestBytes } from "./issued-sessions.ts";
import { PendingSocket, type PendingSocketOwner } from "./pending-socket.ts";
import { ServerConnectionSource } from "./server-connection-source.ts";
import { createSessionRecord, type SessionRecord } from "./server-handshake.ts";
import { ServerSession, type ServerSessionOwner } from "./server-session.ts";
import { type ResolvedSessionOptions, resolveSessionOptions, type SessionOptions } from "./session-options.ts";
import { TtlMap } from "./ttl-map.ts";

/** The parts from which the Conn of a session is made. */
export interface SessionParts {
  readonly source: ServerSource;
  readonly resume: Resume;
  readonly upgrade: AcceptedUpgrade;
}

/** The Conn of a session, and the request of its latest connection. */
type SessionConn = Pick<ServerConn<never, never>, "state" | "stats" | "close" | "request">;

interface ActiveSession {
  readonly session: ServerSession;
  readonly conn: SessionConn;
}

/** Milliseconds for a client to come back after the delay that it was asked to wait. */
const RETURN_MS = 5_000;
const SID_BYTES = 12;
const SECRET_BYTES = 24;
const ABORTED = AbortSignal.abort();

/**
 * Keeps the sessions of a handler. A session is *issued* with the greeting, *active* from when a client takes it until
 * its Conn ends, and *over* for the `ttlMs` after that, so that clients that return late learn how it ended.
 */
export class SessionRegistry implements PendingSocketOwner, ServerSessionOwner {
  readonly #options: ResolvedSessionOptions;
  readonly #maxPayloadBytes: number;
  readonly #openConn: (parts: SessionParts) => SessionConn;
  readonly #issued = new IssuedSessions();
  readonly #active = new Map<string, ActiveSession>();
  readonly #away: AwaySessions;
  readonly #over: TtlMap<SessionRecord>;
  keepUntil = 0;

  /**
   * @param openConn makes the Conn of a session that a client has taken
   * @throws {@link ConnError} `bad-option`
   */
  constructor(options: SessionOptions, maxPayloadBytes: number, openConn: (parts: SessionParts) => SessionConn) {
    this.#options = resolveSessionOptions(options);
    this.#maxPayloadBytes = maxPayloadBytes;
    this.#openConn = openConn;
    const { ttlMs, maxSessions } = this.#options;
    // In a microtask, because a session may be evicted in the middle of its own disconnection.
    const evict = (session: ServerSession) => queueMicrotask(() => session.end("o"));
    this.#away = new AwaySessions(this.#options, this.#issued, evict);
    this.#over = new TtlMap(ttlMs, maxSessions);
  }

  /** Milliseconds that a session is kept while its client is away. */
  get ttlMs(): number {
    return this.#options.ttlMs;
  }

  /** Greets a client that speaks resume, with a session that is issued to it. */
  greet(webSocket: WebSocket, upgrade: AcceptedUpgrade, { protocol, app }: SelectedProtocol): void {
    const { principal } = upgrade;
    const { ttlMs, windowBytes } = this.#options;
    const key = { sid: randomToken(SID_BYTES), secret: randomToken(SECRET_BYTES) };
    const issued = createSessionRecord(key, principal, windowBytes);
    const handshake = { issued, principal, protocol, app, isRefused: false };
    this.#issued.add(new PendingSocket(webSocket, upgrade, this.#maxPayloadBytes, ttlMs, handshake, this));
    this.#away.enforceBounds();
  }

  /** Keeps every session at least until a client that was asked to wait for up to `maxMs` can be back. */
  onDelayed(maxMs: number): void {
    this.keepUntil = Math.max(this.keepUntil, performance.now() + maxMs + RETURN_MS);
  }

  /** Asks every client to come back over another connection, at a moment of its own within this time. */
  requestMove(spreadMs: number): void {
    for (const { session } of this.#active.values()) session.requestMove(0, spreadMs);
  }

  /** Drops the sessions that are issued and the records of those that are over. */
  clear(): void {
    this.#issued.clear();
    this.#over.clear();
  }

  // PendingSocketOwner: called by a pending socket.

  get(sid: string): SessionRecord | undefined {
    return this.#active.get(sid)?.session.record ?? this.#issued.get(sid)?.record ?? this.#over.get(sid);
  }

  beforeResume({ sid }: SessionRecord): void {
    const active = this.#active.get(sid);
    if (!active) return;
    const { session, conn } = active;
    // A session in setup or closing cannot be resumed: end its Conn first.
    if (!session.isActivated || conn.state === "closing") abandon(conn);
  }

  onAccepted(socket: PendingSocket, record: SessionRecord, plan?: ResumePlan): void {
    this.#issued.delete(record.sid);
    const { ack, ttlMs } = this.#options;
    const session = new ServerSession(record, socket, plan, { acksConsumed: ack === "consumed", ttlMs }, this);
    const conn = this.#openConn({
      source: new ServerConnectionSource(session),
      resume: (owner) => session.bind(owner),
      upgrade: socket.upgrade,
    });
    this.#active.set(record.sid, { session, conn });
  }

  onResumed(socket: PendingSocket, record: SessionRecord, plan: ResumePlan): void {
    this.#issued.delete(socket.issued.sid);
    const active = this.#active.get(record.sid);
    if (active) {
      Object.assign(active.conn, { request: socket.request });
      active.session.resume(socket, plan);
      return;
    }
    // The client took an issued session, and its N was lost or is late.
    this.#issued.get(record.sid)?.socket?.leave(FENCED);
    this.onAccepted(socket, record, plan);
  }

  onBroken({ sid }: SessionRecord): void {
    this.#issued.delete(sid);
    this.#active.get(sid)?.session.end("u");
  }

  onSocketEnded(socket: PendingSocket): void {
    this.#issued.onSocketEnded(socket);
  }

  // ServerSessionOwner: called by a session.

  onAway(session: ServerSession, isAway: boolean): void {
    const active = this.#active.get(session.record.sid);
    if (isAway && active) this.#away.set(session, bytesOf(active));
    else this.#away.remove(session);
  }

  onBytesChange(session: ServerSession): void {
    if (!this.#away.has(session)) return;
    const active = this.#active.get(session.record.sid);
    if (active) this.#away.set(session, bytesOf(active));
  }

  onOver(session: ServerSession): void {
    const { record, refusal, isEndedWell } = session;
    this.#away.remove(session);
    this.#active.delete(record.sid);
    record.outcome = isEndedWell ? "ended" : (refusal ?? "e");
    // A client that returns late needs only the count of received messages.
    Object.assign(record.delivery, { retained: [], start: 0, cost: 0, unackedCosts: [], unackedCost: 0 });
    this.#over.set(record.sid, record);
  }
}

/** Returns the bytes that are kept for a client that is away: messages of both directions, and its request. */
function bytesOf({ session, conn }: ActiveSession): number {
  const { outbox, inbox } = conn.stats;
  return session.bytes + outbox.bytes + inbox.bytes + requestBytes(conn.request);
}

function abandon(conn: SessionConn): void {
  conn.close(GOING_AWAY, "", { signal: ABORTED });
}

function randomToken(bytes: number): string {
  return randomBytes(bytes).toString("base64url");
}
