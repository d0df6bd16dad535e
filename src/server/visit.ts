import type { IncomingMessage } from "node:http";
import type { WebSocket } from "ws";
import type { Payload } from "../payload.ts";
import type { Item } from "../resume/endpoint.ts";
import type { Return } from "../resume/flow.ts";
import { encode } from "../resume/frame.ts";
import type { SocketOwner } from "../socket.ts";
import { NodeSocket, type Tcp, type WsSocket } from "../socket-node.ts";
import { Timer } from "../timer.ts";
import type { Ending } from "../verdict.ts";
import { type Arrival, answer, greeting, type SessionRecord, type SessionStore } from "./host.ts";

/** What a visit needs of whoever keeps the sessions. */
export interface VisitOwner extends SessionStore<Item> {
  taken(visit: Visit, session: SessionRecord<Item>): void;
  resumed(visit: Visit, session: SessionRecord<Item>, back: Return<Item>): void;
  /** A session can't go on, by the client's fault. */
  broken(session: SessionRecord<Item>): void;
}

/** How long a client may take to answer the greeting, and what it is told then. */
const ANSWER_MS = 10_000;
const TIMED_OUT = 4408;
const NORMAL = 1000;

/**
 * One socket of a client that speaks resume: greeted at once, silent until the client has said which session it wants,
 * then at the disposal of the Conn of that session. What comes before that Conn listens is kept.
 */
export class Visit implements SocketOwner {
  readonly request: IncomingMessage;
  readonly #accepted: WebSocket;
  readonly #arrival: Arrival<Item>;
  readonly #owner: VisitOwner;
  readonly #socket: NodeSocket;
  readonly #timer = new Timer();
  #early: ((owner: SocketOwner) => void)[] | undefined;
  #conn: SocketOwner | undefined;

  constructor(
    accepted: WebSocket,
    request: IncomingMessage,
    maxPayloadBytes: number,
    ttlMs: number,
    arrival: Arrival<Item>,
    owner: VisitOwner,
  ) {
    this.request = request;
    this.#accepted = accepted;
    this.#arrival = arrival;
    this.#owner = owner;
    this.#socket = new NodeSocket(accepted as unknown as WsSocket, maxPayloadBytes, this, request.socket as Tcp);
    this.#socket.write(encode(greeting(arrival, ttlMs)));
    this.#timer.start(ANSWER_MS, () => this.leave(TIMED_OUT), true);
  }

  get issued(): SessionRecord<Item> {
    return this.#arrival.issued;
  }

  /** The Conn of the session takes the socket over. */
  seat(conn: SocketOwner): NodeSocket {
    queueMicrotask(() => {
      this.#conn = conn;
      conn.opened(this.#accepted.protocol, this.#accepted.extensions);
      for (const tell of this.#early ?? []) tell(conn);
      this.#early = undefined;
    });
    return this.#socket;
  }

  /** Leaves the socket, which is heard no more. */
  leave(code: number): void {
    this.#timer.stop();
    this.#socket.abandon(code, "");
  }

  opened(): void {}

  received(payload: Payload): void {
    if (this.#conn) this.#conn.received(payload);
    else if (this.#early) this.#early.push((conn) => conn.received(payload));
    else this.#answer(payload);
  }

  ended(ending: Ending): void {
    this.#timer.stop();
    if (this.#conn) this.#conn.ended(ending);
    else this.#early?.push((conn) => conn.ended(ending));
  }

  ponged(): void {
    this.#conn?.ponged();
  }

  #answer(payload: Payload): void {
    const step = answer(this.#arrival, payload, this.#owner);
    switch (step.type) {
      case "say":
        this.#socket.write(encode(step.frame));
        return;
      case "ended":
        this.#socket.write(encode(step.frame));
        return this.leave(NORMAL);
      case "refuse":
        this.leave(step.code);
        if (step.over) this.#owner.broken(step.over);
        return;
      case "taken":
        this.#timer.stop();
        this.#early = [];
        return this.#owner.taken(this, step.session);
      case "resumed":
        this.#timer.stop();
        this.#early = [];
        return this.#owner.resumed(this, step.session, step.back);
    }
  }
}
