import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { WebSocket } from "ws";
import { FENCED, GOING_AWAY, TRY_AGAIN_LATER } from "../../base/close-codes.ts";
import { ConnError } from "../../base/errors.ts";
import { MAX_TIMER_MS } from "../../base/timer.ts";
import type { Conn } from "../../core/conn.ts";
import type { ConnectionSource } from "../../core/connect-attempt.ts";
import type { DisconnectInfo } from "../../core/disconnect-info.ts";
import type { Resume } from "../../core/session.ts";
import type { ResumePlan } from "../protocol/delivery-state.ts";
import { PendingSocket, type PendingSocketOwner } from "./pending-socket.ts";
import { createSessionRecord, type SessionRecord } from "./server-handshake.ts";
import { ServerSession, type ServerSessionOwner } from "./server-session.ts";
import { TtlMap } from "./ttl-map.ts";

/** Which sessions are kept, for how long, and for whom. */
export interface SessionOptions {
  /** Milliseconds that a session is kept while its client is away. At least 1; default 2 minutes. */
  readonly ttlMs?: number | undefined;
  /**
   * What may be unacknowledged, in either direction: bytes of binary messages, UTF-16 units of text, and 64 for each
   * message. The smaller of this and the client's own limit counts for what we send. At least 1; default 1 MiB.
   */
  readonly windowBytes?: number | undefined;
  /** What is acknowledged: what was received, or what the handler has taken. Default `"received"`. */
  readonly ack?: "received" | "consumed" | undefined;
  /** Sessions whose client is away; beyond them the longest away is forgotten. At least 0; default 10,000. */
  readonly maxSessions?: number | undefined;
  /** The same for each principal. At least 0; default no limit of its own. */
  readonly maxSessionsPerPrincipal?: number | undefined;
  /** Bytes that wait for clients who are away, all together; beyond them the longest away is forgotten. Default 256 MiB. */
  readonly maxBytes?: number | undefined;
  /**
   * Who the client is, from the upgrade request (a user's id): only the same one can return to a session. Default nobody:
   * the session's secret alone stands for the client.
   */
  readonly principal?: ((request: IncomingMessage) => string | undefined) | undefined;
}

/** What the Conn of a session is made of. */
export interface SessionParts {
  readonly source: ConnectionSource;
  readonly resume: Resume;
  /** How long the client may stay away after an ending, if at all. */
  shouldRetry(info: DisconnectInfo): number | boolean;
  readonly request: IncomingMessage;
}

type AnyConn = Conn<never, never>;

interface ActiveSession {
  readonly session: ServerSession;
  readonly conn: AnyConn;
}

const DEFAULTS = {
  ttlMs: 120_000,
  windowBytes: 2 ** 20,
  maxSessions: 10_000,
  maxSessionsPerPrincipal: Number.POSITIVE_INFINITY,
  maxBytes: 256 * 2 ** 20,
};
type ResolvedSessionOptions = typeof DEFAULTS & Pick<SessionOptions, "ack" | "principal">;

/** How long a session that nobody has taken is kept. */
const ISSUED_MS = 30_000;
/** Those who are just coming find room, however few may be away. */
const MIN_ISSUED_SESSIONS = 1_000;
const SID_BYTES = 12;
const SECRET_BYTES = 24;
const ABORTED = AbortSignal.abort();

/** Keeps the sessions of a handler, bounded in number and bytes: a session too many is forgotten, the longest away first. */
export class SessionRegistry implements PendingSocketOwner, ServerSessionOwner {
  readonly #options: ResolvedSessionOptions;
  readonly #maxPayloadBytes: number;
  readonly #open: (parts: SessionParts) => AnyConn;
  readonly #active = new Map<string, ActiveSession>();
  /** The clients that are away, the longest first, and what waits for them in bytes. */
  readonly #away = new Map<ServerSession, number>();
  /** The same clients by principal. */
  readonly #awayByPrincipal = new Map<string, Set<ServerSession>>();
  readonly #issued: TtlMap<PendingSocket>;
  readonly #over: TtlMap<SessionRecord>;
  #awayBytes = 0;

