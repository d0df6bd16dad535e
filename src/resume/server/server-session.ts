import { FENCED, GOING_AWAY, NORMAL, RESUME_PROTOCOL_ERROR } from "../../base/close-codes.ts";
import { ConnError } from "../../base/errors.ts";
import type { Payload } from "../../base/payload.ts";
import type { ConnectionSource } from "../../core/connect-attempt.ts";
import type { Transport } from "../../core/outbox.ts";
import type { Resume, Session, SessionStart } from "../../core/session.ts";
import { Endpoint, type EndpointOptions } from "../endpoint.ts";
import { encode, type SessionEndReason } from "../protocol/control.ts";
import type { ResumePlan } from "../protocol/delivery-state.ts";
import { withoutResume } from "../protocol/subprotocol.ts";
import type { PendingSocket } from "./pending-socket.ts";
import type { SessionRecord } from "./server-handshake.ts";

/** What a seat tells whoever keeps the sessions. */
export interface ServerSessionOwner {
  /** The client is gone for now, or back. */
  onAway(seat: ServerSession, isAway: boolean): void;
  /** What waits for the client has grown or shrunk by so many bytes. */
  onQueueChange(seat: ServerSession, bytes: number): void;
  /** The Conn has ended. */
  onOver(seat: ServerSession): void;
}

/** One session in use: what stands between its Conn and the sockets on which its client comes and goes. */
export class ServerSession {
  readonly record: SessionRecord;
  /** Why the session was ended against its client's will. */
  refusal: SessionEndReason | undefined;
  /** Whether the Conn is in use: before that, in setup, nobody can return to it. */
  isActivated = false;
  /** Whether it was ended well. */
  isEndedWell = false;
  readonly #owner: ServerSessionOwner;
  readonly #options: EndpointOptions;
  /** The socket of the client, and the one that the Conn is to take over. */
  #socket: PendingSocket | undefined;
  #nextSocket: PendingSocket | undefined;
  #resumePlan: ResumePlan | undefined;
  #endpoint: Endpoint | undefined;
  #onConnection: () => void = () => {};

  /** @param back what a client that never learned of its session is owed: it returns to one that was only issued */
  constructor(
    record: SessionRecord,
    visit: PendingSocket,
    back: ResumePlan | undefined,
    habits: EndpointOptions,
    owner: ServerSessionOwner,
  ) {
    this.record = record;
    this.#resumePlan = back;
    this.#socket = this.#nextSocket = visit;
    this.#options = habits;
    this.#owner = owner;
  }

  /** What is kept for the client and not acknowledged, in bytes. */
  get bytes(): number {
    return this.record.delivery.cost;
  }

  /** The client is back on `visit`, to be told how far we have come once nothing of the last socket can count any more. */
  resume(visit: PendingSocket, back: ResumePlan): void {
    this.#socket?.leave(FENCED);
    this.#socket = this.#nextSocket = visit;
    this.#resumePlan = back;
    this.#endpoint?.applyResume(back);
    this.#onConnection();
  }

  /** Ends the session: its client will be told why when it returns. */
  end(why: SessionEndReason): void {
    this.refusal = why;
    this.#socket?.leave(RESUME_PROTOCOL_ERROR);
    this.#onConnection();
  }

  move(minMs: number, maxMs: number): void {
    this.#endpoint?.requestMove(minMs, maxMs);
  }

  readonly source: ConnectionSource = ((seat) => ({
    get retryReason() {
      return seat.refusal === undefined && ("peer" as const);
    },
    open(_target, _options, owner) {
      const visit = seat.#nextSocket;
      seat.#nextSocket = undefined;
      if (visit && !seat.refusal) return visit.handOver(owner);
      // Nobody came back in time.
      seat.refusal ??= "e";
      throw new ConnError(
        "session-lost",
        "The session is over: its client did not return, or there was no room for it.",
      );
    },
    onConnection(dial) {
      seat.#onConnection = dial;
    },
    onQueueChange: (bytes) => seat.#owner.onQueueChange(seat, bytes),
  }))(this) satisfies ConnectionSource;

  readonly session: Resume = (owner): Session => {
    const endpoint = new Endpoint(owner, this.#options);
    this.#endpoint = endpoint;
    return {
      protocolsToOffer: (protocols) => protocols,
      onHandshakeFailed: () => false,
      start: (line, protocol) => this.#start(endpoint, line, withoutResume(protocol)),
      activate: () => {
        this.isActivated = true;
        this.#owner.onAway(this, false);
        endpoint.activate();
      },
      receive: (payload: Payload) => endpoint.receive(payload),
      onConsumed: () => endpoint.onConsumed(),
      onDisconnected: () => {
        endpoint.onDisconnected();
        // Whoever is about to take over is not away, and whoever is forgotten has no place there.
        if (this.isActivated && !this.#nextSocket && !this.refusal) this.#owner.onAway(this, true);
      },
      flush: () => endpoint.flush(),
      beforeClose: (code) => {
        this.isEndedWell = code === NORMAL;
        endpoint.beforeClose();
      },
      dispose: (error, isByPeer, code) => {
        this.isEndedWell ||= code === NORMAL;
        const rest = endpoint.dispose(error, isByPeer);
        this.#socket?.leave(GOING_AWAY);
        this.#owner.onOver(this);
        return rest;
      },
      get unacknowledged() {
        return endpoint.unacknowledged;
      },
    };
  };

  #start(endpoint: Endpoint, line: Transport, protocol: string): SessionStart {
    const { delivery } = this.record;
    const back = this.#resumePlan;
    this.#resumePlan = undefined;
    if (back) line.write(encode({ type: "A", rx: delivery.received }));
    const kept = endpoint.attach(line, delivery);
    if (back) endpoint.resume(back);
    return { transport: kept, protocol, resumed: this.isActivated };
  }
}
