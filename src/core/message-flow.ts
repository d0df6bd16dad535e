import { ABNORMAL, INBOX_FULL, RESUME_PROTOCOL_ERROR } from "../base/close-codes.ts";
import { type Emitter, throwAsync } from "../base/emitter.ts";
import { ConnError, type ConnErrorCode, textOf } from "../base/errors.ts";
import type { Payload } from "../base/payload.ts";
import type { SendOptions, SendOutcome } from "../base/send-options.ts";
import { Timer } from "../base/timer.ts";
import { type CodecLike, unmarshal } from "../codec/codec.ts";
import type { ConnectionEnd } from "../socket/socket.ts";
import type { ActiveConnection, ConnectionOwner, ConnectionSource } from "./connect-attempt.ts";
import type { ConnEvents } from "./events.ts";
import { Heartbeat, type HeartbeatOwner } from "./heartbeat.ts";
import { Inbox, type InboxOwner } from "./inbox.ts";
import type { ResolvedOptions } from "./options.ts";
import { Outbox, type OutboxOwner } from "./outbox.ts";
import { noSession, type Session, type SessionLoss, type SessionOwner, type Undelivered } from "./session.ts";
import type { CloseFrame, StateName } from "./state-machine.ts";

/** The control of a Conn, as its data sees it. */
export interface FlowOwner<In, Out> {
  readonly options: ResolvedOptions<In, Out>;
  readonly source: ConnectionSource;
  readonly emitter: Emitter<ConnEvents<In>>;
  readonly state: { readonly name: StateName };
  /** Called when the connection has ended, or must end: then `frame` is for the peer. */
  onEnd(ending: ConnectionEnd, frame?: CloseFrame): void;
  /** Called when the peer asks for another connection. */
  onMoveRequested(): void;
}

/**
 * The data of a Conn: the messages that wait in the outbox and the inbox, and the connection, while there is one. Owns these parts and implements their callbacks itself, because a closure per callback dominated memory
 * (`npm run bench -- --only memory`).
 */
export class MessageFlow<In, Out> implements ConnectionOwner, InboxOwner, OutboxOwner, HeartbeatOwner, SessionOwner {
  readonly outbox: Outbox;
  readonly inbox: Inbox;
  readonly session: Session;
  /** The connection in use: there while the Conn is open or closing. */
  connection: ActiveConnection | undefined;
  /** Messages received so far. */
  receivedCount = 0;
  /** When the peer's last message or pong came, in milliseconds of `Date.now()`; 0 for never. */
  lastReceivedAt = 0;
  readonly #owner: FlowOwner<In, Out>;
  readonly #heartbeat: Heartbeat | undefined;
  /** Runs while the messages that wait are held back: see `attach()`. */
  #hold: Timer | undefined;
  #hasWarned = false;
  #isInOutcome = false;

  constructor(owner: FlowOwner<In, Out>) {
    const { heartbeat, resume, outbox, inbox } = owner.options;
    this.#owner = owner;
    this.outbox = new Outbox(outbox, this);
    this.inbox = new Inbox(inbox, this);
    if (heartbeat) this.#heartbeat = new Heartbeat(heartbeat, this);
    this.session = resume ? resume(this) : noSession;
  }

  /**
   * Uses `connection` from here on: messages that wait are written to it; after `holdMs`, or when the peer has sent
   * something, where that is above 0.
   */
  attach(connection: ActiveConnection, holdMs: number): void {
    const { socket, transport } = connection;
    this.#heartbeat?.start(socket, transport);
    if (this.inbox.isUnderPressure || transport.setPaused) this.onPressure(this.inbox.isUnderPressure);
    if (!(holdMs > 0)) return this.#release();
    this.#hold = new Timer();
    this.#hold.start(holdMs, () => this.#release());
  }

  /** Stops using the connection. */
  detach(): void {
    this.#heartbeat?.stop();
    this.#hold?.stop();
    this.connection = this.#hold = undefined;
    this.outbox.detach();
  }

  /** Bytes that the connection has taken and not yet handed to the network; 0 without one. */
  get bufferedAmount(): number {
    return this.connection?.socket.bufferedAmount ?? 0;
  }

