import { type Deferred, deferred, noop } from "../base/deferred.ts";
import { ConnError, onAbort } from "../base/errors.ts";
import type { Payload } from "../base/payload.ts";
import { Timer } from "../base/timer.ts";
import type { ConnectionEnd } from "../socket/socket.ts";
import { FLOOR_MS } from "./backoff.ts";
import { type ActiveConnection, ConnectAttempt } from "./connect-attempt.ts";
import type { CloseInfo } from "./events.ts";
import { MessageFlow } from "./message-flow.ts";
import type { LifecycleSignal } from "./page-lifecycle.ts";
import { decideRetry, isAuth } from "./retry-policy.ts";
import { type CloseFrame, type Effect, type MachineEvent, type State, transition } from "./state-machine.ts";

/**
 * Performs what `step` decides. An input is worked off whole: state first, then its effect, and what comes meanwhile
 * queues; then it is told.
 */
export class Supervisor<In, Out> extends MessageFlow<In, Out> {
  /** What came while something is being performed, which is first; there only then. */
  #events: MachineEvent[] | undefined;
  /** The timer of the state: the time for an attempt, the wait, the time for closing. */
  readonly #timer = new Timer();
  #attempt: ConnectAttempt<In, Out> | undefined;
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
  start(): void {
    const { signal, autoConnect } = this.options;
    queueMicrotask(() => {
      if (signal) onAbort(signal, this.closed, (error) => this.dispatch({ type: "aborted", error }));
      if (autoConnect) this.dispatch({ type: "connect" });
    });
  }