  /** @throws {@link ConnError} `bad-option` */
  constructor(options: SessionOptions, maxPayloadBytes: number, open: (parts: SessionParts) => AnyConn) {
    this.#options = resolveSessionOptions(options);
    this.#maxPayloadBytes = maxPayloadBytes;
    this.#open = open;
    const { ttlMs, maxSessions } = this.#options;
    this.#issued = new TtlMap(ISSUED_MS, Math.max(MIN_ISSUED_SESSIONS, maxSessions), (visit) =>
      visit.leave(TRY_AGAIN_LATER),
    );
    this.#over = new TtlMap(ttlMs, maxSessions);
  }

  /** Who asks, as far as the request tells. What the user's function throws is thrown. */
  principalOf(request: IncomingMessage): string | undefined {
    return this.#options.principal?.(request);
  }

  /** Greets a client that speaks resume. */
  greet(accepted: WebSocket, request: IncomingMessage, principal: string | undefined): void {
    const key = { sid: randomToken(SID_BYTES), secret: randomToken(SECRET_BYTES) };
    const issued = createSessionRecord(key, principal);
    const { ttlMs, windowBytes: window } = this.#options;
    const arrival = { issued, principal, window, isRefused: false };
    this.#issued.set(key.sid, new PendingSocket(accepted, request, this.#maxPayloadBytes, ttlMs, arrival, this));
  }

  get(sid: string): SessionRecord | undefined {
    return this.#active.get(sid)?.session.record ?? this.#issued.get(sid)?.issued ?? this.#over.get(sid);
  }

  beforeResume({ sid }: SessionRecord): void {
    const seated = this.#active.get(sid);
    // Who is not yet served, or about to end, is not returned to: that Conn ends first.
    if (seated && (!seated.session.isActivated || seated.conn.state === "closing")) abandon(seated.conn);
  }

  onAccepted(visit: PendingSocket, record: SessionRecord, back?: ResumePlan): void {
    this.#issued.delete(record.sid);
    const { ack, ttlMs } = this.#options;
    const seat = new ServerSession(record, visit, back, { acksConsumed: ack === "consumed" }, this);
    const { source, session: resume } = seat;
    const shouldRetry = ({ willRetry }: DisconnectInfo) => willRetry && seat.isActivated && ttlMs;
    const conn = this.#open({ source, resume, shouldRetry, request: visit.request });
    this.#active.set(record.sid, { session: seat, conn });
  }

  onResumed(visit: PendingSocket, record: SessionRecord, back: ResumePlan): void {
    this.#issued.delete(visit.issued.sid);
    const seated = this.#active.get(record.sid);
    if (seated) {
      Object.assign(seated.conn, { request: visit.request });
      return seated.session.resume(visit, back);
    }
    // Issued on a socket whose N was lost, or may still come.
    this.#issued.get(record.sid)?.leave(FENCED);
    this.onAccepted(visit, record, back);
  }

  onBroken({ sid }: SessionRecord): void {
    this.#issued.delete(sid);
    this.#active.get(sid)?.session.end("u");
  }

  onAway(seat: ServerSession, isAway: boolean): void {
    const seated = this.#active.get(seat.record.sid);
    if (!isAway || !seated) return this.#removeAway(seat);
    if (this.#away.has(seat)) return;
    const { principal } = seat.record;
    const bytes = seat.bytes + seated.conn.stats.outbox.bytes;
    this.#away.set(seat, bytes);
    this.#awayBytes += bytes;
    if (principal !== undefined)
      this.#awayByPrincipal.set(principal, (this.#awayByPrincipal.get(principal) ?? new Set()).add(seat));
    this.#enforceLimits(principal);
  }

  onQueueChange(seat: ServerSession, bytes: number): void {
    const before = this.#away.get(seat);
    if (before === undefined) return;
    this.#away.set(seat, before + bytes);
    this.#awayBytes += bytes;
    if (bytes > 0) this.#enforceLimits(undefined);
  }

  onOver(seat: ServerSession): void {
    const { record, refusal, isEndedWell: isDone } = seat;
    this.#removeAway(seat);
    this.#active.delete(record.sid);
    record.outcome = isDone ? "ended" : (refusal ?? "e");
    // What its client may still learn is how far we had come.
    Object.assign(record.delivery, { retained: [], start: 0, cost: 0 });
    this.#over.set(record.sid, record);
  }

  /** Asks every client to come back over another connection, at a moment of its own within this time. */
  requestMove(spreadMs: number): void {
    for (const { session: seat } of this.#active.values()) seat.move(0, spreadMs);
  }

  /** Forgets those that nobody has taken yet, and what is left of those that are over. */
  clear(): void {
    this.#issued.clear();
    this.#over.clear();
  }

  #removeAway(seat: ServerSession): void {
    const { principal = "" } = seat.record;
    const own = this.#awayByPrincipal.get(principal);
    this.#awayBytes -= this.#away.get(seat) ?? 0;
    this.#away.delete(seat);
    if (own?.delete(seat) && own.size === 0) this.#awayByPrincipal.delete(principal);
  }

  /** Forgets whom there is no room for, the longest away first. */
  #enforceLimits(principal: string | undefined): void {
    const { maxSessions, maxBytes, maxSessionsPerPrincipal } = this.#options;
    const isFull = () => this.#away.size > maxSessions || this.#awayBytes > maxBytes;
    for (const seat of this.#away.keys()) {
      if (!isFull()) break;
      this.#evict(seat);
    }
    const own = principal === undefined ? undefined : this.#awayByPrincipal.get(principal);
    for (const seat of own ?? []) {
      if ((own as Set<ServerSession>).size <= maxSessionsPerPrincipal) return;
      this.#evict(seat);
    }
  }

  #evict(seat: ServerSession): void {
    this.#removeAway(seat);
    seat.end("o");
  }
}

function abandon(conn: AnyConn): void {
  conn.close(GOING_AWAY, "", { signal: ABORTED });
}

function randomToken(bytes: number): string {
  return randomBytes(bytes).toString("base64url");
}

function resolveSessionOptions(options: SessionOptions): ResolvedSessionOptions {
  const { ack = "received", principal } = options;
  if (ack !== "received" && ack !== "consumed") throw badOption("ack", "received or taken", ack);
  if (principal !== undefined && typeof principal !== "function") throw badOption("principal", "a function", principal);
  const all = { ...DEFAULTS, ack, principal };
  for (const name of Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[]) {
    const value = options[name] ?? DEFAULTS[name];
    const min = name === "ttlMs" || name === "windowBytes" ? 1 : 0;
    if (typeof value !== "number" || !(value >= min)) throw badOption(name, `a number, at least ${min}`, value);
    all[name] = value;
  }
  all.ttlMs = Math.min(all.ttlMs, MAX_TIMER_MS);
  all.windowBytes = Math.floor(Math.min(all.windowBytes, MAX_WINDOW_BYTES));
  return all;
}

/** The largest number of ten digits to the base of 36, which is how it travels. */
const MAX_WINDOW_BYTES = 36 ** 10 - 1;

function badOption(name: string, range: string, value: unknown): ConnError {
  return new ConnError("bad-option", `resume.${name} must be ${range}; got ${String(value)}.`);
}
