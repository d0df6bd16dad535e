import { NORMAL } from "../../base/close-codes.ts";
import { type Deferred, deferred } from "../../base/deferred.ts";
import type { ConnError } from "../../base/errors.ts";
import type { Payload } from "../../base/payload.ts";
import { Timer } from "../../base/timer.ts";
import type { Transport } from "../../core/outbox.ts";
import type { Session, SessionOwner, SessionStart, Undelivered } from "../../core/session.ts";
import { Endpoint } from "../endpoint.ts";
import { speaksResume } from "../protocol/subprotocol.ts";
import {
  beginDial,
  type ClientHandshake,
  type ClientHandshakeStep,
  createClientHandshake,
  deliveryOf,
  onActivated,
  onDisconnected,
  onMessage,
  onOpen,
  onSupportEvent,
} from "./client-handshake.ts";
import { hasSpoken } from "./support.ts";

/**
 * How long a client waits for the greeting, which a server sends together with its answer to the upgrade: of a server that
 * never spoke resume, and of a server that did.
 */
const FIRST_GREETING_MS = 1_000;
const NEXT_GREETING_MS = 5_000;
/** The wait is split, so that a busy page, whose timers are late, has time to read what came meanwhile. */
const GREETING_PARTS = 4;
/** Statuses from 400 to 499 by which a server refuses something other than the offer. */
const NOT_THE_OFFER = new Set([401, 403, 404, 408, 410, 425, 429]);

export interface ClientOptions {
  readonly windowBytes: number;
  readonly acksConsumed: boolean;
  /** Returns a number from 0 up to 1. */
  random(): number;
}

/** The client's end of a session: negotiates it on each connection. */
export class ClientSession implements Session {
  readonly #owner: SessionOwner;
  readonly #handshake: ClientHandshake;
  readonly #endpoint: Endpoint;
  readonly #greetingTimer = new Timer();
  readonly #moveTimer = new Timer();
  /** Settles the start of the session on this connection. */
  #pending: Deferred<SessionStart | undefined> | undefined;

  constructor(owner: SessionOwner, { windowBytes, acksConsumed, random }: ClientOptions) {
    this.#owner = owner;
    this.#handshake = createClientHandshake(windowBytes);
    this.#endpoint = new Endpoint(owner, {
      acksConsumed,
      onMoveRequested: (minMs, maxMs) =>
        this.#moveTimer.start(minMs + random() * Math.max(0, maxMs - minMs), () => this.#owner.onMoveRequested(), true),
    });
  }

  get isInForce(): boolean {
    return this.#endpoint.isInForce;
  }

  get unacknowledged(): { messages: number; bytes: number } {
    return this.#endpoint.sender.unacknowledged;
  }

  protocolsToOffer(protocols: readonly string[]): readonly string[] {
    return beginDial(this.#handshake, protocols);
  }

  onHandshakeFailed(cause: unknown, status: number | undefined): boolean {
    // A browser exposes neither a status nor the code of a network error, so any failure may be a refusal there.
    const isUnexplained = (cause as { readonly code?: unknown } | undefined)?.code === undefined;
    const isRefusal =
      status === undefined ? isUnexplained : status >= 400 && status < 500 && !NOT_THE_OFFER.has(status);
    return onSupportEvent(this.#handshake, isRefusal ? "refused" : "failed").type === "again";
  }

  start(transport: Transport, protocol: string): Promise<SessionStart | undefined> {
    this.#endpoint.open(transport);
    const isSelected = speaksResume(protocol);
    this.#handshake.protocol = isSelected ? "" : protocol;
    const pending = deferred<SessionStart | undefined>();
    this.#pending = pending;
    const step = onOpen(this.#handshake, isSelected);
    if (step) this.#perform(step);
    else this.#awaitGreeting(GREETING_PARTS);
    return pending.promise;
  }

  activate(): void {
    onActivated(this.#handshake);
    this.#endpoint.sender.activate();
  }

  receive(payload: Payload): Payload | undefined {
    const { phase } = this.#handshake;
    if (phase === "active" || phase === "starting") return this.#endpoint.receive(payload);
    if (phase === "plain") return payload;
    if (phase === "away") return undefined;
    this.#greetingTimer.stop();
    const step = onMessage(this.#handshake, payload);
    this.#perform(step);
    return step.type === "plain" ? payload : undefined;
  }

  onConsumed(): void {
    this.#endpoint.onConsumed();
  }

  onDisconnected(): void {
    this.#greetingTimer.stop();
    this.#moveTimer.stop();
    this.#pending = undefined;
    onDisconnected(this.#handshake);
    this.#endpoint.onDisconnected();
    if (!deliveryOf(this.#handshake)) this.#endpoint.sender.forget();
  }

  flush(): Promise<void> {
    return this.#endpoint.sender.flush();
  }

  beforeClose(): void {
    this.#endpoint.beforeClose();
  }

  dispose(error: (payload?: Payload) => ConnError, isByPeer: boolean, code: number): Undelivered {
    return this.#endpoint.dispose(error, isByPeer && code === NORMAL);
  }

  #awaitGreeting(parts: number): void {
    const ms = hasSpoken(this.#handshake.support.name) ? NEXT_GREETING_MS : FIRST_GREETING_MS;
    this.#greetingTimer.start(ms / GREETING_PARTS, () => {
      if (parts > 1) return this.#awaitGreeting(parts - 1);
      this.#perform(onSupportEvent(this.#handshake, "silent"));
    });
  }

  #perform(step: ClientHandshakeStep): void {
    switch (step.type) {
      case "reply":
        return this.#endpoint.sendControl(step.frame);
      case "started":
      case "plain":
        if (step.loss) this.#endpoint.sender.abandonSession(step.loss);
        if (step.type === "started") this.#endpoint.sendControl(step.frame);
        return this.#finishStart(false);
      case "resumed":
        return this.#finishStart(true, () => {
          this.#endpoint.sender.applyResume(step.plan);
          this.#endpoint.resume(step.plan);
        });
      case "ended":
        if (this.#endpoint.onFinalCounts(step.counts)) return;
        break;
      case "again":
        return this.#pending?.resolve(undefined);
      case "failed":
        return this.#pending?.reject(this.#owner.createError("refused", "The server did not greet as before."));
      case "protocolError":
    }
    this.#owner.onProtocolError("The peer broke the rules of resume.v1.");
  }

  #finishStart(resumed: boolean, proceed?: () => void): void {
    const { protocol } = this.#handshake;
    const delivery = deliveryOf(this.#handshake);
    const transport = this.#endpoint.attach(delivery);
    proceed?.();
    this.#pending?.resolve({ transport, protocol, resumed, session: delivery !== undefined });
  }
}
