import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { WebSocket } from "ws";
import { FENCED, GOING_AWAY, TRY_AGAIN_LATER } from "../../base/close-codes.ts";
import type { Conn } from "../../core/conn.ts";
import type { ConnectionSource } from "../../core/connect-attempt.ts";
import type { Resume } from "../../core/session.ts";
import type { ResumePlan } from "../protocol/delivery-state.ts";
import type { SelectedProtocol } from "../protocol/subprotocol.ts";
import { AwaySessions } from "./away-sessions.ts";
import { PendingSocket, type PendingSocketOwner } from "./pending-socket.ts";
import { ServerConnectionSource } from "./server-connection-source.ts";
import { createSessionRecord, type SessionRecord } from "./server-handshake.ts";
import { ServerSession, type ServerSessionOwner } from "./server-session.ts";
import { type ResolvedSessionOptions, resolveSessionOptions, type SessionOptions } from "./session-options.ts";
import { TtlMap } from "./ttl-map.ts";

/** The parts from which the Conn of a session is made. */
export interface SessionParts {
  readonly source: ConnectionSource;
  readonly resume: Resume;
  readonly request: IncomingMessage;
}

type AnyConn = Conn<never, never>;

interface ActiveSession {
  readonly session: ServerSession;
  readonly conn: AnyConn;
}

/** How long a session is kept that no client has taken. */
const ISSUED_MS = 30_000;
/** Sessions that may be issued and not taken, however few may be away. */
const MIN_ISSUED_SESSIONS = 1_000;
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
  readonly #openConn: (parts: SessionParts) => AnyConn;
  readonly #issued: TtlMap<PendingSocket>;
  readonly #active = new Map<string, ActiveSession>();
  readonly #away: AwaySessions;
  readonly #over: TtlMap<SessionRecord>;

  /**
   * @param openConn makes the Conn of a session that a client has taken
   * @throws {@link ConnError} `bad-option`
   */
  constructor(options: SessionOptions, maxPayloadBytes: number, openConn: (parts: SessionParts) => AnyConn) {
    this.#options = resolveSessionOptions(options);
    this.#maxPayloadBytes = maxPayloadBytes;
    this.#openConn = openConn;
    const { ttlMs, maxSessions } = this.#options;
    this.#issued = new TtlMap(ISSUED_MS, Math.max(MIN_ISSUED_SESSIONS, maxSessions), (socket) =>
      socket.leave(TRY_AGAIN_LATER),
    );
    this.#away = new AwaySessions(this.#options, (session) => session.end("o"));
    this.#over = new TtlMap(ttlMs, maxSessions);
  }

  /** Returns the client's identity, from its request. Throws what the user's function throws. */
  principalOf(request: IncomingMessage): string | undefined {
    return this.#options.principal?.(request);
  }

  /** Greets a client that speaks resume, with a session that is issued to it. */
  greet(
    webSocket: WebSocket,
    request: IncomingMessage,
    principal: string | undefined,
    { protocol, app }: SelectedProtocol,
  ): void {
    const { ttlMs, windowBytes } = this.#options;
    const key = { sid: randomToken(SID_BYTES), secret: randomToken(SECRET_BYTES) };
    const issued = createSessionRecord(key, principal, windowBytes);
    const handshake = { issued, principal, protocol, app, isRefused: false };
    this.#issued.set(key.sid, new PendingSocket(webSocket, request, this.#maxPayloadBytes, ttlMs, handshake, this));
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
    return this.#active.get(sid)?.session.record ?? this.#issued.get(sid)?.issued ?? this.#over.get(sid);
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
    const session = new ServerSession(record, socket, plan, { acksConsumed: ack === "consumed" }, this);
    const conn = this.#openConn({
      source: new ServerConnectionSource(session, ttlMs),
      resume: (owner) => session.bind(owner),
      request: socket.request,
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
    // The session was issued on a socket whose N was lost, or is late.
    this.#issued.get(record.sid)?.leave(FENCED);
    this.onAccepted(socket, record, plan);
  }

  onBroken({ sid }: SessionRecord): void {
    this.#issued.delete(sid);
    this.#active.get(sid)?.session.end("u");
  }

  // ServerSessionOwner: called by a session.

  onAway(session: ServerSession, isAway: boolean): void {
    const active = this.#active.get(session.record.sid);
    if (!isAway || !active) return this.#away.remove(session);
    const { outbox, inbox } = active.conn.stats;
    this.#away.add(session, session.bytes + outbox.bytes + inbox.bytes);
  }

  onQueueChange(session: ServerSession, bytes: number): void {
    this.#away.addBytes(session, bytes);
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

function abandon(conn: AnyConn): void {
  conn.close(GOING_AWAY, "", { signal: ABORTED });
}

function randomToken(bytes: number): string {
  return randomBytes(bytes).toString("base64url");
}
