import { FENCED, GOING_AWAY, NORMAL, RESUME_PROTOCOL_ERROR } from "../../base/close-codes.ts";
import { noop } from "../../base/deferred.ts";
import type { ConnError } from "../../base/errors.ts";
import type { Payload } from "../../base/payload.ts";
import type { Transport } from "../../core/outbox.ts";
import type { Session, SessionOwner, SessionStart, Undelivered } from "../../core/session.ts";
import { Endpoint, type EndpointOptions } from "../endpoint.ts";
import { encode, type SessionEndReason } from "../protocol/control.ts";
import type { ResumePlan } from "../protocol/delivery-state.ts";
import type { PendingSocket } from "./pending-socket.ts";
import type { SessionRecord } from "./server-handshake.ts";

/** The part of the registry that a session calls. */
export interface ServerSessionOwner {
  /** The time until which every session is kept, by `performance.now()`: clients were asked to wait until then. */
  readonly keepUntil: number;
  /** Called when the client is away, or back. */
  onAway(session: ServerSession, isAway: boolean): void;
  /** Called when the bytes that are kept for the client may have changed. */
  onBytesChange(session: ServerSession): void;
  /** Called when the Conn has ended. */
  onOver(session: ServerSession): void;
}

export interface ServerSessionOptions extends EndpointOptions {
  /** Milliseconds that the session is kept while its client is away. */
  readonly ttlMs: number;
}

/** How long a session is kept whose page was left. Not ended at once, because a proxy may have sent the close frame. */
const PAGE_LEFT_MS = 5_000;
/** How much too early a timer may fire, in milliseconds. */
const TOLERANCE_MS = 50;

/** One session in use: gives its Conn the sockets on which the client connects and returns. */
export class ServerSession implements Session {
  readonly record: SessionRecord;
  /** Why the server ended the session, such as for want of room. Undefined while it may be resumed. */
  refusal: SessionEndReason | undefined;
  /** Whether setup is over. Until then the session can't be resumed. */
  isActivated = false;
  /** Whether the session was closed with 1000. */
  isEndedWell = false;
  /** Makes the Conn take over the pending socket. The connection source sets it. */
  connect: () => void = noop;
  readonly #owner: ServerSessionOwner;
  readonly #options: ServerSessionOptions;
  /** When the session expires, by `performance.now()`, while the client is away. */
  #expiresAt: number | undefined;
  /** The client's present socket, and the one that the Conn has yet to take over. */
  #socket: PendingSocket | undefined;
  #nextSocket: PendingSocket | undefined;
  #resumePlan: ResumePlan | undefined;
  #endpoint: Endpoint | undefined;

  /** @param plan what the client has yet to receive, where it returns to a session that was only issued */
  constructor(
    record: SessionRecord,
    socket: PendingSocket,
    plan: ResumePlan | undefined,
    options: ServerSessionOptions,
    owner: ServerSessionOwner,
  ) {
    this.record = record;
    this.#resumePlan = plan;
    this.#socket = this.#nextSocket = socket;
    this.#options = options;
    this.#owner = owner;
  }

  /** Bytes of unacknowledged messages that are kept for the client. */
  get bytes(): number {
    return this.record.delivery.cost;
  }

  /** Binds the session to its Conn. Called once, before any other method of {@link Session}. */
  bind(owner: SessionOwner): Session {
    this.#endpoint = new Endpoint(owner, this.#options);
    return this;
  }

  // Called by the registry.

  /** Continues on `socket`. The previous socket is left first, so that nothing from it is counted any more. */
  resume(socket: PendingSocket, plan: ResumePlan): void {
    this.#socket?.leave(FENCED);
    this.#socket = this.#nextSocket = socket;
    this.#resumePlan = plan;
    this.#endpoint?.sender.applyResume(plan);
    this.connect();
  }

