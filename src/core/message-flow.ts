import { ABNORMAL, INBOX_FULL, RESUME_PROTOCOL_ERROR } from "../base/close-codes.ts";
import { Emitter } from "../base/emitter.ts";
import { ConnError, textOf } from "../base/errors.ts";
import type { Payload } from "../base/payload.ts";
import { type CodecLike, unmarshal } from "../codec/codec.ts";
import type { ConnectionEnd } from "../socket/socket.ts";
import type { ActiveConnection, AttemptOwner, ConnectionSource } from "./connect-attempt.ts";
import { ConnectionHistory } from "./connection-history.ts";
import type { DisconnectInfo } from "./disconnect-info.ts";
import type { ConnEvents } from "./events.ts";
import { Heartbeat, type HeartbeatOwner } from "./heartbeat.ts";
import { Inbox, type InboxOwner } from "./inbox.ts";
import type { ProviderOr, ResolvedOptions, Url } from "./options.ts";
import { Outbox, type OutboxOwner } from "./outbox.ts";
import { noSession, type Session, type SessionOwner } from "./session.ts";
import type { MachineEvent, State } from "./state-machine.ts";

/** Ends the Conn when its inbox overflows: a browser can't hold the peer back. */
/** Told to a peer that broke the rules of a session. */

/**
 * What a Conn has, and what its parts tell each other. One object that owns them all and hears of everything, since a
 * function for each thing that can be heard, made anew for each Conn, would outweigh all else in memory.
 */
export abstract class MessageFlow<In, Out> implements AttemptOwner<In, Out>, InboxOwner, OutboxOwner, HeartbeatOwner {
  readonly url: ProviderOr<string, Url>;
  readonly options: ResolvedOptions<In, Out>;
  readonly source: ConnectionSource;
  readonly emitter = new Emitter<ConnEvents<In>>();
  readonly outbox: Outbox;
  readonly inbox: Inbox;
  readonly session: Session;
  readonly history = new ConnectionHistory();
  protected readonly heartbeat: Heartbeat | undefined;
  /** There only while open or closing. */
  connection: ActiveConnection | undefined;
  /** The URL last dialed. */
  lastUrl: string;
  /** Messages that came. */
  receivedCount = 0;
  state: State = { name: "idle" };

  constructor(url: ProviderOr<string, Url>, settings: ResolvedOptions<In, Out>, dialer: ConnectionSource) {
    const { heartbeat, resume, outbox, inbox } = settings;
    this.url = url;
    this.lastUrl = typeof url === "function" ? "" : url;
    this.options = settings;
    this.source = dialer;
    this.outbox = new Outbox(outbox, this);
    this.inbox = new Inbox(inbox, this);
    if (heartbeat) this.heartbeat = new Heartbeat(heartbeat, this);
    // What these two are given to call, they call later: Life is not there yet.
    this.session = resume ? resume(this.#sessionOwner()) : noSession;
    dialer.onConnection?.(() => this.dispatch({ type: "reconnect" }));
  }

  get previous(): DisconnectInfo | undefined {
    return this.history.previous;
  }

  abstract dispatch(input: MachineEvent): void;
  abstract onReady(connection: ActiveConnection): void;
  abstract onEnd(ending: ConnectionEnd): void;
  /** The connection ends by our doing, and with it the Conn, unless the user thinks otherwise. */
  protected abstract failConnection(code: number, cause: ConnError): void;

  /** The value of `payload`; what can't be decoded is told and thrown. */
  decode<T>(codec: CodecLike<T, never>, payload: Payload): T {
    try {
      return unmarshal(codec, payload, this.options);
    } catch (error) {
      this.onError(error as ConnError);
      throw error;
    }
  }

  /** Runs the user's function; what it throws is told, and answered with undefined. */
  guard<T>(name: string, act: () => T): T | undefined {
    try {
      return act();
    } catch (cause) {
      this.onError(new ConnError("provider", `${name} failed: ${textOf(cause)}`, { cause }));
      return undefined;
    }
  }

  // What the attempt, and the connection that came of it, tells.

  onDial(url: string): void {
    this.lastUrl = url;
  }

  onMessage(payload: Payload): void {
    if (this.heartbeat?.consumePong(payload)) return;
    this.receivedCount++;
    this.inbox.push(payload);
    this.onConsumed();
  }

  onPong(): void {
    this.heartbeat?.onPong();
  }

  onError(error: ConnError): void {
    this.emitter.emit("error", error);
  }

  // What the heartbeat tells.

  onLatency(rttMs: number): void {
    this.emitter.emit("latency", { rttMs });
  }

  onTimeout(): void {
    this.onEnd({ code: ABNORMAL, reason: "", clean: false, cause: new ConnError("timeout", "The peer is silent.") });
  }

  // What the inbox asks and tells.

  hasListeners(): boolean {
    return this.emitter.hasListeners("message");
  }

  deliver(payload: Payload): void {
    let value: In;
    try {
      value = this.decode(this.options.codec, payload);
    } catch {
      return;
    }
    this.emitter.emit("message", value);
  }

  /** Holds the peer back, where the platform can, or lets it go on. */
  onPressure(on: boolean): void {
    if (this.state.name !== "open") return;
    const { socket, transport } = this.connection as ActiveConnection;
    if (transport.setPaused) return transport.setPaused(on);
    const isHeeded = on ? socket.pause?.() : socket.resume?.();
    if (isHeeded) this.heartbeat?.setPaused(on);
  }

  onConsumed(): void {
    this.session.onConsumed();
  }

  onDropped(payload: Payload, why: ConnError): void {
    this.emitter.emitLater("dropped", { payload, error: why, direction: "in" });
  }

  onOverflow(why: ConnError): void {
    this.failConnection(INBOX_FULL, why);
  }

  // What the outbox tells.

  onRefused(payload: Payload, why: ConnError): void {
    this.emitter.emitLater("dropped", { payload, error: why, direction: "out" });
  }

  onDrained(): void {
    this.emitter.emit("drained", undefined);
  }

  onQueueChange(bytes: number): void {
    this.source.onQueueChange?.(bytes);
  }

  #sessionOwner(): SessionOwner {
    return {
      unconsumed: () => ({ messages: this.inbox.length, bytes: this.inbox.bytes }),
      onPong: () => this.onPong(),
      onSessionLost: (report) => this.emitter.emit("session-lost", report),
      onDropped: (payload, why) => this.onRefused(payload, why),
      onProtocolError: (why) => this.failConnection(RESUME_PROTOCOL_ERROR, new ConnError("session-lost", why)),
      onMoveRequested: () => this.dispatch({ type: "moveRequested" }),
      createError: (code, message, payload) => new ConnError(code, message, { payload }),
    };
  }
}
