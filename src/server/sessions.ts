import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { WebSocket } from "ws";
import type { Dialer } from "../attempt.ts";
import type { Conn } from "../conn.ts";
import { ConnError } from "../errors.ts";
import type { Item } from "../resume/endpoint.ts";
import type { Return } from "../resume/flow.ts";
import type { Resume } from "../session.ts";
import { MAX_TIMER_MS } from "../timer.ts";
import type { LostInfo } from "../verdict.ts";
import { FENCED, type SessionRecord, session } from "./host.ts";
import { Seat, type SeatOwner } from "./seat.ts";
import { Shelf } from "./shelf.ts";
import { Visit, type VisitOwner } from "./visit.ts";

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
  readonly ack?: "received" | "taken" | undefined;
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
export interface Parts {
  readonly dialer: Dialer;
  readonly resume: Resume;
  /** How long the client may stay away after an ending, if at all. */
  shouldRetry(info: LostInfo): number | boolean;
  readonly request: IncomingMessage;
}

type AnyConn = Conn<never, never>;

interface Seated {
  readonly seat: Seat;
  readonly conn: AnyConn;
}

const DEFAULTS = {
  ttlMs: 120_000,
  windowBytes: 2 ** 20,
  maxSessions: 10_000,
  maxSessionsPerPrincipal: Number.POSITIVE_INFINITY,
  maxBytes: 256 * 2 ** 20,
};
type Settled = typeof DEFAULTS & Pick<SessionOptions, "ack" | "principal">;

/** How long a session that nobody has taken is kept. */
const ISSUED_MS = 30_000;
/** Those who are just coming find room, however few may be away. */
const MIN_ISSUED = 1_000;
const TRY_AGAIN_LATER = 1013;
const GOING_AWAY = 1001;
const SID_BYTES = 12;
const SECRET_BYTES = 24;
const NOW = AbortSignal.abort();

/** Keeps the sessions of a handler, bounded in number and bytes: a session too many is forgotten, the longest away first. */
export class Sessions implements VisitOwner, SeatOwner {
  readonly #options: Settled;
  readonly #maxPayloadBytes: number;
  readonly #open: (parts: Parts) => AnyConn;
  readonly #seated = new Map<string, Seated>();
  /** The clients that are away, the longest first, and what waits for them in bytes. */
  readonly #away = new Map<Seat, number>();
  /** The same clients by principal. */
  readonly #awayOf = new Map<string, Set<Seat>>();
  readonly #issued: Shelf<Visit>;
  readonly #over: Shelf<SessionRecord<Item>>;
  #awayBytes = 0;

  /** @throws {@link ConnError} `bad-option` */
  constructor(options: SessionOptions, maxPayloadBytes: number, open: (parts: Parts) => AnyConn) {
    this.#options = checked(options);
    this.#maxPayloadBytes = maxPayloadBytes;
    this.#open = open;
    const { ttlMs, maxSessions } = this.#options;
    this.#issued = new Shelf(ISSUED_MS, Math.max(MIN_ISSUED, maxSessions), (visit) => visit.leave(TRY_AGAIN_LATER));
    this.#over = new Shelf(ttlMs, maxSessions);
  }

  /** Who asks, as far as the request tells. What the user's function throws is thrown. */
  principalOf(request: IncomingMessage): string | undefined {
    return this.#options.principal?.(request);
  }

  /** Greets a client that speaks resume. */
  greet(accepted: WebSocket, request: IncomingMessage, principal: string | undefined): void {
    const key = { sid: token(SID_BYTES), secret: token(SECRET_BYTES) };
    const issued = session<Item>(key, principal);
    const { ttlMs, windowBytes: window } = this.#options;
    const arrival = { issued, principal, window, isTurnedAway: false };
    this.#issued.set(key.sid, new Visit(accepted, request, this.#maxPayloadBytes, ttlMs, arrival, this));
  }

  get(sid: string): SessionRecord<Item> | undefined {
    return this.#seated.get(sid)?.seat.record ?? this.#issued.get(sid)?.issued ?? this.#over.get(sid);
  }

  claim({ sid }: SessionRecord<Item>): void {
    const seated = this.#seated.get(sid);
    // Who is not yet served, or about to end, is not returned to: that Conn ends first.
    if (seated && (!seated.seat.isServed || seated.conn.state === "closing")) cut(seated.conn);
  }

  taken(visit: Visit, record: SessionRecord<Item>, back?: Return<Item>): void {
    this.#issued.delete(record.sid);
    const { ack, ttlMs } = this.#options;
    const seat = new Seat(record, visit, back, { acksTaken: ack === "taken" }, this);
    const { dialer, session: resume } = seat;
    const shouldRetry = ({ retry }: LostInfo) => retry && seat.isServed && ttlMs;
    const conn = this.#open({ dialer, resume, shouldRetry, request: visit.request });
    this.#seated.set(record.sid, { seat, conn });
  }

