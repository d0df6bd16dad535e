import { Attempting, type AttemptOwner, type Connection, type Dialer } from "./attempt.ts";
import { FLOOR_MS } from "./backoff.ts";
import { type CodecPair, unmarshal } from "./codec.ts";
import { aborted, ConnError } from "./errors.ts";
import type { CloseInfo, ConnEvents } from "./events.ts";
import { Heartbeat, type HeartbeatOwner } from "./heartbeat.ts";
import { Inbox, type InboxOwner } from "./inbox.ts";
import type { LifecycleSignal } from "./lifecycle.ts";
import { News } from "./news.ts";
import type { Provided, Settings, Url } from "./options.ts";
import { Outbox, type OutboxOwner } from "./outbox.ts";
import type { Payload } from "./payload.ts";
import { judge } from "./plan.ts";
import { type Deferred, deferred, onAbort } from "./promise.ts";
import { plain, type Session, type SessionOwner } from "./session.ts";
import { type Effect, type Goodbye, type Input, type State, step } from "./state.ts";
import { Timer } from "./timer.ts";
import { Trials } from "./trials.ts";
import { type Ending, isAuth, type LostInfo } from "./verdict.ts";

/** Ends the Conn when its inbox overflows: a browser can't hold the peer back. */
const INBOX_FULL = 4413;
/** Told to a peer that broke the rules of a session. */
const BREACH = 4400;

/**
 * Performs what `step` decides. An input is worked off whole: state first, then its effect, and what comes meanwhile
 * queues; then it is told. It owns all that a Conn has: one object that hears of everything, not a function for each
 * thing that can be heard.
 */
export class Life<In, Out> implements AttemptOwner<In, Out>, InboxOwner, OutboxOwner, HeartbeatOwner {
  readonly url: Provided<string, Url>;
  readonly settings: Settings<In, Out>;
  readonly dialer: Dialer;
  readonly news = new News<ConnEvents<In>>();
  readonly outbox: Outbox;
  readonly inbox: Inbox;
  readonly session: Session;
  readonly trials = new Trials();
  readonly #heartbeat: Heartbeat | undefined;
  /** What came while something is being performed, which is first; there only then. */
  #inputs: Input[] | undefined;
  /** The timer of the state: the time for an attempt, the wait, the time for closing. */
  readonly #timer = new Timer();
  state: State = { name: "idle" };
  #attempt: Attempting<In, Out> | undefined;
  /** There only while open or closing. */
  connection: Connection | undefined;
  /** The URL last dialed. */
  dialed: string;
  /** Messages that came. */
  heard = 0;
  #unsubscribe: (() => void) | undefined;
  /** Why the Conn ended, unless it ended well. */
  #error: ConnError | undefined;
  /** Made for the first who asks. */
  #closed: Deferred<CloseInfo> | undefined;
  #closeInfo: CloseInfo | undefined;

