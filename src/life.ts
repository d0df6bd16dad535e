import { Attempting, type AttemptOwner, type Connection, type Dialer } from "./attempt.ts";
import { aborted, ConnError } from "./errors.ts";
import type { CloseInfo, ConnEvents } from "./events.ts";
import { Heartbeat } from "./heartbeat.ts";
import type { Inbox } from "./inbox.ts";
import type { LifecycleSignal } from "./lifecycle.ts";
import type { News } from "./news.ts";
import type { Provider, Settings, Url } from "./options.ts";
import type { Outbox } from "./outbox.ts";
import type { Payload } from "./payload.ts";
import { FLOOR_MS, judge } from "./plan.ts";
import { deferred } from "./promise.ts";
import { plain, type Session } from "./session.ts";
import { type Effect, type Goodbye, type Input, type State, step } from "./state.ts";
import { Timer } from "./timer.ts";
import { type Ending, isAuth, type LostInfo } from "./verdict.ts";

/** What a Conn's life is lived with. */
export interface Belongings<In> {
  readonly news: News<ConnEvents<In>>;
  readonly outbox: Outbox;
  readonly inbox: Inbox;
}

/** Ends the Conn when its inbox overflows: a browser can't hold the peer back. */
const INBOX_FULL = 4413;
/** Told to a peer that broke the rules of a session. */
const BREACH = 4400;

/**
 * Performs what `step` decides. An input is worked off whole: state first, then its effect, and what comes meanwhile
 * queues; then it is told.
 */
export class Life<In, Out> {
  readonly #url: Provider<Url>;
  readonly #settings: Settings<In, Out>;
  readonly #dialer: Dialer;
  readonly #news: News<ConnEvents<In>>;
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  readonly #heartbeat: Heartbeat | undefined;
  readonly session: Session;
  readonly #inputs: Input[] = [];
  /** The timer of the state: the wait, the time until stable, the time for closing. */
  readonly #timer = new Timer();
  readonly closed = deferred<CloseInfo>();
  state: State = { name: "idle" };
  /** There only while open or closing. */
  connection: Connection | undefined;
  /** The URL last dialed. */
  dialed = "";
  /** Connections that became usable. */
  opens = 0;
  received = 0;
  #attempt: Attempting<In, Out> | undefined;
  #last: LostInfo | undefined;
  /** Why the Conn ended, unless it ended well. */
  #error: ConnError | undefined;
  #refusals = 0;
  #downSince: number | undefined;
  #triedSince: number | undefined;
  #dialedAt = Number.NEGATIVE_INFINITY;
  #unsubscribe: (() => void) | undefined;