  /** Ends the session. Its client gets `why` when it returns. */
  end(why: SessionEndReason): void {
    this.refusal = why;
    this.#socket?.leave(RESUME_PROTOCOL_ERROR);
    this.connect();
  }

  /** Asks the client to come back over another connection, after `minMs` to `maxMs`. */
  requestMove(minMs: number, maxMs: number): void {
    if (this.#endpoint?.isInForce) this.#endpoint.sendControl({ type: "m", min: minMs, max: maxMs });
  }

  // Called by the connection source.

  /** Milliseconds that the session is kept from now on, unless its client returns. */
  get remainingMs(): number {
    const now = performance.now();
    this.#expiresAt ??= now + this.#options.ttlMs;
    // Rounded, because the difference of two readings of the clock is rarely whole.
    return Math.round(Math.max(this.#expiresAt, this.#owner.keepUntil) - now);
  }

  /** Called when the connection ended as it does when a page is left. Such a page does not return, so the time is cut. */
  onPageLeft(): void {
    if (this.#socket?.request.headers.origin === undefined) return;
    this.#expiresAt = performance.now() + Math.min(PAGE_LEFT_MS, this.#options.ttlMs);
  }

  /** Returns the socket that the Conn is to take over. Without a socket the session has expired, or is kept for longer. */
  takeNextSocket(): PendingSocket | undefined {
    const socket = this.#nextSocket;
    this.#nextSocket = undefined;
    if (socket && !this.refusal) {
      this.#expiresAt = undefined;
      return socket;
    }
    if (this.remainingMs < TOLERANCE_MS) this.refusal ??= "e";
    return undefined;
  }

  onQueueChange(): void {
    this.#owner.onBytesChange(this);
  }

  // Session: called by the Conn.

  get isInForce(): boolean {
    return this.#bound.isInForce;
  }

  get unacknowledged(): { messages: number; bytes: number } {
    return this.#bound.sender.unacknowledged;
  }

  protocolsToOffer(protocols: readonly string[]): readonly string[] {
    return protocols;
  }

  onHandshakeFailed(): boolean {
    return false;
  }

  start(transport: Transport, protocol: string): SessionStart {
    const { delivery } = this.record;
    const plan = this.#resumePlan;
    this.#resumePlan = undefined;
    if (plan) transport.write(encode({ type: "A", rx: delivery.received }));
    this.#bound.open(transport);
    const sessionTransport = this.#bound.attach(delivery);
    if (plan) this.#bound.resume(plan);
    return { transport: sessionTransport, protocol, resumed: this.isActivated, session: true };
  }

  activate(): void {
    this.isActivated = true;
    this.#owner.onAway(this, false);
    this.#bound.sender.activate();
  }

  receive(payload: Payload): Payload | undefined {
    return this.#bound.receive(payload);
  }

  onConsumed(): void {
    this.#bound.onConsumed();
    this.#owner.onBytesChange(this);
  }

  onDisconnected(): void {
    this.#bound.onDisconnected();
    // Do not count a client whose next socket is waiting, or a session that was evicted.
    if (!this.isActivated || this.#nextSocket || this.refusal) return;
    // Later, because an eviction now would interrupt the handling of this very loss.
    queueMicrotask(() => this.#nextSocket || this.#owner.onAway(this, true));
  }

  flush(): Promise<void> {
    return this.#bound.sender.flush();
  }

  beforeClose(code: number): void {
    this.isEndedWell = code === NORMAL;
    this.#bound.beforeClose();
  }

  dispose(error: (payload?: Payload) => ConnError, isByPeer: boolean, code: number): Undelivered {
    this.isEndedWell ||= code === NORMAL;
    const undelivered = this.#bound.dispose(error, isByPeer && code === NORMAL);
    this.#socket?.leave(GOING_AWAY);
    this.#owner.onOver(this);
    return undelivered;
  }

  /** The endpoint, which exists from `bind()` on. */
  get #bound(): Endpoint {
    return this.#endpoint as Endpoint;
  }
}