  /** Takes a message of the peer's application. */
  receive(payload: Payload): void {
    if (this.#heartbeat?.consumePong(payload)) return;
    this.receivedCount++;
    this.inbox.push(payload);
    this.onConsumed();
  }

  /** Resolves when all messages sent so far have left, and are acknowledged where there is a session. */
  async flush(): Promise<void> {
    await this.outbox.flush();
    await this.session.flush();
  }

  /** Resolves when all messages have left, so that the connection can be closed. The heartbeat is stopped meanwhile. */
  flushToClose(): Promise<void> {
    this.#heartbeat?.stop();
    // A paused socket would never receive the peer's close frame.
    this.connection?.socket.resume?.();
    this.connection?.transport.setPaused?.(false);
    return this.flush();
  }

  /**
   * Ends for good: calls that wait reject with `error`, pulls with `pullError`. Returns the messages that were not
   * delivered.
   */
  end(error: (payload?: Payload) => ConnError, pullError: ConnError, isByPeer: boolean, code: number): Undelivered {
    const { unsent, inDoubt } = this.session.dispose(error, isByPeer, code);
    const waiting = this.outbox.end(error());
    this.inbox.end(pullError);
    return { unsent: [...unsent, ...waiting], inDoubt };
  }

  /** Pings the peer now. Returns whether the heartbeat has a connection to ping. */
  probe(): boolean {
    return this.#heartbeat?.probe() === true;
  }

  /** Decodes `payload`. Reports and throws the error of a payload that can't be decoded. */
  decode<T>(codec: CodecLike<T, never>, payload: Payload): T {
    try {
      return unmarshal(codec, payload, this.#owner.options);
    } catch (error) {
      this.onError(error as ConnError);
      throw error;
    }
  }

  /** Runs a function of the user. Reports an error that it throws, and returns undefined then. */
  guard<T>(name: string, act: () => T): T | undefined {
    try {
      return act();
    } catch (cause) {
      this.onError(new ConnError("provider", `${name} failed: ${textOf(cause)}`, { cause }));
      return undefined;
    }
  }

  onError(error: ConnError): void {
    this.#owner.emitter.emit("error", error);
  }

  // Callbacks of the socket, once it was handed over.

  onOpen(): void {}

  onMessage(payload: Payload, readAt: number = Date.now()): void {
    this.lastReceivedAt = readAt;
    if (this.#hold) this.#release();
    const message = this.session.receive(payload);
    if (message !== undefined) this.receive(message);
  }

  onPong(): void {
    this.lastReceivedAt = Date.now();
    this.#heartbeat?.onPong();
  }

  onEnd(ending: ConnectionEnd): void {
    this.#owner.onEnd(ending);
  }

  // Callbacks of the heartbeat.

  onLatency(rttMs: number): void {
    this.#owner.emitter.emit("latency", { rttMs });
  }

  onTimeout(): void {
    this.#failConnection(new ConnError("timeout", "The peer is silent."));
  }

  // Callbacks of the inbox.

  hasListeners(): boolean {
    return this.#owner.emitter.hasListeners("message");
  }

  deliver(payload: Payload): void {
    let value: In;
    try {
      value = this.decode(this.#owner.options.codec, payload);
    } catch {
      return;
    }
    this.#owner.emitter.emit("message", value);
  }

  /** Pauses the peer, where the platform can, or reads on. */
  onPressure(on: boolean): void {
    if (on && !this.#hasWarned && !this.inbox.isUsed && !this.hasListeners()) {
      this.#hasWarned = true;
      const why =
        "Messages fill the inbox and nothing takes them: add a message listener, call receive(), or set inbox: false.";
      this.onError(new ConnError("misuse", why));
    }
    if (this.#owner.state.name !== "open") return;
    const { socket, transport } = this.connection as ActiveConnection;
    if (transport.setPaused) return transport.setPaused(on);
    const isSupported = on ? socket.pause?.() : socket.resume?.();
    if (isSupported) this.#heartbeat?.setPaused(on);
  }

  onConsumed(): void {
    this.session.onConsumed();
  }

  onDropped(payload: Payload, error: ConnError): void {
    this.#owner.emitter.emitLater("dropped", { payload, error, direction: "in" });
  }

  onOverflow(error: ConnError): void {
    this.#failConnection(error, INBOX_FULL);
  }

  // Callbacks of the outbox.

  onRefused(payload: Payload, error: ConnError): void {
    this.#owner.emitter.emitLater("dropped", { payload, error, direction: "out" });
  }

  onOutcome(listener: SendOptions["onOutcome"], outcome: SendOutcome, error?: ConnError): void {
    if (!listener) return;
    const call = () => this.#callOutcome(listener, outcome, error);
    // In a turn of its own, because a listener that sends again at each refusal would otherwise block its process.
    if (this.#isInOutcome && outcome === "refused") setTimeout(() => this.#owner.emitter.enqueueLater(call));
    else this.#owner.emitter.enqueueLater(call);
  }

  onWritten(listener: SendOptions["onOutcome"]): void {
    // Not nested, because a listener that sends the next message would otherwise exhaust the stack.
    if (this.#isInOutcome) this.onOutcome(listener, "written");
    else this.#callOutcome(listener, "written");
  }

  onDrained(): void {
    this.#owner.emitter.emit("drained", undefined);
  }

  onQueueChange(bytes: number): void {
    this.#owner.source.onQueueChange?.(bytes);
  }

  // Callbacks of the session, besides those above.

  onSessionLost(loss: SessionLoss): void {
    // Later, because the outcomes of its messages come first.
    this.#owner.emitter.emitLater("session-lost", loss);
  }

  onProtocolError(why: string): void {
    this.#failConnection(new ConnError("session-lost", why), RESUME_PROTOCOL_ERROR);
  }

  onMoveRequested(): void {
    this.#owner.onMoveRequested();
  }

  createError(code: ConnErrorCode, message?: string, payload?: Payload): ConnError {
    return new ConnError(code, message, { payload });
  }

  /** Writes the messages that wait, from now on. */
  #release(): void {
    this.#hold?.stop();
    this.#hold = undefined;
    this.session.activate();
    this.outbox.attach((this.connection as ActiveConnection).transport);
  }

  /** Calls a sender's listener, and reports what it throws as uncaught. */
  #callOutcome(listener: SendOptions["onOutcome"], outcome: SendOutcome, error?: ConnError): void {
    this.#isInOutcome = true;
    try {
      listener?.(outcome, error);
    } catch (cause) {
      throwAsync(cause);
    }
    this.#isInOutcome = false;
  }

  /** Ends the connection (RFC 6455, section 7.1.7), with a close frame where the peer should know why. */
  #failConnection(cause: ConnError, code?: number): void {
    const frame = code === undefined ? undefined : { code, reason: "" };
    this.#owner.onEnd({ code: code ?? ABNORMAL, reason: "", clean: false, cause }, frame);
  }
}
