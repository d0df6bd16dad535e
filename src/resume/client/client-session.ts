import type { ConnError } from "../../base/errors.ts";
import type { Payload } from "../../base/payload.ts";
import { Timer } from "../../base/timer.ts";
import type { Transport } from "../../core/outbox.ts";
import type { Session, SessionOwner, SessionStart, Undelivered } from "../../core/session.ts";
import { Endpoint } from "../endpoint.ts";
import { encode } from "../protocol/control.ts";
import { speaksResume, withoutResume, withResume } from "../protocol/subprotocol.ts";
import {
  type ClientHandshake,
  type ClientHandshakeStep,
  createClientHandshake,
  onActivated,
  onDisconnected,
  onGreetingTimeout,
  onHandshakeFailed,
  onMessage,
  onOpen,
  prepareOffer,
} from "./client-handshake.ts";

/**
 * How long a server that speaks resume can take for its first message, which rides with the handshake's answer; and one
 * that spoke it before.
 */
const FIRST_GREETING_MS = 1_000;
const NEXT_GREETING_MS = 5_000;
/** Statuses by which a server refuses something else than the offer. */
const NOT_THE_OFFER = new Set([401, 403, 404, 408, 410, 425, 429]);

export interface ClientOptions {
  readonly windowBytes: number;
  readonly acksConsumed: boolean;
  /** A number from 0 to 1. */
  random(): number;
}

/** The client's end of a session: negotiates it on each connection. */
export class ClientSession implements Session {
  readonly #owner: SessionOwner;
  readonly #options: ClientOptions;
  readonly #handshake: ClientHandshake;
  readonly #endpoint: Endpoint;
  readonly #greeting = new Timer();
  readonly #move = new Timer();
  #transport: Transport | undefined;
  #protocol = "";
  #onStarted: ((beginning: SessionStart | undefined) => void) | undefined;

  constructor(owner: SessionOwner, options: ClientOptions) {
    const { windowBytes, acksConsumed: acksTaken } = options;
    this.#owner = owner;
    this.#options = options;
    this.#handshake = createClientHandshake(windowBytes);
    this.#endpoint = new Endpoint(owner, {
      acksConsumed: acksTaken,
      onMoveRequested: (minMs, maxMs) =>
        this.#scheduleMove(minMs + this.#options.random() * Math.max(0, maxMs - minMs)),
    });
  }

  get isInForce(): boolean {
    return this.#endpoint.isInForce;
  }

  get unacknowledged(): { messages: number; bytes: number } {
    return this.#endpoint.unacknowledged;
  }

  protocolsToOffer(protocols: readonly string[]): readonly string[] {
    return prepareOffer(this.#handshake) ? withResume(protocols) : protocols;
  }

  onHandshakeFailed(cause: unknown, status: number | undefined): boolean {
    const isNetwork = typeof cause === "object" && cause !== null && "code" in cause;
    const isOther = status !== undefined && (status < 400 || status >= 500 || NOT_THE_OFFER.has(status));
    return !isNetwork && !isOther && onHandshakeFailed(this.#handshake);
  }

  start(line: Transport, protocol: string): SessionStart | Promise<SessionStart | undefined> {
    this.#protocol = withoutResume(protocol);
    this.#transport = line;
    const step = onOpen(this.#handshake, speaksResume(protocol));
    if (step === "again") return Promise.resolve(undefined);
    if (step) return this.#startWithoutSession(line, step);
    return new Promise((resolve) => {
      this.#onStarted = resolve;
      this.#greeting.start(this.#handshake.isConfirmed ? NEXT_GREETING_MS : FIRST_GREETING_MS, () => {
        if (onGreetingTimeout(this.#handshake)) resolve(undefined);
      });
    });
  }

  activate(): void {
    onActivated(this.#handshake);
    this.#endpoint.activate();
  }

  receive(payload: Payload): Payload | undefined {
    const { phase } = this.#handshake;
    if (phase === "active" || phase === "starting") return this.#endpoint.receive(payload);
    if (phase === "unsupported") return payload;
    return phase === "away" ? undefined : this.#onHandshakeMessage(payload);
  }

  onConsumed(): void {
    this.#endpoint.onConsumed();
  }

  onDisconnected(): void {
    this.#greeting.stop();
    this.#move.stop();
    this.#onStarted = this.#transport = undefined;
    onDisconnected(this.#handshake);
    this.#endpoint.onDisconnected();
    if (!this.#handshake.session) this.#endpoint.forget();
  }

  flush(): Promise<void> {
    return this.#endpoint.flush();
  }

  beforeClose(): void {
    this.#endpoint.beforeClose();
  }

  dispose(error: (payload?: Payload) => ConnError, isByPeer: boolean): Undelivered {
    return this.#endpoint.dispose(error, isByPeer);
  }

  #onHandshakeMessage(payload: Payload): Payload | undefined {
    const line = this.#transport;
    if (!line) return undefined;
    const step = onMessage(this.#handshake, payload);
    this.#greeting.stop();
    switch (step.type) {
      case "reply":
        line.write(encode(step.frame));
        return undefined;
      case "started": {
        if (step.remains) this.#endpoint.abandonSession(step.remains, this.#handshake.carriedOver);
        line.write(encode(step.frame));
        this.#finishStart(this.#endpoint.attach(line, this.#handshake.session?.flow), false);
        return undefined;
      }
      case "resumed": {
        const kept = this.#endpoint.attach(line, this.#handshake.session?.flow);
        this.#endpoint.applyResume(step.back);
        this.#endpoint.resume(step.back);
        this.#finishStart(kept, true);
        return undefined;
      }
      case "ended":
        this.#endpoint.onEnded(step.delivered);
        return undefined;
      case "unsupported": {
        const { resumed, transport: open } = this.#startWithoutSession(line, step);
        this.#finishStart(open, resumed);
        return payload;
      }
      case "protocolError":
        this.#owner.onProtocolError("The server broke the rules of resume.v1.");
        return undefined;
    }
  }

  #startWithoutSession(line: Transport, step: ClientHandshakeStep): SessionStart {
    if (step.type === "unsupported" && step.remains)
      this.#endpoint.abandonSession(step.remains, this.#handshake.carriedOver);
    return { transport: this.#endpoint.attach(line, undefined), protocol: this.#protocol, resumed: false };
  }

  #finishStart(line: Transport, resumed: boolean): void {
    this.#onStarted?.({ transport: line, protocol: this.#protocol, resumed });
  }

  #scheduleMove(ms: number): void {
    this.#move.start(ms, () => this.#owner.onMoveRequested(), true);
  }
}