  constructor(url: Provided<string, Url>, settings: Settings<In, Out>, dialer: Dialer) {
    const { heartbeat, resume, outbox, inbox } = settings;
    this.url = url;
    this.dialed = typeof url === "function" ? "" : url;
    this.settings = settings;
    this.dialer = dialer;
    this.outbox = new Outbox(outbox, this);
    this.inbox = new Inbox(inbox, this);
    if (heartbeat) this.#heartbeat = new Heartbeat(heartbeat, this);
    this.session = resume ? resume(this.#sessionOwner()) : plain;
    dialer.awaits?.(() => this.feed({ type: "reconnect" }));
  }

  get isEnding(): boolean {
    return this.state.name === "closing" || this.state.name === "closed";
  }

  get last(): LostInfo | undefined {
    return this.trials.last;
  }

  get closed(): Promise<CloseInfo> {
    this.#closed ??= deferred();
    if (this.#closeInfo) this.#closed.resolve(this.#closeInfo);
    return this.#closed.promise;
  }

  /** A Conn begins a moment after it was made, so that its maker can listen first. */
  begin(): void {
    const { signal, autoConnect } = this.settings;
    if (signal) onAbort(signal, this.closed, () => this.feed({ type: "aborted", error: aborted(signal) }));
    if (autoConnect) this.feed({ type: "connect" });
  }

  feed(input: Input): void {
    if (this.#inputs) {
      this.#inputs.push(input);
      return;
    }
    this.#ripen();
    const inputs = [input];
    this.#inputs = inputs;
    this.news.hold();
    for (let next: Input | undefined = input; next; next = inputs[0]) {
      const from = this.state.name;
      const [state, effect] = step(this.state, next);
      this.state = state;
      if (from !== state.name) {
        this.news.emit("state", { from, to: state.name });
        if (next.type === "lost" && from !== "closing") this.news.emit("lost", next.info);
      }
      if (effect) this.guard(effect.type, () => this.#perform(effect));
      inputs.shift();
    }
    this.#inputs = undefined;
    this.news.release();
  }

  /** Resolves when all that was sent so far is out, and acknowledged where there is a session. */
  async flush(): Promise<void> {
    await this.outbox.flush();
    await this.session.flush();
  }

  /** What calls reject with from the end on. */
  closedError(payload?: Payload): ConnError {
    const cause = this.#error;
    return cause?.code === "aborted" ? cause : new ConnError("closed", undefined, { payload, cause });
  }

  /** The value of `payload`; what can't be decoded is told and thrown. */
  decode<T>(codec: CodecPair<T, never>, payload: Payload): T {
    try {
      return unmarshal(codec, payload);
    } catch (error) {
      this.news.emit("error", error as ConnError);
      throw error;
    }
  }

  /** Runs the user's function; what it throws is told, and answered with undefined. */
  guard<T>(name: string, act: () => T): T | undefined {
    try {
      return act();
    } catch (cause) {
      this.news.emit("error", new ConnError("provider", `${name} failed: ${cause}`, { cause }));
      return undefined;
    }
  }

  // What the attempt, and the connection that came of it, tells.

  dialing(url: string): void {
    this.dialed = url;
  }

  ready(connection: Connection): void {
    this.connection = connection;
    this.feed({ type: "ready" });
  }

  received(payload: Payload): void {
    if (this.#heartbeat?.takes(payload)) return;
    this.heard++;
    this.inbox.put(payload);
    this.session.took();
  }

  ponged(): void {
    this.#heartbeat?.ponged();
  }

  ended(ending: Ending): void {
    this.#ripen();
    const { url, settings, trials } = this;
    const { setup, protocols, headers, lifecycle } = settings;
    const past = {
      state: this.state,
      everOpened: trials.opens > 0,
      canRenew: [setup, url, protocols, headers].some((given) => typeof given === "function"),
      refusals: trials.refusals,
      triedMs: trials.triedMs,
      isOnline: this.guard("isOnline", () => lifecycle?.isOnline()) !== false,
      redials: this.dialer.redials,
    };
    const { info, plan } = judge(ending, past, settings, (name, act) => this.guard(name, act));
    if (isAuth(ending)) trials.refusals++;
    trials.last = info;
    this.feed({ type: "lost", info, plan });
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
    if (on && !socket.pause?.()) return;
    if (!on) socket.resume?.();
    this.#heartbeat?.hold(on);
  }

  took(): void {
    this.session.took();
  }

  dropped(payload: Payload, why: ConnError): void {
    this.news.emitSoon("dropped", { payload, why, direction: "in" });
  }

  overflowed(why: ConnError): void {
    this.#endBy(INBOX_FULL, why);
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

  #perform(effect: Effect): void {
    const { connectTimeoutMs, closeTimeoutMs, giveUpAfterMs, lifecycle } = this.settings;
    switch (effect.type) {
      case "dial": {
        this.#leave(effect.goodbye);
        this.trials.dialed();
        this.#unsubscribe ??=
          this.guard("subscribe", () => lifecycle?.subscribe((signal) => this.#heed(signal))) ?? nothing;
        const attempt = new Attempting(this, effect.attempt);
        this.#attempt = attempt;
        const timeoutMs = Math.min(connectTimeoutMs, giveUpAfterMs - this.trials.triedMs);
        this.#timer.start(timeoutMs, () => attempt.timedOut(timeoutMs));
        return attempt.start();
      }
      case "wait": {
        const { delayMs } = effect;
        this.#leave(effect.goodbye);
        if (this.state.name !== "waiting") return;
        const { attempt, reason } = this.state;
        const isBackground = reason === "peer";
        if (delayMs < Number.POSITIVE_INFINITY) {
          this.#timer.start(delayMs, () => this.feed({ type: "elapsed" }), isBackground);
        }
        return this.news.emit("waiting", { attempt, delayMs, reason });
      }
      case "serve":
        this.#timer.stop();
        return this.#serve();
      case "flush":
        this.#heartbeat?.stop();
        this.#timer.start(closeTimeoutMs, () => this.feed({ type: "timedOut" }));
        // The peer's goodbye would wait behind closed ears.
        this.connection?.socket.resume?.();
        this.connection?.line.hold?.(false);
        this.flush().then(
          () => this.feed({ type: "flushed" }),
          () => {},
        );
        return;
      case "sayGoodbye":
        this.session.goodbye(effect.goodbye.code);
        return this.connection?.socket.close(effect.goodbye.code, effect.goodbye.reason);
      case "settle": {
        // Whoever is left in setup with a goodbye has no time to answer it.
        const clean = effect.clean && !(effect.goodbye && this.#attempt?.isOpen);
        this.#leave(effect.goodbye);
        return this.#settle({ ...effect, clean });
      }
    }
  }

  #serve(): void {
    const { trials, inbox } = this;
    const { socket, line, protocol, extensions, resumed } = this.connection as Connection;
    this.#heartbeat?.start(socket, line);
    if (inbox.isPressed || line.hold) this.pressed(inbox.isPressed);
    const { attempt } = this.state as Extract<State, { name: "open" }>;
    const { downMs } = trials;
    const reconnected = trials.opens > 0;
    trials.opened();
    this.news.emit("open", { protocol, extensions, attempt, reconnected, resumed, downMs });
    this.session.serve();
    this.outbox.open(line);
  }

  /** A connection that has lasted is stable. Nobody needs to know before something comes of it. */
  #ripen(): void {
    const { state, trials, settings } = this;
    if (state.name !== "open" || trials.openMs < Math.max(settings.stableAfterMs, FLOOR_MS)) return;
    [this.state] = step(state, { type: "stable" });
    trials.refusals = 0;
  }

  /** Leaves the connection or the attempt, if there is one, and whatever timer runs. */
  #leave(goodbye?: Goodbye): void {
    this.trials.left();
    this.#timer.stop();
    this.#heartbeat?.stop();
    this.connection = undefined;
    this.outbox.shut();
    const attempt = this.#attempt;
    this.#attempt = undefined;
    this.guard("close", () => attempt?.abandon(goodbye?.code, goodbye?.reason));
  }

  #settle({ by, end, clean, error }: Extract<Effect, { type: "settle" }>): void {
    this.guard("unsubscribe", () => this.#unsubscribe?.());
    this.#error = error;
    const rest = this.session.end((payload) => this.closedError(payload), by === "peer" && clean, end.code);
    const unsent = [...rest.unsent, ...this.outbox.end(this.closedError())];
    this.inbox.end(error ?? this.closedError());
    const info: CloseInfo = { ...end, clean, by, unsent, inDoubt: rest.inDoubt, ...(error && { error }) };
    this.news.emit("closed", info);
    this.news.after(() => {
      this.#closeInfo = info;
      this.#closed?.resolve(info);
    });
  }

  /** What the page or the machine says: a doubt about the connection is settled at once, a wait is cut. */
  #heed(signal: LifecycleSignal): void {
    if (signal === "offline") return;
    if (signal === "cached") return this.feed({ type: "pageCached" });
    if (signal === "back") {
      this.trials.rested();
      return this.feed({ type: "pageBack" });
    }
    const { floorMs } = this.trials;
    if (!this.connection) this.feed({ type: "awake", floorMs });
    else if (!this.#heartbeat?.probe() && signal !== "visible") this.feed({ type: "reconnect", floorMs });
  }

  /** The connection ends by our doing, and with it the Conn, unless the user thinks otherwise. */
  #endBy(code: number, cause: ConnError): void {
    this.#attempt?.abandon(code, "");
    this.ended({ code, reason: "", clean: false, cause });
  }

  #sessionOwner(): SessionOwner {
    return {
      untaken: () => ({ messages: this.inbox.length, bytes: this.inbox.bytes }),
      ponged: () => this.ponged(),
      lost: (report) => this.news.emit("lost-session", report),
      dropped: (payload, why) => this.refused(payload, why),
      breached: (why) => this.#endBy(BREACH, new ConnError("session-lost", why)),
      toldToMove: () => this.feed({ type: "toldToMove" }),
      error: (code, message, payload) => new ConnError(code, message, { payload }),
    };
  }
}

/** Undoes nothing. */
function nothing(): void {}