  constructor(
    url: Provider<Url>,
    settings: Settings<In, Out>,
    dialer: Dialer,
    { news, outbox, inbox }: Belongings<In>,
  ) {
    this.#url = url;
    this.#settings = settings;
    this.#dialer = dialer;
    this.#news = news;
    this.#outbox = outbox;
    this.#inbox = inbox;
    const { heartbeat, signal } = settings;
    if (heartbeat) {
      this.#heartbeat = new Heartbeat(heartbeat, {
        guard: (name, act) => this.#guard(name, act),
        answered: (rttMs) => news.emit("latency", { rttMs }),
        died: () =>
          this.#end({ code: 1006, reason: "", clean: false, cause: new ConnError("timeout", "The peer is silent.") }),
      });
    }
    this.session = this.#sessionOf(settings);
    signal?.addEventListener("abort", this.aborted);
    dialer.awaits?.(() => this.feed({ type: "reconnect" }));
  }

  get isEnding(): boolean {
    return this.state.name === "closing" || this.state.name === "closed";
  }

  /** What the last dial leaves of the shortest time between two, in milliseconds. */
  get floorMs(): number {
    return this.#dialedAt + FLOOR_MS - performance.now();
  }

  feed(input: Input): void {
    if (this.#inputs.push(input) > 1) return;
    this.#news.hold();
    for (let next: Input | undefined = input; next; next = this.#inputs[0]) {
      const from = this.state.name;
      const [state, effect] = step(this.state, next);
      this.state = state;
      if (from !== state.name) {
        this.#news.emit("state", { from, to: state.name });
        if (next.type === "lost" && from !== "closing") this.#news.emit("lost", next.info);
      }
      if (effect) this.#guard(effect.type, () => this.#perform(effect));
      this.#inputs.shift();
    }
    this.#news.release();
  }

  readonly aborted = (): void => {
    const { signal } = this.#settings;
    if (signal) this.feed({ type: "aborted", error: aborted(signal) });
  };

  /** Holds the peer back, where the platform can, or lets it go on. */
  hold(on: boolean): void {
    if (this.state.name !== "open") return;
    const { socket, line } = this.connection as Connection;
    if (line.hold) return line.hold(on);
    if (!socket.pause || !socket.resume) return;
    if (on) socket.pause();
    else socket.resume();
    this.#heartbeat?.hold(on);
  }

  /** The inbox can take no more, and the Conn ends of it. */
  overflow(why: ConnError): void {
    this.#endBy(INBOX_FULL, why);
  }

  /** Resolves when all that was sent so far is out, and acknowledged where there is a session. */
  async flush(): Promise<void> {
    await this.#outbox.flush();
    await this.session.flush();
  }

  /** What calls reject with from the end on. */
  closedError(payload?: Payload): ConnError {
    const cause = this.#error;
    return cause?.code === "aborted" ? cause : new ConnError("closed", undefined, { payload, cause });
  }

  #perform(effect: Effect): void {
    const { connectTimeoutMs, closeTimeoutMs, stableAfterMs, giveUpAfterMs, lifecycle } = this.#settings;
    switch (effect.type) {
      case "dial": {
        this.#leave(effect.goodbye);
        this.#dialedAt = performance.now();
        this.#unsubscribe ??=
          this.#guard("subscribe", () => lifecycle?.subscribe((signal) => this.#heed(signal))) ?? (() => {});
        const timeoutMs = Math.min(connectTimeoutMs, giveUpAfterMs - elapsed(this.#triedSince));
        const info = { attempt: effect.attempt, last: this.#last, timeoutMs };
        this.#attempt = new Attempting(this.#url, this.#settings, this.#dialer, this.session, this.#owner, info);
        return this.#attempt.start();
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
        return this.#news.emit("waiting", { attempt, delayMs, reason });
      }
      case "serve":
        this.#timer.start(Math.max(stableAfterMs, FLOOR_MS), () => this.#stable(), true);
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
    const { socket, line, protocol, extensions, resumed } = this.connection as Connection;
    this.#heartbeat?.start(socket, line.ping && (() => line.ping?.()));
    const { isPressed } = this.#inbox;
    if (isPressed || line.hold) this.hold(isPressed);
    const { attempt } = this.state as Extract<State, { name: "open" }>;
    const downMs = elapsed(this.#downSince);
    const reconnected = this.opens++ > 0;
    this.#downSince = undefined;
    this.#triedSince = undefined;
    this.#news.emit("open", { protocol, extensions, attempt, reconnected, resumed, downMs });
    this.session.serve();
    this.#outbox.open(line);
  }

  #stable(): void {
    this.#refusals = 0;
    this.feed({ type: "stable" });
  }

  /** Leaves the connection or the attempt, if there is one, and whatever timer runs. */
  #leave(goodbye?: Goodbye): void {
    this.#startClocks();
    this.#timer.stop();
    this.#heartbeat?.stop();
    this.connection = undefined;
    this.#outbox.shut();
    const attempt = this.#attempt;
    this.#attempt = undefined;
    this.#guard("close", () => attempt?.abandon(goodbye?.code, goodbye?.reason));
  }

  #settle({ by, end, clean, error }: Extract<Effect, { type: "settle" }>): void {
    this.#settings.signal?.removeEventListener("abort", this.aborted);
    this.#guard("unsubscribe", () => this.#unsubscribe?.());
    this.#error = error;
    const rest = this.session.end((payload) => this.closedError(payload), by === "peer" && clean, end.code);
    const unsent = [...rest.unsent, ...this.#outbox.end(this.closedError())];
    this.#inbox.end(error ?? this.closedError());
    const info: CloseInfo = { ...end, clean, by, unsent, inDoubt: rest.inDoubt, ...(error && { error }) };
    this.#news.emit("closed", info);
    this.#news.after(() => this.closed.resolve(info));
  }

  /** The clocks of the time without a connection: all of it, and what could be used to try. */
  #startClocks(): void {
    this.#downSince ??= performance.now();
    this.#triedSince ??= performance.now();
  }

  /** The connection, or the attempt, is over unasked. */
  #end(ending: Ending): void {
    const { setup, protocols, headers, lifecycle } = this.#settings;
    const past = {
      state: this.state,
      everOpened: this.opens > 0,
      canRenew: [setup, this.#url, protocols, headers].some((given) => typeof given === "function"),
      refusals: this.#refusals,
      triedMs: elapsed(this.#triedSince),
      isOnline: this.#guard("isOnline", () => lifecycle?.isOnline()) !== false,
      redials: this.#dialer.redials,
    };
    const { info, plan } = judge(ending, past, this.#settings, (name, act) => this.#guard(name, act));
    if (isAuth(ending)) this.#refusals++;
    this.#last = info;
    this.feed({ type: "lost", info, plan });
  }

  /** What the page or the machine says: a doubt about the connection is settled at once, a wait is cut. */
  #heed(signal: LifecycleSignal): void {
    if (signal === "offline") return;
    if (signal === "cached") return this.feed({ type: "pageCached" });
    if (signal === "back") {
      this.#triedSince = undefined;
      return this.feed({ type: "pageBack" });
    }
    const { floorMs } = this;
    if (!this.connection) this.feed({ type: "awake", floorMs });
    else if (!this.#heartbeat?.probe() && signal !== "visible") this.feed({ type: "reconnect", floorMs });
  }

  /** The connection ends by our doing, and with it the Conn, unless the user thinks otherwise. */
  #endBy(code: number, cause: ConnError): void {
    this.#attempt?.abandon(code, "");
    this.#end({ code, reason: "", clean: false, cause });
  }

  #sessionOf({ resume }: Settings<In, Out>): Session {
    if (!resume) return plain;
    return resume({
      untaken: () => ({ messages: this.#inbox.length, bytes: this.#inbox.bytes }),
      ponged: () => this.#heartbeat?.ponged(),
      lost: (report) => this.#news.emit("lost-session", report),
      dropped: (payload, why) => this.#news.emitSoon("dropped", { payload, why, direction: "out" }),
      breached: (why) => this.#endBy(BREACH, new ConnError("session-lost", why)),
      toldToMove: () => this.feed({ type: "toldToMove" }),
      error: (code, message, payload) => new ConnError(code, message, { payload }),
    });
  }

  readonly #owner: AttemptOwner = {
    dialing: (url) => {
      this.dialed = url;
    },
    ready: (connection) => {
      this.connection = connection;
      this.feed({ type: "ready" });
    },
    received: (payload) => {
      if (this.#heartbeat?.takes(payload)) return;
      this.received++;
      this.#inbox.put(payload);
      this.session.took();
    },
    ended: (ending) => this.#end(ending),
    ponged: () => this.#heartbeat?.ponged(),
    dropped: (payload, why) => this.#news.emitSoon("dropped", { payload, why, direction: "in" }),
    failed: (error) => this.#news.emit("error", error),
  };

  /** Runs the user's function; what it throws is told, and answered with undefined. */
  #guard<T>(name: string, act: () => T): T | undefined {
    try {
      return act();
    } catch (cause) {
      this.#news.emit("error", new ConnError("provider", `${name} failed: ${cause}`, { cause }));
      return undefined;
    }
  }
}

/** Milliseconds since `start`, none where it has not come. */
function elapsed(start: number | undefined): number {
  return start === undefined ? 0 : performance.now() - start;
}