  resumed(visit: Visit, record: SessionRecord<Item>, back: Return<Item>): void {
    this.#issued.delete(visit.issued.sid);
    const seated = this.#seated.get(record.sid);
    if (seated) {
      Object.assign(seated.conn, { request: visit.request });
      return seated.seat.resume(visit, back);
    }
    // Issued on a socket whose N was lost, or may still come.
    this.#issued.get(record.sid)?.leave(FENCED);
    this.taken(visit, record, back);
  }

  broken({ sid }: SessionRecord<Item>): void {
    this.#issued.delete(sid);
    this.#seated.get(sid)?.seat.end("u");
  }

  away(seat: Seat, isAway: boolean): void {
    const seated = this.#seated.get(seat.record.sid);
    if (!isAway || !seated) return this.#arrived(seat);
    if (this.#away.has(seat)) return;
    const { principal } = seat.record;
    const bytes = seat.bytes + seated.conn.stats.outbox.bytes;
    this.#away.set(seat, bytes);
    this.#awayBytes += bytes;
    if (principal !== undefined) this.#awayOf.set(principal, (this.#awayOf.get(principal) ?? new Set()).add(seat));
    this.#bound(principal);
  }

  queued(seat: Seat, bytes: number): void {
    const before = this.#away.get(seat);
    if (before === undefined) return;
    this.#away.set(seat, before + bytes);
    this.#awayBytes += bytes;
    if (bytes > 0) this.#bound(undefined);
  }

  over(seat: Seat): void {
    const { record, why, isDone } = seat;
    this.#arrived(seat);
    this.#seated.delete(record.sid);
    record.over = isDone ? "ended" : (why ?? "e");
    // What its client may still learn is how far we had come.
    Object.assign(record.flow, { kept: [], start: 0, weight: 0 });
    this.#over.set(record.sid, record);
  }

  /** Asks every client to come back over another connection, at a moment of its own within this time. */
  move(spreadMs: number): void {
    for (const { seat } of this.#seated.values()) seat.move(0, spreadMs);
  }

  /** Forgets those that nobody has taken yet, and what is left of those that are over. */
  clear(): void {
    this.#issued.clear();
    this.#over.clear();
  }

  #arrived(seat: Seat): void {
    const { principal = "" } = seat.record;
    const own = this.#awayOf.get(principal);
    this.#awayBytes -= this.#away.get(seat) ?? 0;
    this.#away.delete(seat);
    if (own?.delete(seat) && own.size === 0) this.#awayOf.delete(principal);
  }

  /** Forgets whom there is no room for, the longest away first. */
  #bound(principal: string | undefined): void {
    const { maxSessions, maxBytes, maxSessionsPerPrincipal } = this.#options;
    const isFull = () => this.#away.size > maxSessions || this.#awayBytes > maxBytes;
    for (const seat of this.#away.keys()) {
      if (!isFull()) break;
      this.#forget(seat);
    }
    const own = principal === undefined ? undefined : this.#awayOf.get(principal);
    for (const seat of own ?? []) {
      if ((own as Set<Seat>).size <= maxSessionsPerPrincipal) return;
      this.#forget(seat);
    }
  }

  #forget(seat: Seat): void {
    this.#arrived(seat);
    seat.end("o");
  }
}

function cut(conn: AnyConn): void {
  conn.close(GOING_AWAY, "", { signal: NOW });
}

function token(bytes: number): string {
  return randomBytes(bytes).toString("base64url");
}

function checked(options: SessionOptions): Settled {
  const { ack = "received", principal } = options;
  if (ack !== "received" && ack !== "taken") throw bad("ack", "received or taken", ack);
  if (principal !== undefined && typeof principal !== "function") throw bad("principal", "a function", principal);
  const all = { ...DEFAULTS, ack, principal };
  for (const name of Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[]) {
    const value = options[name] ?? DEFAULTS[name];
    const min = name === "ttlMs" || name === "windowBytes" ? 1 : 0;
    if (typeof value !== "number" || !(value >= min)) throw bad(name, `a number, at least ${min}`, value);
    all[name] = value;
  }
  all.ttlMs = Math.min(all.ttlMs, MAX_TIMER_MS);
  all.windowBytes = Math.floor(Math.min(all.windowBytes, MAX_WINDOW_BYTES));
  return all;
}

/** The largest number of ten digits to the base of 36, which is how it travels. */
const MAX_WINDOW_BYTES = 36 ** 10 - 1;

function bad(name: string, range: string, value: unknown): ConnError {
  return new ConnError("bad-option", `resume.${name} must be ${range}; got ${String(value)}.`);
}
