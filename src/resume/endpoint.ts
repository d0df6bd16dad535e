import type { ConnError } from "../base/errors.ts";
import type { Payload } from "../base/payload.ts";
import type { Transport } from "../core/outbox.ts";
import type { SessionOwner, Undelivered } from "../core/session.ts";
import { AckScheduler } from "./ack-scheduler.ts";
import { type ControlFrame, type Counts, decode, encode, unescaped } from "./protocol/control.ts";
import type { DeliveryState, ResumePlan } from "./protocol/delivery-state.ts";
import { Sender } from "./sender.ts";
import { GatedTransport, type SessionControls, SessionTransport } from "./session-transport.ts";

export interface EndpointOptions {
  /** Whether consumed messages are acknowledged, rather than received ones. */
  readonly acksConsumed: boolean;
  /** Called when the server asks to come back over another connection, after `minMs` to `maxMs`. Missing on a server. */
  readonly onMoveRequested?: (minMs: number, maxMs: number) => void;
}

/** The state of one connection, current or last. */
interface EndpointConnection {
  /** `undefined` once the connection is gone. */
  transport: Transport | undefined;
  /** Whether our final counts are sent: nothing follows them, and nothing more is received. */
  isClosing: boolean;
  /** The final counts of the peer: only its close frame may follow them. */
  finalCounts: Counts | undefined;
}

/** One end of a session, in use, across the connections under it. */
export class Endpoint implements SessionControls {
  readonly sender: Sender;
  readonly #owner: SessionOwner;
  readonly #options: EndpointOptions;
  readonly #receiver: AckScheduler;
  #connection: EndpointConnection | undefined;

  constructor(owner: SessionOwner, options: EndpointOptions) {
    this.#owner = owner;
    this.#options = options;
    this.sender = new Sender(owner, this);
    this.#receiver = new AckScheduler(owner.inbox, options.acksConsumed, (type) => this.#sendCount(type));
  }

  /** Whether there is a session, on a connection or waiting for one. */
  get isInForce(): boolean {
    return this.sender.delivery !== undefined;
  }

  /** Begins a connection. Final counts of the peer hold for their own connection only, so they are forgotten. */
  open(transport: Transport): void {
    this.#connection = { transport, isClosing: false, finalCounts: undefined };
  }

  /** Continues or begins a session on the open connection, or none. Returns the transport to write to. */
  attach(delivery: DeliveryState | undefined): Transport {
    const { transport } = this.#connection as { transport: Transport };
    this.sender.attach(transport, delivery);
    if (!delivery) return new GatedTransport(this.sender, transport);
    this.#receiver.start(delivery);
    return new SessionTransport(this.sender, transport, this);
  }

  /** Writes again the messages that the peer has not counted. */
  resume(plan: ResumePlan): void {
    // An acknowledgement on the last connection may not have arrived.
    if (this.sender.delivery?.received && !plan.isSuspect) this.#sendCount("a");
    this.sender.resume(plan);
  }

  /** Returns the message as the application sees it, `undefined` for control. */
  receive(payload: Payload): Payload | undefined {
    const connection = this.#connection;
    if (!this.isInForce || !connection?.transport || connection.isClosing) return undefined;
    const message = unescaped(payload);
    const isAllowed =
      !connection.finalCounts &&
      (message === undefined ? this.#onControl(decode(payload)) : this.#receiver.receive(message));
    if (isAllowed) return message;
    this.#owner.onProtocolError("The peer broke the rules of resume.v1.");
    return undefined;
  }

  /** Takes the final counts of the peer, after which only its close frame may come. Returns false for impossible ones. */
  onFinalCounts(counts: Counts): boolean {
    if (!this.#connection || !this.sender.onFinalCounts(counts)) return false;
    this.#connection.finalCounts = counts;
    return true;
  }

  onConsumed(): void {
    this.#receiver.onConsumed();
  }

  setPaused(on: boolean): void {
    this.#receiver.setPaused(on);
  }

  ping(): void {
    this.#sendCount("p");
  }

  /** Sends our final counts, which the close frame follows in the same turn. */
  beforeClose(): void {
    const { delivery } = this.sender;
    if (!delivery || !this.#connection) return;
    this.sendControl({ type: "f", ...this.#receiver.takeFinalCounts(delivery) });
    this.#connection.isClosing = true;
  }

  onDisconnected(): void {
    this.#receiver.stop();
    this.sender.detach();
    if (this.#connection) this.#connection.transport = undefined;
  }

  /**
   * Ends with the Conn. Messages are known to be undelivered only where the peer closed with 1000 (`isFinal`), right after
   * its final counts on this very connection.
   */
  dispose(error: (payload?: Payload) => ConnError, isFinal: boolean): Undelivered {
    const { delivery } = this.sender;
    // A client that returns late is answered with these counts.
    if (delivery) this.#receiver.takeFinalCounts(delivery);
    return this.sender.dispose(error, isFinal ? this.#connection?.finalCounts : undefined);
  }

  /** Handles a control frame. Returns false for a frame that breaks the protocol. */
  #onControl(frame: ControlFrame | undefined): boolean {
    const { onMoveRequested } = this.#options;
    switch (frame?.type) {
      case "a":
      case "p":
      case "q":
        if (!this.sender.onAcknowledged(frame.n)) return false;
        if (frame.type === "p") this.#receiver.acknowledgeSoon("q");
        if (frame.type === "q") {
          this.sender.onPong();
          this.#owner.onPong();
        }
        return true;
      case "f":
        return this.onFinalCounts(frame);
      case "?":
        this.#receiver.acknowledgeSoon("a");
        return true;
      case "m":
        onMoveRequested?.(frame.min, frame.max);
        return onMoveRequested !== undefined;
    }
    return false;
  }

  /** Sends the count of acknowledged messages in a frame of this type, if there is a connection. */
  #sendCount(type: "a" | "p" | "q"): void {
    const { delivery } = this.sender;
    if (delivery && this.#connection?.transport) this.sendControl({ type, n: this.#receiver.takeCount(delivery) });
  }

  /** Sends `frame`, if there is a connection and our final counts are not sent. */
  sendControl(frame: ControlFrame): void {
    const { transport, isClosing } = this.#connection ?? {};
    if (!isClosing) transport?.write(encode(frame));
  }
}
