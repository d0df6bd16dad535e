import type { IncomingMessage } from "node:http";
import type { WebSocket } from "ws";
import { HANDSHAKE_TIMEOUT, NORMAL } from "../../base/close-codes.ts";
import type { Payload } from "../../base/payload.ts";
import { Timer } from "../../base/timer.ts";
import { NodeSocket, type Tcp, type WsSocket } from "../../socket/node-socket.ts";
import type { ConnectionEnd, SocketOwner } from "../../socket/socket.ts";
import { encode } from "../protocol/control.ts";
import type { ResumePlan } from "../protocol/delivery-state.ts";
import {
  answerHandshake,
  greetingFrame,
  type PendingHandshake,
  type SessionRecord,
  type SessionStore,
} from "./server-handshake.ts";

/** What a visit needs of whoever keeps the sessions. */
export interface PendingSocketOwner extends SessionStore {
  onAccepted(visit: PendingSocket, session: SessionRecord): void;
  onResumed(visit: PendingSocket, session: SessionRecord, back: ResumePlan): void;
  /** A session can't go on, by the client's fault. */
  onBroken(session: SessionRecord): void;
}

/** How long a client may take to answer the greeting, and what it is told then. */
const ANSWER_MS = 10_000;

/**
 * One socket of a client that speaks resume: greeted at once, silent until the client has said which session it wants,
 * then at the disposal of the Conn of that session. What comes before that Conn listens is kept.
 */
export class PendingSocket implements SocketOwner {
  readonly request: IncomingMessage;
  readonly #accepted: WebSocket;
  readonly #handshake: PendingHandshake;
  readonly #owner: PendingSocketOwner;
  readonly #socket: NodeSocket;
  readonly #timer = new Timer();
  #earlyEvents: ((owner: SocketOwner) => void)[] | undefined;
  #socketOwner: SocketOwner | undefined;

  constructor(
    accepted: WebSocket,
    request: IncomingMessage,
    maxPayloadBytes: number,
    ttlMs: number,
    arrival: PendingHandshake,
    owner: PendingSocketOwner,
  ) {
    this.request = request;
    this.#accepted = accepted;
    this.#handshake = arrival;
    this.#owner = owner;
    this.#socket = new NodeSocket(accepted as unknown as WsSocket, maxPayloadBytes, this, request.socket as Tcp);
    this.#socket.write(encode(greetingFrame(arrival, ttlMs)));
    this.#timer.start(ANSWER_MS, () => this.leave(HANDSHAKE_TIMEOUT), true);
  }

  get issued(): SessionRecord {
    return this.#handshake.issued;
  }

  /** The Conn of the session takes the socket over. */
  handOver(conn: SocketOwner): NodeSocket {
    queueMicrotask(() => {
      this.#socketOwner = conn;
      conn.onOpen(this.#accepted.protocol, this.#accepted.extensions);
      for (const tell of this.#earlyEvents ?? []) tell(conn);
      this.#earlyEvents = undefined;
    });
    return this.#socket;
  }

  /** Leaves the socket, which is heard no more. */
  leave(code: number): void {
    this.#timer.stop();
    this.#socket.abandon(code, "");
  }

  onOpen(): void {}

  onMessage(payload: Payload): void {
    if (this.#socketOwner) this.#socketOwner.onMessage(payload);
    else if (this.#earlyEvents) this.#earlyEvents.push((conn) => conn.onMessage(payload));
    else this.#answer(payload);
  }

  onEnd(ending: ConnectionEnd): void {
    this.#timer.stop();
    if (this.#socketOwner) this.#socketOwner.onEnd(ending);
    else this.#earlyEvents?.push((conn) => conn.onEnd(ending));
  }

  onPong(): void {
    this.#socketOwner?.onPong();
  }

  #answer(payload: Payload): void {
    const step = answerHandshake(this.#handshake, payload, this.#owner);
    switch (step.type) {
      case "reply":
        this.#socket.write(encode(step.frame));
        return;
      case "ended":
        this.#socket.write(encode(step.frame));
        return this.leave(NORMAL);
      case "refuse":
        this.leave(step.code);
        if (step.over) this.#owner.onBroken(step.over);
        return;
      case "accepted":
        this.#timer.stop();
        this.#earlyEvents = [];
        return this.#owner.onAccepted(this, step.session);
      case "resumed":
        this.#timer.stop();
        this.#earlyEvents = [];
        return this.#owner.onResumed(this, step.session, step.back);
    }
  }
}
