import { Attempting, type Connection } from "./attempt.ts";
import { FLOOR_MS } from "./backoff.ts";
import { Body } from "./body.ts";
import { ConnError, onAbort } from "./errors.ts";
import type { CloseInfo } from "./events.ts";
import type { LifecycleSignal } from "./lifecycle.ts";
import type { Payload } from "./payload.ts";
import { judge } from "./plan.ts";
import { type Deferred, deferred, nothing } from "./promise.ts";
import { type Effect, type Goodbye, type Input, type State, step } from "./state.ts";
import { Timer } from "./timer.ts";
import { type Ending, isAuth } from "./verdict.ts";

/**
 * Performs what `step` decides. An input is worked off whole: state first, then its effect, and what comes meanwhile
 * queues; then it is told.
 */
export class Life<In, Out> extends Body<In, Out> {
  /** What came while something is being performed, which is first; there only then. */
  #inputs: Input[] | undefined;
  /** The timer of the state: the time for an attempt, the wait, the time for closing. */
  readonly #timer = new Timer();
  #attempt: Attempting<In, Out> | undefined;
  #unsubscribe: (() => void) | undefined;
  /** Why the Conn ended, unless it ended well. */
  #error: ConnError | undefined;
  /** Made for the first who asks. */
  #closed: Deferred<CloseInfo> | undefined;
  #closeInfo: CloseInfo | undefined;

  get isEnding(): boolean {
    return this.state.name === "closing" || this.state.name === "closed";
  }

  get closed(): Promise<CloseInfo> {
    this.#closed ??= deferred();
    if (this.#closeInfo) this.#closed.resolve(this.#closeInfo);
    return this.#closed.promise;
  }

  /** What happens first happens a moment after the Conn was made, so that its maker can listen. */
  begin(): void {
    const { signal, autoConnect } = this.settings;
    queueMicrotask(() => {
      if (signal) onAbort(signal, this.closed, (error) => this.feed({ type: "aborted", error }));
      if (autoConnect) this.feed({ type: "connect" });
    });
  }

  feed(input: Input): void {
    if (this.#inputs) {
      this.#inputs.push(input);
      return;
    }
    // Of an ending it is known already: it was judged by it.
    if (input.type !== "lost") this.#ripen();
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

  ready(connection: Connection): void {
    this.connection = connection;
    this.feed({ type: "ready" });
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
        this.heartbeat?.stop();
        this.#timer.start(closeTimeoutMs, () => this.feed({ type: "timedOut" }));
        // The peer's goodbye would wait behind closed ears.
        this.connection?.socket.resume?.();
        this.connection?.line.hold?.(false);
        this.flush().then(() => this.feed({ type: "flushed" }), nothing);
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
    const { attempt } = this.state as Extract<State, { name: "open" }>;
    const { downMs } = trials;
    const reconnected = trials.opens > 0;
    trials.opened();
    this.heartbeat?.start(socket, line);
    if (inbox.isPressed || line.hold) this.pressed(inbox.isPressed);
    this.news.emit("open", { protocol, extensions, attempt, reconnected, resumed, downMs });
    this.session.serve();
    this.outbox.open(line);
  }

  /** A connection that has lasted is stable. Nobody needs to know before something comes of it. */
  #ripen(): void {
    const { state, trials, settings } = this;
    if (state.name !== "open" || state.isStable || trials.openMs < Math.max(settings.stableAfterMs, FLOOR_MS)) return;
    [this.state] = step(state, { type: "stable" });
    trials.refusals = 0;
  }

  /** Leaves the connection or the attempt, if there is one, and whatever timer runs. */
  #leave(goodbye?: Goodbye): void {
    this.trials.left();
    this.#timer.stop();
    this.heartbeat?.stop();
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
    else if (!this.heartbeat?.probe() && signal !== "visible") this.feed({ type: "reconnect", floorMs });
  }

  protected override endBy(code: number, cause: ConnError): void {
    this.#attempt?.abandon(code, "");
    this.ended({ code, reason: "", clean: false, cause });
  }
}
