import type { ConnError } from "../base/errors.ts";
import type { Payload } from "../base/payload.ts";
import type { SendOutcome } from "../base/send-options.ts";
import type { DeliveryOptions, Transport } from "../core/outbox.ts";
import type { SessionLoss, SessionOwner, Undelivered } from "../core/session.ts";
import { AckScheduler } from "./ack-scheduler.ts";
import { FlushWaiters } from "./flush-waiters.ts";
import { type ControlFrame, decode, encode, escaped, isControl, unescaped } from "./protocol/control.ts";
import {
  acknowledge,
  type DeliveryState,
  hasRoom,
  type ResumePlan,
  retain,
  type SentMessage,
  splitLoss,
  windowCost,
} from "./protocol/delivery-state.ts";
import { GatedTransport, SessionTransport, type TransportOwner } from "./session-transport.ts";

export interface EndpointOptions {
  /** Whether what the application has taken is acknowledged, rather than what was received. */
  readonly acksConsumed: boolean;
  /** The peer asks to come back over another connection, in a window of time. Only a server may. */
  readonly onMoveRequested?: (minMs: number, maxMs: number) => void;
}

/** How much of its window a sender uses before it asks for an acknowledgement. */
const ASK_SHARE = 1 / 2;
const NO_OPTIONS: DeliveryOptions = {};

/**
 * One end of a session, in use: what it writes is kept until the peer acknowledges it, what comes in is counted and
 * acknowledged. The flow survives the lines under it.
 */
export class Endpoint implements TransportOwner {
  readonly #owner: SessionOwner;
  readonly #options: EndpointOptions;
  readonly #ackScheduler: AckScheduler;
  readonly #flushWaiters = new FlushWaiters();
  #transport: Transport | undefined;
  #state: DeliveryState | undefined;
  /** What a lost session left: it goes before anything else, as far as the window lets it, and not before setup is over. */
  #carriedOver: SentMessage[] = [];
  #isActive = false;
  #ordinal = 0;
  /** The last message whose acknowledgement somebody waits for. */
  #awaited = 0;
  #hasAsked = false;
  /** What is to be stated at the end of this turn. */
  #scheduledAck: "a" | "q" | undefined;
  /** Whether we have said goodbye, and take nothing in. */
  #isClosing = false;
  /** Whether the peer's last word was how far it had come: it knows no more than that if it closes now. */
  #isAckLast = false;
  #room: { readonly promise: Promise<void>; made(): void } | undefined;

  constructor(owner: SessionOwner, habits: EndpointOptions) {
    this.#owner = owner;
    this.#options = habits;
    const due = () => this.#scheduleAck("a");
    this.#ackScheduler = new AckScheduler({ unconsumed: () => owner.unconsumed(), onAckDue: due }, habits.acksConsumed);
  }

  /** Whether there is a session, on a connection or waiting for one. */
  get isInForce(): boolean {
    return this.#state !== undefined;
  }

  get unacknowledged(): { messages: number; bytes: number } {
    const { sent = 0, ackReceived = 0, cost = 0 } = this.#state ?? {};
    return { messages: sent - ackReceived + this.#carriedOver.length, bytes: cost };
  }

  get isWritable(): boolean {
    return this.#carriedOver.length === 0 && (this.#state === undefined || hasRoom(this.#state));
  }

  /** The session goes on, or begins, over `line`; without a flow nothing is kept. Answers with the line to write to. */
  attach(line: Transport, flow: DeliveryState | undefined): Transport {
    this.#state = flow;
    this.#transport = line;
    this.#hasAsked = this.#isAckLast = false;
    if (!flow) return new GatedTransport(this, line);
    this.#ackScheduler.start(flow);
    return new SessionTransport(this, line);
  }

  /** The peer is back, and has shown what it did not count: some of it goes no further. */
  applyResume({ stale, poison }: ResumePlan): void {
    this.#confirm(this.#split().delivered);
    this.#dropStale(stale);
    if (poison) {
      const { payload } = poison;
      const error = this.#owner.createError(
        "poison",
        "The message ended the connection each time it was sent.",
        payload,
      );
      this.#reject(poison, "refused", error);
      this.#owner.onDropped(payload as Payload, error);
    }
    this.#settleFlushes();
  }

