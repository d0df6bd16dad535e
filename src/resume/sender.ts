import { type Deferred, deferred } from "../base/deferred.ts";
import type { ConnError } from "../base/errors.ts";
import type { Payload } from "../base/payload.ts";
import type { SendOutcome } from "../base/send-options.ts";
import type { DeliveryOptions, Transport } from "../core/outbox.ts";
import type { SessionLoss, SessionOwner, Undelivered } from "../core/session.ts";
import { FlushWaiters } from "./flush-waiters.ts";
import { type Counts, escaped } from "./protocol/control.ts";
import {
  acknowledge,
  carryOver,
  type DeliveryState,
  hasRoom,
  partDoubtful,
  type ResumePlan,
  retain,
  type SentMessage,
  splitLoss,
  windowCost,
} from "./protocol/delivery-state.ts";

/** The frames by which a sender asks the peer for an answer. */
export interface SenderControls {
  /** Sends a ping, which the peer answers once it has read all before it. */
  ping(): void;
  sendControl(frame: { readonly type: "?" }): void;
}

/** The state of one connection. */
interface Outgoing {
  readonly transport: Transport;
  /** Whether setup is over. */
  isActive: boolean;
  /** Whether an acknowledgement was asked for and has not come. */
  hasAsked: boolean;
  /** A message under suspicion and those behind it, until pongs release them: see `onPong()`. */
  held: SentMessage[];
  /** The number of the message under suspicion once it was written, until the peer answers the ping after it; 0 for none. */
  suspect: number;
}

/** The part of its window that a sender uses before it asks for an acknowledgement. */
const ASK_SHARE = 1 / 2;
const NO_OPTIONS: DeliveryOptions = {};
/** For a message that is retained, which is a copy already. */
const CONSTANT: DeliveryOptions = { isConstant: true };

/** The sending half of an endpoint: keeps what it writes until the peer acknowledges it, and asks for that. */
export class Sender {
  readonly #owner: SessionOwner;
  readonly #controls: SenderControls;
  readonly #flushWaiters = new FlushWaiters();
  /** The state of the session; `undefined` without one. */
  delivery: DeliveryState | undefined;
  #connection: Outgoing | undefined;
  /** Messages of lost sessions, which go ahead of the outbox, as far as the window has room, once setup is over. */
  #carriedOver: SentMessage[] = [];
  #ordinal = 0;
  /** The ordinal of the last message whose acknowledgement a call waits for. */
  #awaited = 0;
  #room: Deferred<void> | undefined;

  constructor(owner: SessionOwner, controls: SenderControls) {
    this.#owner = owner;
    this.#controls = controls;
  }