  dispatch(input: MachineEvent): void {
    if (this.#events) {
      this.#events.push(input);
      return;
    }
    // Of an ending it is known already: it was judged by it.
    if (input.type !== "disconnected") this.#markStable();
    const inputs = [input];
    this.#events = inputs;
    this.emitter.pause();
    for (let next: MachineEvent | undefined = input; next; next = inputs[0]) {
      const from = this.state.name;
      const [state, effect] = transition(this.state, next);
      this.state = state;
      if (from !== state.name) {
        this.emitter.emit("state", { from, to: state.name });
        if (next.type === "disconnected" && from !== "closing") this.emitter.emit("disconnected", next.info);
      }
      if (effect) this.guard(effect.type, () => this.#perform(effect));
      inputs.shift();
    }
    this.#events = undefined;
    this.emitter.flush();
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

  onReady(connection: ActiveConnection): void {
    this.connection = connection;
    this.dispatch({ type: "ready" });
  }

  onEnd(ending: ConnectionEnd): void {
    this.#markStable();
    const { url, options, history } = this;
    const { setup, protocols, headers, lifecycle } = options;
    const past = {
      state: this.state,
      everOpened: history.opens > 0,
      canRenew: [setup, url, protocols, headers].some((given) => typeof given === "function"),
      refusals: history.refusals,
      triedMs: history.triedMs,
      isOnline: this.guard("isOnline", () => lifecycle?.isOnline()) !== false,
      retryReason: this.source.retryReason,
    };
    const { info, plan } = decideRetry(ending, past, options, (name, act) => this.guard(name, act));
    if (isAuth(ending)) history.refusals++;
    history.previous = info;
    this.dispatch({ type: "disconnected", info, plan });
  }

  #perform(effect: Effect): void {
    const { connectTimeoutMs, closeTimeoutMs, giveUpAfterMs, lifecycle } = this.options;
    switch (effect.type) {
      case "dial": {
        this.#teardown(effect.frame);
        this.history.onDial();
        this.#unsubscribe ??=
          this.guard("subscribe", () => lifecycle?.subscribe((signal) => this.#onLifecycle(signal))) ?? noop;
        const attempt = new ConnectAttempt(this, effect.attempt);
        this.#attempt = attempt;
        const timeoutMs = Math.min(connectTimeoutMs, giveUpAfterMs - this.history.triedMs);
        this.#timer.start(timeoutMs, () => attempt.onTimeout(timeoutMs));
        return attempt.start();
      }
      case "wait": {
        const { delayMs } = effect;
        this.#teardown(effect.frame);
        if (this.state.name !== "waiting") return;
        const { attempt, reason } = this.state;
        const isBackground = reason === "peer";
        if (delayMs < Number.POSITIVE_INFINITY) {
          this.#timer.start(delayMs, () => this.dispatch({ type: "delayElapsed" }), isBackground);
        }
        return this.emitter.emit("waiting", { attempt, delayMs, reason });
      }
      case "activate":
        this.#timer.stop();
        return this.#activate();
      case "flush":
        this.heartbeat?.stop();
        this.#timer.start(closeTimeoutMs, () => this.dispatch({ type: "timedOut" }));
        // The peer's frame would wait behind closed ears.
        this.connection?.socket.resume?.();
        this.connection?.transport.setPaused?.(false);
        this.flush().then(() => this.dispatch({ type: "flushed" }), noop);
        return;
      case "sendClose":
        this.session.beforeClose(effect.frame.code);
        return this.connection?.socket.close(effect.frame.code, effect.frame.reason);
      case "finish": {
        // Whoever is left in setup with a frame has no time to answer it.
        const clean = effect.clean && !(effect.frame && this.#attempt?.isOpen);
        this.#teardown(effect.frame);
        return this.#finish({ ...effect, clean });
      }
    }
  }

  #activate(): void {
    const { history, inbox } = this;
    const { socket, transport, protocol, extensions, resumed } = this.connection as ActiveConnection;
    const { attempt } = this.state as Extract<State, { name: "open" }>;
    const { downMs } = history;
    const reconnected = history.opens > 0;
    history.onOpen();
    this.heartbeat?.start(socket, transport);
    if (inbox.isUnderPressure || transport.setPaused) this.onPressure(inbox.isUnderPressure);
    this.emitter.emit("open", { protocol, extensions, attempt, reconnected, resumed, downMs });
    this.session.activate();
    this.outbox.attach(transport);
  }

  /** A connection that has lasted is stable. Nobody needs to know before something comes of it. */
  #markStable(): void {
    const { state, history, options } = this;
    if (state.name !== "open" || state.isStable || history.openMs < Math.max(options.stableAfterMs, FLOOR_MS)) return;
    [this.state] = transition(state, { type: "stable" });
    history.refusals = 0;
  }

  /** Leaves the connection or the attempt, if there is one, and whatever timer runs. */
  #teardown(frame?: CloseFrame): void {
    this.history.onDisconnected();
    this.#timer.stop();
    this.heartbeat?.stop();
    this.connection = undefined;
    this.outbox.detach();
    const attempt = this.#attempt;
    this.#attempt = undefined;
    this.guard("close", () => attempt?.abandon(frame?.code, frame?.reason));
  }

  #finish({ by, end, clean, error }: Extract<Effect, { type: "finish" }>): void {
    this.guard("unsubscribe", () => this.#unsubscribe?.());
    this.#error = error;
    const rest = this.session.dispose((payload) => this.closedError(payload), by === "peer" && clean, end.code);
    const unsent = [...rest.unsent, ...this.outbox.end(this.closedError())];
    this.inbox.end(error ?? this.closedError());
    const info: CloseInfo = { ...end, clean, by, unsent, inDoubt: rest.inDoubt, ...(error && { error }) };
    this.emitter.emit("closed", info);
    this.emitter.enqueue(() => {
      this.emitter.releaseSignals();
      this.#closeInfo = info;
      this.#closed?.resolve(info);
    });
  }

  /** What the page or the machine says: a doubt about the connection is settled at once, a wait is cut. */
  #onLifecycle(signal: LifecycleSignal): void {
    if (signal === "offline") return;
    if (signal === "suspend") return this.dispatch({ type: "suspended" });
    if (signal === "restore") {
      this.history.onRestored();
      return this.dispatch({ type: "restored" });
    }
    const { floorMs } = this.history;
    if (!this.connection) this.dispatch({ type: "wakeUp", floorMs });
    else if (!this.heartbeat?.probe() && signal !== "visible") this.dispatch({ type: "reconnect", floorMs });
  }

  protected override failConnection(code: number, cause: ConnError): void {
    this.#attempt?.abandon(code, "");
    this.onEnd({ code, reason: "", clean: false, cause });
  }
}