  /** What the peer has not counted is written again. What we acknowledged on the last line may not have arrived. */
  resume({ resend: again }: ResumePlan): void {
    if (this.#state?.received) this.#sendAck("a");
    for (const { payload } of again) this.#transport?.write(escaped(payload as Payload));
    this.#askIfNeeded();
  }

  /** The peer had ended the session, and says what it had counted until then. */
  onEnded(delivered: readonly SentMessage[]): void {
    this.#confirm(delivered);
    this.#isAckLast = true;
    this.#settleFlushes();
  }

  /** Setup is over. */
  activate(): void {
    this.#isActive = true;
    this.#drainCarriedOver();
  }

  /** A session is lost: tells what became of its messages, and settles those that do not `goOn`. */
  abandonSession({ delivered, undelivered, inDoubt }: SessionLoss<SentMessage>, goOn: SentMessage[]): void {
    this.#state = undefined;
    this.#carriedOver = goOn;
    const error = (payload?: Payload) =>
      this.#owner.createError("session-lost", "The session was lost before the message was acknowledged.", payload);
    this.#confirm(delivered);
    this.#dropStale(undelivered.filter(({ volatile }) => volatile));
    const forgotten = inDoubt.filter(({ resend, volatile }) => volatile || !resend);
    for (const message of forgotten) this.#reject(message, "in-doubt", error(message.payload));
    if (forgotten.some(({ volatile }) => !volatile)) this.#flushWaiters.rejectAll(error());
    this.#owner.onSessionLost({
      delivered: payloadsOf(delivered),
      undelivered: payloadsOf(undelivered),
      inDoubt: payloadsOf(inDoubt),
    });
    this.#settleFlushes();
  }

  /** The session ends with its connection, and what setup wrote in it is of no concern. */
  forget(): void {
    this.#state = undefined;
    this.#settleFlushes();
  }

  /** Writes a message, and keeps it if there is a session. `line` is the one that the writer knows. */
  write(line: Transport, given: Payload, options: DeliveryOptions = NO_OPTIONS): boolean {
    if (line !== this.#transport) return false;
    if (!this.#state) return this.#writePlain(line, given, options);
    const { volatile, resend, confirmed, onOutcome } = options;
    // The caller may use its bytes again when this returns.
    const copy = typeof given === "string" || volatile ? given : new Uint8Array(given);
    if (!line.write(escaped(copy))) return false;
    const payload = volatile ? undefined : copy;
    const ordinal = ++this.#ordinal;
    retain(this.#state, { payload, cost: windowCost(given), volatile, resend, confirmed, onOutcome, ordinal });
    if (confirmed) {
      this.#awaited = ordinal;
      // The outbox can't know that a message to be confirmed was written: without a session it is refused.
      this.#owner.onOutcome(onOutcome, "written");
    }
    this.#askIfNeeded();
    return true;
  }

  /** The message as the application sees it, `undefined` for what is ours. */
  receive(payload: Payload): Payload | undefined {
    const flow = this.#state;
    if (!flow || this.#isClosing) return undefined;
    this.#isAckLast = false;
    if (isControl(payload)) {
      this.#onControl(flow, decode(payload));
      return undefined;
    }
    this.#ackScheduler.count(payload);
    return unescaped(payload);
  }

  /** The application may have taken messages in. */
  onConsumed(): void {
    this.#ackScheduler.onConsumed();
  }

  setPaused(on: boolean): void {
    this.#ackScheduler.setPaused(on);
  }

  ping(): void {
    this.#sendAck("p");
  }

  /** Asks the peer to come back over another connection, at a moment of this window. */
  requestMove(min: number, max: number): void {
    if (this.#state) this.#sendControl({ type: "m", min, max });
  }

  flush(): Promise<void> {
    if (this.#oldestOrdinal() > this.#ordinal) return Promise.resolve();
    this.#awaited = this.#ordinal;
    this.#askIfNeeded();
    return this.#flushWaiters.add(this.#ordinal);
  }

  /** The last word before our close frame: how far we have come. */
  beforeClose(): void {
    if (!this.#state) return;
    this.#sendControl({ type: "a", n: this.#state.received });
    this.#isClosing = true;
  }

  onDisconnected(): void {
    this.#ackScheduler.stop();
    this.#isActive = false;
    this.#transport = undefined;
    this.#makeRoom();
  }

  /** The Conn has ended. A peer that closes says how far it had come. */
  dispose(error: (payload?: Payload) => ConnError, isByPeer: boolean): Undelivered {
    const { delivered, inDoubt: written } = this.#split();
    const first = this.#carriedOver;
    const isKnown = this.#isAckLast && isByPeer;
    this.#confirm(delivered);
    for (const message of written) this.#reject(message, isKnown ? "refused" : "in-doubt", error(message.payload));
    for (const message of first) this.#reject(message, "refused", error(message.payload));
    this.#flushWaiters.rejectAll(error());
    this.#state = undefined;
    this.#carriedOver = [];
    return isKnown
      ? { unsent: payloadsOf([...written, ...first]), inDoubt: [] }
      : { unsent: payloadsOf(first), inDoubt: payloadsOf(written) };
  }

  async drain(line: Transport): Promise<void> {
    while (line === this.#transport && !this.isWritable) {
      if (!this.#room) {
        let made = () => {};
        const promise = new Promise<void>((resolve) => {
          made = resolve;
        });
        this.#room = { promise, made };
      }
      await this.#room.promise;
    }
  }

  #writePlain(line: Transport, payload: Payload, options: DeliveryOptions): boolean {
    if (!options.confirmed) return line.write(payload);
    const why = "The server does not speak resume: nothing can be confirmed, and the message was not sent.";
    const error = this.#owner.createError("unsupported", why, payload);
    this.#reject(options, "refused", error);
    this.#owner.onDropped(payload, error);
    return true;
  }

  #onControl(flow: DeliveryState, frame: ControlFrame | undefined): void {
    const { onMoveRequested: moved } = this.#options;
    if (frame?.type === "a" || frame?.type === "p" || frame?.type === "q") {
      const done = acknowledge(flow, frame.n);
      if (done) return this.#onAcknowledged(done, frame.type);
    } else if (frame?.type === "?") return this.#scheduleAck("a");
    else if (frame?.type === "m" && moved) return moved(frame.min, frame.max);
    this.#owner.onProtocolError("The peer broke the rules of resume.v1.");
  }

  #onAcknowledged(done: readonly SentMessage[], type: "a" | "p" | "q"): void {
    this.#confirm(done);
    // A peer that has nothing more to acknowledge is not asked again at once: it will when its application goes on.
    if (done.length > 0) this.#hasAsked = false;
    this.#isAckLast = type === "a";
    if (type === "p") this.#scheduleAck("q");
    if (type === "q") this.#owner.onPong();
    this.#settleFlushes();
    this.#drainCarriedOver();
    this.#askIfNeeded();
  }

  /** Once a turn, however much came in it: a peer that asks and asks, and does not read, can't make us heap up answers. */
  #scheduleAck(type: "a" | "q"): void {
    const before = this.#scheduledAck;
    if (before !== "q") this.#scheduledAck = type;
    if (before) return;
    queueMicrotask(() => {
      if (this.#scheduledAck) this.#sendAck(this.#scheduledAck);
      this.#scheduledAck = undefined;
    });
  }

  /** States how far we have come. */
  #sendAck(type: "a" | "p" | "q"): void {
    if (this.#transport && this.#state) this.#sendControl({ type, n: this.#ackScheduler.takeCount() });
  }

  #sendControl(frame: ControlFrame): void {
    this.#transport?.write(encode(frame));
  }

  /** Asks for an acknowledgement when much of the window is used, or somebody waits for it. */
  #askIfNeeded(): void {
    const flow = this.#state;
    if (!flow || !this.#transport || this.#hasAsked) return;
    if (flow.cost < flow.window * ASK_SHARE && this.#awaited < this.#oldestOrdinal()) return;
    this.#hasAsked = true;
    this.#sendControl({ type: "?" });
  }

  #drainCarriedOver(): void {
    const flow = this.#state;
    const line = this.#transport;
    if (!line || !this.#isActive) return;
    let written = 0;
    for (const item of this.#carriedOver) {
      const payload = item.payload as Payload;
      if (flow && !hasRoom(flow)) break;
      if (!(flow ? line.write(escaped(payload)) : this.#writePlain(line, payload, item))) break;
      if (flow) retain(flow, item);
      written++;
    }
    this.#carriedOver.splice(0, written);
    if (written > 0) {
      this.#settleFlushes();
      this.#askIfNeeded();
    }
    if (this.isWritable) this.#makeRoom();
  }

  /** What is unacknowledged, parted at the count that the peer last stated. */
  #split(): SessionLoss<SentMessage> {
    return (this.#state && splitLoss(this.#state, undefined)) ?? { delivered: [], undelivered: [], inDoubt: [] };
  }

  #makeRoom(): void {
    this.#room?.made();
    this.#room = undefined;
  }

  /** Volatile messages that were lost with their connection. */
  #dropStale(stale: readonly SentMessage[]): void {
    for (const message of stale) {
      const error = this.#owner.createError("not-writable", "The volatile message was lost with its connection.");
      this.#reject(message, "refused", error);
    }
  }

  /** The ordinal of the oldest message that is neither acknowledged nor settled otherwise. */
  #oldestOrdinal(): number {
    const { retained = [], start = 0 } = this.#state ?? {};
    // What setup sent comes before what a lost session left, and is younger.
    const none = this.#ordinal + 1;
    return Math.min(retained[start]?.ordinal ?? none, this.#carriedOver[0]?.ordinal ?? none);
  }

  #settleFlushes(): void {
    this.#flushWaiters.settle(this.#oldestOrdinal());
  }

  /** The peer has these messages. */
  #confirm(messages: readonly SentMessage[]): void {
    for (const message of messages) {
      message.confirmed?.resolve();
      this.#owner.onOutcome(message.onOutcome, "acknowledged");
      message.onOutcome = undefined;
    }
  }

  #reject({ confirmed, onOutcome }: DeliveryOptions, outcome: SendOutcome, error: ConnError): void {
    confirmed?.reject(error);
    this.#owner.onOutcome(onOutcome, outcome, error);
  }
}

/** The bytes of those that still have them. */
function payloadsOf(items: readonly SentMessage[]): Payload[] {
  return items.flatMap(({ payload }) => payload ?? []);
}