  get unacknowledged(): { messages: number; bytes: number } {
    const { sent = 0, ackReceived = 0, cost = 0 } = this.delivery ?? {};
    return { messages: sent - ackReceived + this.#carriedOver.length, bytes: cost };
  }

  /** Whether nothing goes ahead of the next message, and the peer's window has room for it. */
  get isWritable(): boolean {
    const { held, suspect } = this.#connection ?? {};
    if (held?.length || suspect || this.#carriedOver.length > 0) return false;
    return this.delivery === undefined || hasRoom(this.delivery);
  }

  /** Continues or begins the session over `transport`. Without `delivery` nothing is kept. */
  attach(transport: Transport, delivery: DeliveryState | undefined): void {
    this.delivery = delivery;
    this.#connection = { transport, isActive: false, hasAsked: false, held: [], suspect: 0 };
  }

  detach(): void {
    const suspect = this.#connection?.suspect;
    // A strike, because the connection answered a ping, was sent this message alone, and ended.
    if (suspect && this.delivery?.firstUnreceived === suspect) this.delivery.strikes++;
    this.#connection = undefined;
    this.#makeRoom();
  }

  /** Called when setup is over: writes the messages that earlier sessions left. */
  activate(): void {
    if (this.#connection) this.#connection.isActive = true;
    this.#drainCarriedOver();
  }

  /** Writes a message, and keeps it if there is a session. `transport` is the one that the writer knows. */
  write(transport: Transport, given: Payload, options: DeliveryOptions = NO_OPTIONS): boolean {
    if (transport !== this.#connection?.transport) return false;
    if (!this.delivery) return this.#writePlain(transport, given, options);
    const { volatile, resend, confirmed, onOutcome } = options;
    // The caller may use the bytes again when this returns.
    const copy = typeof given === "string" || volatile ? given : new Uint8Array(given);
    if (!transport.write(escaped(copy), volatile ? NO_OPTIONS : CONSTANT)) return false;
    const payload = volatile ? undefined : copy;
    const ordinal = ++this.#ordinal;
    retain(this.delivery, { payload, cost: windowCost(given), volatile, resend, confirmed, onOutcome, ordinal });
    if (confirmed) {
      this.#awaited = ordinal;
      // The outbox can't know that a message to be confirmed was written, because without a session it is refused.
      this.#owner.onOutcome(onOutcome, "written");
    }
    this.#askIfNeeded();
    return true;
  }

  /** Handles an acknowledgement up to message `n`. Returns false for a count that can't be. */
  onAcknowledged(n: number): boolean {
    const done = this.delivery && acknowledge(this.delivery, n);
    if (!done) return false;
    this.#confirm(done);
    // A peer that has nothing more to acknowledge is not asked again at once.
    if (this.#connection && done.length > 0) this.#connection.hasAsked = false;
    this.#settleFlushes();
    this.#drainCarriedOver();
    this.#askIfNeeded();
    return true;
  }

  /** Takes the final counts of the peer. Returns false for counts that can't be. */
  onFinalCounts(counts: Counts): boolean {
    return (
      this.delivery !== undefined && splitLoss(this.delivery, counts) !== undefined && this.onAcknowledged(counts.n)
    );
  }

  /**
   * Called when the peer has answered a ping, so that all that was written before it has arrived. With a message under
   * suspicion the first pong shows that the connection works, and that message is written alone, with another ping behind
   * it. The second pong shows that the message did no harm, and the others are written.
   */
  onPong(): void {
    const connection = this.#connection;
    if (!connection || !this.delivery) return;
    const { held } = connection;
    const isProven = connection.suspect > 0 || held.length === 0;
    connection.suspect = isProven ? 0 : this.delivery.firstUnreceived;
    this.#rewrite(held.splice(0, isProven ? held.length : 1));
    if (!isProven) return this.#controls.ping();
    this.#askIfNeeded();
    this.#drainCarriedOver();
  }

  /** Settles the messages that a resumed session does not send again: stale ones, and a poisonous one. */
  applyResume({ stale, poison }: ResumePlan): void {
    this.#dropStale(stale);
    if (poison) {
      const { payload } = poison;
      const text = "The message ended three connections, and is not sent again.";
      const error = this.#owner.createError("poison", text, payload);
      this.#reject(poison, "refused", error);
      this.#owner.onRefused(payload as Payload, error);
    }
    this.#settleFlushes();
  }

  /** Writes again what the peer has not counted; with a message under suspicion only after a pong: see `onPong()`. */
  resume({ resend, isSuspect }: ResumePlan): void {
    if (isSuspect && this.#connection) {
      this.#connection.held = [...resend];
      return this.#controls.ping();
    }
    this.#rewrite(resend);
    this.#askIfNeeded();
  }

  /** Reports what became of the messages of a lost session, and settles those that are not carried over. */
  abandonSession(loss: SessionLoss<SentMessage>): void {
    const { delivered, undelivered, inDoubt } = loss;
    this.delivery = undefined;
    this.#carriedOver = carryOver(loss, this.#carriedOver);
    const error = (payload?: Payload) =>
      this.#owner.createError("session-lost", "The session was lost before the message was acknowledged.", payload);
    this.#confirm(delivered);
    this.#dropStale(undelivered.filter(({ volatile }) => volatile));
    const forgotten = inDoubt.filter(({ resend, volatile }) => volatile || !resend);
    for (const message of forgotten) this.#reject(message, "in-doubt", error(message.payload));
    if (forgotten.some(({ volatile }) => !volatile)) this.#flushWaiters.rejectAll(error());
    const [certain, doubtful] = partDoubtful(undelivered);
    this.#owner.onSessionLost({
      delivered: payloadsOf(delivered),
      undelivered: payloadsOf(certain),
      inDoubt: payloadsOf([...inDoubt, ...doubtful]),
    });
    this.#settleFlushes();
  }

  /** Drops a session that ends with its connection, because messages of a setup belong to that connection alone. */
  forget(): void {
    this.delivery = undefined;
    this.#settleFlushes();
  }

  /** Resolves when all that was written so far is acknowledged. */
  flush(): Promise<void> {
    if (this.#oldestOrdinal() > this.#ordinal) return Promise.resolve();
    this.#awaited = this.#ordinal;
    this.#askIfNeeded();
    return this.#flushWaiters.add(this.#ordinal);
  }

  /** Resolves when the sender is writable, or `transport` was left. */
  async drain(transport: Transport): Promise<void> {
    while (transport === this.#connection?.transport && !this.isWritable) {
      this.#room ??= deferred();
      await this.#room.promise;
    }
  }

  /** Rejects all calls that wait, and sorts the retained messages by the final counts of the peer, where they are known. */
  dispose(error: (payload?: Payload) => ConnError, counts: Counts | undefined): Undelivered {
    const { undelivered = [], inDoubt = [] } = (this.delivery && splitLoss(this.delivery, counts)) ?? {};
    const [unsent, doubtful] = partDoubtful([...undelivered, ...this.#carriedOver]);
    const unknown = [...inDoubt, ...doubtful];
    for (const message of unknown) this.#reject(message, "in-doubt", error(message.payload));
    for (const message of unsent) this.#reject(message, "refused", error(message.payload));
    this.#flushWaiters.rejectAll(error());
    this.delivery = undefined;
    this.#carriedOver = [];
    return { unsent: payloadsOf(unsent), inDoubt: payloadsOf(unknown) };
  }

  #writePlain(transport: Transport, payload: Payload, options: DeliveryOptions): boolean {
    if (!options.confirmed) return transport.write(payload);
    const text = "confirm needs a server with resume: the message was not sent.";
    const error = this.#owner.createError("unsupported", text, payload);
    this.#reject(options, "refused", error);
    this.#owner.onRefused(payload, error);
    return true;
  }

  #rewrite(messages: readonly SentMessage[]): void {
    for (const { payload } of messages) this.#connection?.transport.write(escaped(payload as Payload));
  }

  /** Asks for an acknowledgement when half of the window is used, or a call waits for it. */
  #askIfNeeded(): void {
    const delivery = this.delivery;
    const connection = this.#connection;
    if (!delivery || !connection || connection.hasAsked) return;
    if (delivery.cost < delivery.window * ASK_SHARE && this.#awaited < this.#oldestOrdinal()) return;
    connection.hasAsked = true;
    this.#controls.sendControl({ type: "?" });
  }

  #drainCarriedOver(): void {
    const delivery = this.delivery;
    const connection = this.#connection;
    if (!connection?.isActive) return;
    const { transport } = connection;
    let written = 0;
    for (const message of this.#carriedOver) {
      const payload = message.payload as Payload;
      if (delivery && !hasRoom(delivery)) break;
      if (!(delivery ? transport.write(escaped(payload)) : this.#writePlain(transport, payload, message))) break;
      if (delivery) retain(delivery, message);
      written++;
    }
    this.#carriedOver.splice(0, written);
    if (written > 0) {
      this.#settleFlushes();
      this.#askIfNeeded();
    }
    if (this.isWritable) this.#makeRoom();
  }

  #makeRoom(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }

  /** Settles volatile messages that were lost with their connection. */
  #dropStale(stale: readonly SentMessage[]): void {
    for (const message of stale) {
      const error = this.#owner.createError("not-writable");
      this.#reject(message, "refused", error);
    }
  }

  /** The ordinal of the oldest message that is neither acknowledged nor settled otherwise. */
  #oldestOrdinal(): number {
    const { retained = [], start = 0 } = this.delivery ?? {};
    // Messages of a new setup go before carried-over ones, and are younger.
    const none = this.#ordinal + 1;
    return Math.min(retained[start]?.ordinal ?? none, this.#carriedOver[0]?.ordinal ?? none);
  }

  #confirm(messages: readonly SentMessage[]): void {
    for (const { confirmed, onOutcome } of messages) {
      confirmed?.resolve();
      // Checked here, because most messages have none and there may be thousands.
      if (onOutcome) this.#owner.onOutcome(onOutcome, "acknowledged");
    }
  }

  #reject({ confirmed, onOutcome }: DeliveryOptions, outcome: SendOutcome, error: ConnError): void {
    confirmed?.reject(error);
    this.#owner.onOutcome(onOutcome, outcome, error);
  }

  #settleFlushes(): void {
    this.#flushWaiters.settle(this.#oldestOrdinal());
  }
}

/** Returns the payloads of those messages that still have one. */
function payloadsOf(messages: readonly SentMessage[]): Payload[] {
  return messages.flatMap(({ payload }) => payload ?? []);
}
