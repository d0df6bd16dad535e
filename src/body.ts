import type { AttemptOwner, Connection, Dialer } from "./attempt.ts";
import { type CodecPair, unmarshal } from "./codec.ts";
import { ConnError } from "./errors.ts";
import type { ConnEvents } from "./events.ts";
import { Heartbeat, type HeartbeatOwner } from "./heartbeat.ts";
import { Inbox, type InboxOwner } from "./inbox.ts";
import { News } from "./news.ts";
import type { Provided, Settings, Url } from "./options.ts";
import { Outbox, type OutboxOwner } from "./outbox.ts";
import type { Payload } from "./payload.ts";
import { plain, type Session, type SessionOwner } from "./session.ts";
import type { Input, State } from "./state.ts";
import { Trials } from "./trials.ts";
import type { Ending, LostInfo } from "./verdict.ts";

/** Ends the Conn when its inbox overflows: a browser can't hold the peer back. */
const INBOX_FULL = 4413;
/** Told to a peer that broke the rules of a session. */
const BREACH = 4400;

/**
 * What a Conn has, and what its parts tell each other. One object that owns them all and hears of everything, since a
 * function for each thing that can be heard, made anew for each Conn, would outweigh all else in memory.
 */
export abstract class Body<In, Out> implements AttemptOwner<In, Out>, InboxOwner, OutboxOwner, HeartbeatOwner {
  readonly url: Provided<string, Url>;
  readonly settings: Settings<In, Out>;
  readonly dialer: Dialer;
  readonly news = new News<ConnEvents<In>>();
  readonly outbox: Outbox;
  readonly inbox: Inbox;
  readonly session: Session;
  readonly trials = new Trials();
  protected readonly heartbeat: Heartbeat | undefined;
  /** There only while open or closing. */
  connection: Connection | undefined;
  /** The URL last dialed. */
  dialed: string;
  /** Messages that came. */
  heard = 0;
  state: State = { name: "idle" };

  constructor(url: Provided<string, Url>, settings: Settings<In, Out>, dialer: Dialer) {
    const { heartbeat, resume, outbox, inbox } = settings;
    this.url = url;
    this.dialed = typeof url === "function" ? "" : url;
    this.settings = settings;
    this.dialer = dialer;
    this.outbox = new Outbox(outbox, this);
    this.inbox = new Inbox(inbox, this);
    if (heartbeat) this.heartbeat = new Heartbeat(heartbeat, this);
    // What these two are given to call, they call later: Life is not there yet.
    this.session = resume ? resume(this.#sessionOwner()) : plain;
    dialer.awaits?.(() => this.feed({ type: "reconnect" }));
  }

  get last(): LostInfo | undefined {
    return this.trials.last;
  }

  abstract feed(input: Input): void;
  abstract ready(connection: Connection): void;
  abstract ended(ending: Ending): void;
  /** The connection ends by our doing, and with it the Conn, unless the user thinks otherwise. */
  protected abstract endBy(code: number, cause: ConnError): void;

  /** The value of `payload`; what can't be decoded is told and thrown. */
  decode<T>(codec: CodecPair<T, never>, payload: Payload): T {
    try {
      return unmarshal(codec, payload);
    } catch (error) {
      this.failed(error as ConnError);
      throw error;
    }
  }

  /** Runs the user's function; what it throws is told, and answered with undefined. */
  guard<T>(name: string, act: () => T): T | undefined {
    try {
      return act();
    } catch (cause) {
      this.failed(new ConnError("provider", `${name} failed: ${cause}`, { cause }));
      return undefined;
    }
  }

  // What the attempt, and the connection that came of it, tells.

  dialing(url: string): void {
    this.dialed = url;
  }

  received(payload: Payload): void {
    if (this.heartbeat?.takes(payload)) return;
    this.heard++;
    this.inbox.put(payload);
    this.took();
  }

  ponged(): void {
    this.heartbeat?.ponged();
  }

  failed(error: ConnError): void {
    this.news.emit("error", error);
  }

  // What the heartbeat tells.

  answered(rttMs: number): void {
    this.news.emit("latency", { rttMs });
  }

  died(): void {
    this.ended({ code: 1006, reason: "", clean: false, cause: new ConnError("timeout", "The peer is silent.") });
  }

  // What the inbox asks and tells.

  listens(): boolean {
    return this.news.hears("message");
  }

  deliver(payload: Payload): void {
    let value: In;
    try {
      value = this.decode(this.settings.codec, payload);
    } catch {
      return;
    }
    this.news.emit("message", value);
  }

  /** Holds the peer back, where the platform can, or lets it go on. */
  pressed(on: boolean): void {
    if (this.state.name !== "open") return;
    const { socket, line } = this.connection as Connection;
    if (line.hold) return line.hold(on);
    const isHeeded = on ? socket.pause?.() : socket.resume?.();
    if (isHeeded) this.heartbeat?.hold(on);
  }

  took(): void {
    this.session.took();
  }

  dropped(payload: Payload, why: ConnError): void {
    this.news.emitSoon("dropped", { payload, why, direction: "in" });
  }

  overflowed(why: ConnError): void {
    this.endBy(INBOX_FULL, why);
  }

  // What the outbox tells.

  refused(payload: Payload, why: ConnError): void {
    this.news.emitSoon("dropped", { payload, why, direction: "out" });
  }

  drained(): void {
    this.news.emit("drained", undefined);
  }

  queued(bytes: number): void {
    this.dialer.queued?.(bytes);
  }

  #sessionOwner(): SessionOwner {
    return {
      untaken: () => ({ messages: this.inbox.length, bytes: this.inbox.bytes }),
      ponged: () => this.ponged(),
      lost: (report) => this.news.emit("lost-session", report),
      dropped: (payload, why) => this.refused(payload, why),
      breached: (why) => this.endBy(BREACH, new ConnError("session-lost", why)),
      toldToMove: () => this.feed({ type: "toldToMove" }),
      error: (code, message, payload) => new ConnError(code, message, { payload }),
    };
  }
}
