import type { IncomingMessage } from "node:http";
import type { WebSocket } from "ws";
import { HANDSHAKE_TIMEOUT, NORMAL } from "../../base/close-codes.ts";
import type { Payload } from "../../base/payload.ts";
import { Timer } from "../../base/timer.ts";
import type { AcceptedUpgrade } from "../../server/upgrader.ts";
import { NodeSocket, type WsSocket } from "../../socket/node-socket.ts";
import type { ConnectionEnd, SocketOwner } from "../../socket/socket.ts";
import type { Tcp } from "../../socket/tcp.ts";
import { encode } from "../protocol/control.ts";
import type { ResumePlan } from "../protocol/delivery-state.ts";
import {
  answerHandshake,
  greetingFrame,
  type PendingHandshake,
  type SessionRecord,
  type SessionStore,
} from "./server-handshake.ts";

/** The part of the session registry that a pending socket calls. */
export interface PendingSocketOwner extends SessionStore {
  /** Called when the client has taken the session that was issued to it. */
  onAccepted(socket: PendingSocket, session: SessionRecord): void;
  /** Called when the client has returned to an earlier session. */
  onResumed(socket: PendingSocket, session: SessionRecord, plan: ResumePlan): void;
  /** Called when the socket has ended, or is left, before its client had chosen a session. */
  onSocketEnded(socket: PendingSocket): void;
  /** Called when a session can't continue, because its client broke the protocol. */
  onBroken(session: SessionRecord): void;
}

/** Milliseconds for a client to answer the greeting. Then the socket is closed with HANDSHAKE_TIMEOUT. */
const ANSWER_MS = 10_000;

/**
 * One socket of a client that speaks resume. The socket is greeted at once and reads nothing else until the client has
 * chosen a session. Then the Conn of that session takes it over; events that come before are kept for the Conn.
 */
export class PendingSocket implements SocketOwner {
  /** The upgrade request of the socket, and what is known of its client. */
  readonly upgrade: AcceptedUpgrade;
  readonly #webSocket: WebSocket;
  readonly #handshake: PendingHandshake;
  readonly #owner: PendingSocketOwner;
  readonly #socket: NodeSocket;
  readonly #timer = new Timer();
  #earlyEvents: ((owner: SocketOwner) => void)[] | undefined;
  #socketOwner: SocketOwner | undefined;

  constructor(
    webSocket: WebSocket,
    upgrade: AcceptedUpgrade,
    maxPayloadBytes: number,
    ttlMs: number,
    handshake: PendingHandshake,
    owner: PendingSocketOwner,
  ) {
    this.upgrade = upgrade;
    this.#webSocket = webSocket;
    this.#handshake = handshake;
    this.#owner = owner;
    this.#socket = new NodeSocket(
      webSocket as unknown as WsSocket,
      maxPayloadBytes,
      this,
      upgrade.socket as unknown as Tcp,
    );
    this.#socket.write(encode(greetingFrame(handshake, ttlMs)));
    this.#timer.start(ANSWER_MS, () => this.leave(HANDSHAKE_TIMEOUT), true);
  }

  get request(): IncomingMessage {
    return this.upgrade.request;
  }

  /** The session that was issued on this socket. */
  get issued(): SessionRecord {
    return this.#handshake.issued;
  }

  /** Gives the socket to the Conn of the session, which is called in a microtask. */
  handOver(conn: SocketOwner): NodeSocket {
    queueMicrotask(() => {
      this.#socketOwner = conn;
      conn.onOpen(this.#handshake.protocol, this.#webSocket.extensions);
      for (const deliverTo of this.#earlyEvents ?? []) deliverTo(conn);
      this.#earlyEvents = undefined;
    });
    return this.#socket;
  }

  /** Closes the socket. Nothing that comes from it afterwards is delivered. */
  leave(code: number): void {
    this.#timer.stop();
    this.#socket.abandon(code, "");
    this.#owner.onSocketEnded(this);
  }

  onOpen(): void {}

  onMessage(payload: Payload): void {
    if (this.#socketOwner) this.#socketOwner.onMessage(payload);
    else if (this.#earlyEvents) this.#earlyEvents.push((conn) => conn.onMessage(payload));
    else this.#answer(payload);
  }

  onEnd(end: ConnectionEnd): void {
    this.#timer.stop();
    if (this.#socketOwner) this.#socketOwner.onEnd(end);
    else if (this.#earlyEvents) this.#earlyEvents.push((conn) => conn.onEnd(end));
    else this.#owner.onSocketEnded(this);
  }

  onPong(): void {
    this.#socketOwner?.onPong();
  }

  #answer(payload: Payload): void {
    const result = answerHandshake(this.#handshake, payload, this.#owner);
    switch (result.type) {
      case "reply":
        this.#socket.write(encode(result.frame));
        return;
      case "ended":
        this.#socket.write(encode(result.frame));
        return this.leave(NORMAL);
      case "refuse":
        this.leave(result.code);
        if (result.broken) this.#owner.onBroken(result.broken);
        return;
      case "accepted":
        this.#timer.stop();
        this.#earlyEvents = [];
        return this.#owner.onAccepted(this, result.session);
      case "resumed":
        this.#timer.stop();
        this.#earlyEvents = [];
        return this.#owner.onResumed(this, result.session, result.plan);
    }
  }
}
