import type { ConnError } from "../base/errors.ts";
import type { Payload } from "../base/payload.ts";
import type { DeliveryOptions, Transport } from "../core/outbox.ts";
import type { SessionLoss, SessionOwner, Undelivered } from "../core/session.ts";
import { AckScheduler } from "./ack-scheduler.ts";
import { type ControlFrame, type Counts, decode, encode, isControl, unescaped } from "./protocol/control.ts";
import type { DeliveryState, ResumePlan, SentMessage } from "./protocol/delivery-state.ts";
import { Sender } from "./sender.ts";
import { GatedTransport, SessionTransport, type TransportOwner } from "./session-transport.ts";

export interface EndpointOptions {
  /** Whether consumed messages are acknowledged, rather than received ones. */
  readonly acksConsumed: boolean;
  /**
   * Called when the peer asks to come back over another connection, at a moment of this window. Only a server may ask; on
   * its own end the option is missing.
   */
  readonly onMoveRequested?: (minMs: number, maxMs: number) => void;
}

/** What an endpoint knows of one connection, current or last. */
interface EndpointConnection {
  /** `undefined` once the connection is gone. */
  transport: Transport | undefined;
  /** Whether our final counts are sent: nothing follows them, and nothing more is taken in. */
  isClosing: boolean;
  /** The final counts of the peer: only its close frame may follow them. */
  finalCounts: Counts | undefined;
}

/** One end of a session, in use, across the connections under it. */
export class Endpoint implements TransportOwner {
  readonly #owner: SessionOwner;
  readonly #options: EndpointOptions;
  readonly #receiver: AckScheduler;
  readonly #sender: Sender;
  #delivery: DeliveryState | undefined;
  #connection: EndpointConnection | undefined;

  constructor(owner: SessionOwner, options: EndpointOptions) {
    this.#owner = owner;
    this.#options = options;
    this.#sender = new Sender(owner, (type) => (type === "p" ? this.#sendCount(type) : this.#sendControl({ type })));
    this.#receiver = new AckScheduler(
      { unconsumed: () => owner.unconsumed(), onAckDue: (type) => this.#sendCount(type) },
      options.acksConsumed,
    );
  }

  /** Whether there is a session, on a connection or waiting for one. */
  get isInForce(): boolean {
    return this.#delivery !== undefined;
  }

  get unacknowledged(): { messages: number; bytes: number } {
    return this.#sender.unacknowledged;
  }

  get isWritable(): boolean {
    return this.#sender.isWritable;
  }

  /** A connection is open: what the peer says on it counts for it alone. */
  open(transport: Transport): void {
    this.#connection = { transport, isClosing: false, finalCounts: undefined };
  }

  /** The session goes on, or begins, over the open connection; without `delivery` nothing is kept. Returns the transport to write to. */
  attach(delivery: DeliveryState | undefined): Transport {
    const { transport } = this.#connection as { transport: Transport };
    this.#delivery = delivery;
    this.#sender.attach(transport, delivery);
    if (!delivery) return new GatedTransport(this, transport);
    this.#receiver.start(delivery);
    return new SessionTransport(this, transport);
  }

  /** Settles what goes no further when the peer has returned and shown what it did not count. */
  applyResume(plan: ResumePlan): void {
    this.#sender.applyResume(plan);
  }

  /** Writes again what the peer has not counted. */
  resume(plan: ResumePlan): void {
    // An acknowledgement on the last connection may not have arrived.
    if (this.#delivery?.received && !plan.isSuspect) this.#sendCount("a");
    this.#sender.resume(plan);
  }

  /** Setup is over. */
  activate(): void {
    this.#sender.activate();
  }

  abandonSession(loss: SessionLoss<SentMessage>, carriedOver: SentMessage[]): void {
    this.#delivery = undefined;
    this.#sender.abandonSession(loss, carriedOver);
  }

  forget(): void {
    this.#delivery = undefined;
    this.#sender.forget();
  }

  write(transport: Transport, payload: Payload, options?: DeliveryOptions): boolean {
    return this.#sender.write(transport, payload, options);
  }

  /** Returns the message as the application sees it, `undefined` for control. */
  receive(payload: Payload): Payload | undefined {
    const connection = this.#connection;
    if (!this.#delivery || !connection?.transport || connection.isClosing) return undefined;
    if (!connection.finalCounts) {
      const message = isControl(payload) ? undefined : unescaped(payload);
      if (message === undefined ? this.#onControl(decode(payload as string)) : this.#receiver.receive(message))
        return message;
    }
    this.#owner.onProtocolError("The peer broke the rules of resume.v1.");
    return undefined;
  }

  /** Takes the final counts of the peer, after which only its close frame may come. Answers false for impossible ones. */
  onFinalCounts(counts: Counts): boolean {
    const { n, rx } = counts;
    const { sent = 0, peerReceived = 0 } = this.#delivery ?? {};
    if (!(rx >= n && rx >= peerReceived && rx <= sent) || !this.#sender.onAcknowledged(n)) return false;
    if (this.#connection) this.#connection.finalCounts = counts;
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

  /** Asks the peer to come back over another connection, at a moment of this window. */
  requestMove(min: number, max: number): void {
    if (this.#delivery) this.#sendControl({ type: "m", min, max });
  }

  flush(): Promise<void> {
    return this.#sender.flush();
  }

  drain(transport: Transport): Promise<void> {
    return this.#sender.drain(transport);
  }

  /** Sends our final counts, which the close frame follows in the same turn. */
  beforeClose(): void {
    const connection = this.#connection;
    if (!connection?.transport || !this.#delivery) return;
    this.#sendControl({ type: "f", ...this.#receiver.takeFinalCounts(this.#delivery) });
    connection.isClosing = true;
  }

  onDisconnected(): void {
    this.#receiver.stop();
    this.#sender.detach();
    if (this.#connection) this.#connection.transport = undefined;
  }

  /**
   * The Conn has ended. What the peer did not receive is known only where it closed with 1000 (`isFinal`), right after its
   * final counts on this very connection.
   */
  dispose(error: (payload?: Payload) => ConnError, isFinal: boolean): Undelivered {
    // A client that returns late is answered with these counts.
    if (this.#delivery) this.#receiver.takeFinalCounts(this.#delivery);
    this.#delivery = undefined;
    return this.#sender.dispose(error, isFinal ? this.#connection?.finalCounts : undefined);
  }

  /** Handles control. Answers false for what breaks the protocol. */
  #onControl(frame: ControlFrame | undefined): boolean {
    const { onMoveRequested } = this.#options;
    switch (frame?.type) {
      case "a":
      case "p":
      case "q":
        if (!this.#sender.onAcknowledged(frame.n)) return false;
        if (frame.type === "p") this.#receiver.acknowledgeSoon("q");
        if (frame.type === "q") {
          this.#sender.onPong();
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
      default:
        return false;
    }
  }

  /** States how far we have come. */
  #sendCount(type: "a" | "p" | "q"): void {
    if (this.#delivery && this.#connection?.transport)
      this.#sendControl({ type, n: this.#receiver.takeCount(this.#delivery) });
  }

  #sendControl(frame: ControlFrame): void {
    const { transport, isClosing } = this.#connection ?? {};
    if (!isClosing) transport?.write(encode(frame));
  }
}
