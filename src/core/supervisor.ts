import { NORMAL } from "../base/close-codes.ts";
import { type Deferred, deferred, noop } from "../base/deferred.ts";
import { Emitter } from "../base/emitter.ts";
import { type ConnError, createRefusal, onAbort } from "../base/errors.ts";
import type { Payload } from "../base/payload.ts";
import { Timer } from "../base/timer.ts";
import type { ConnectionEnd } from "../socket/socket.ts";
import { FLOOR_MS } from "./backoff.ts";
import { type ActiveConnection, type AttemptOwner, ConnectAttempt, type ConnectionSource } from "./connect-attempt.ts";
import { ConnectionHistory } from "./connection-history.ts";
import type { CloseInfo, ConnEvents, Waiting } from "./events.ts";
import { type FlowOwner, MessageFlow } from "./message-flow.ts";
import type { ProviderOr, ResolvedOptions, Url } from "./options.ts";
import type { LifecycleSignal } from "./page-lifecycle.ts";
import { decideRetry, describeEnd, isAuth } from "./retry-policy.ts";
import { type CloseFrame, type Effect, type MachineEvent, type State, transition } from "./state-machine.ts";

/**
 * The control of a Conn: performs what `transition()` decides. Handles one event at a time: first the state, then the
 * effect; events that arrive meanwhile are queued; the Conn's own events are emitted last.
 */
export class Supervisor<In, Out> implements AttemptOwner<In, Out>, FlowOwner<In, Out> {
  readonly url: ProviderOr<string, Url>;
  readonly options: ResolvedOptions<In, Out>;
  readonly source: ConnectionSource;
  readonly emitter: Emitter<ConnEvents<In>>;
  readonly history = new ConnectionHistory();
  readonly flow: MessageFlow<In, Out>;
  state: State = { name: "idle" };
  /** The URL last dialed. */
  lastUrl: string;
  /** Pending events; the first is the one in progress. Undefined while idle. */
  #events: MachineEvent[] | undefined;
  /** The timer of the state: the time for an attempt, the wait, the time for closing. */
  readonly #timer = new Timer();
  #attempt: ConnectAttempt<In, Out> | undefined;
  #unsubscribe: (() => void) | undefined;
  /** When the wait ends, in milliseconds of `Date.now()`. */
  #retryAt = 0;
  /** Why the Conn ended, unless it ended well. */
  #error: ConnError | undefined;
  /** Created on first use, because most Conns are never asked for it. */
  #closed: Deferred<CloseInfo> | undefined;
  #closeInfo: CloseInfo | undefined;

  constructor(url: ProviderOr<string, Url>, options: ResolvedOptions<In, Out>, source: ConnectionSource) {
    this.url = url;
    this.lastUrl = typeof url === "function" ? "" : url;
    this.options = options;
    this.source = source;
    this.emitter = new Emitter(source);
    this.flow = new MessageFlow(this);
    source.onConnection?.(() => this.dispatch({ type: "reconnect" }));
  }

  /** Whether this Conn is a server's: it accepts connections and does not dial. */
  get isServer(): boolean {
    return this.source.retryReason !== "backoff";
  }

  get isEnding(): boolean {
    return this.state.name === "closing" || this.state.name === "closed";
  }

  get closed(): Promise<CloseInfo> {
    this.#closed ??= deferred();
    if (this.#closeInfo) this.#closed.resolve(this.#closeInfo);
    return this.#closed.promise;
  }

  /** Starts in a microtask, so that the caller can add listeners first. */
  start(): void {
    const { signal, autoConnect } = this.options;
    queueMicrotask(() => {
      if (signal) onAbort(signal, this.closed, (error) => this.dispatch({ type: "aborted", error }));
      if (autoConnect) this.dispatch({ type: "connect" });
    });
  }

  /** Handles `event`, or queues it while another one is handled. */
  dispatch(event: MachineEvent): void {
    if (this.#events) {
      this.#events.push(event);
      return;
    }
    // For `disconnected` onEnd() has called it already, because the decision about a retry depends on it.
    if (event.type !== "disconnected") this.#markStable();
    const events = [event];
    this.#events = events;
    this.emitter.pause();
    for (let next: MachineEvent | undefined = event; next; next = events[0]) {
      const from = this.state.name;
      const [state, effect] = transition(this.state, next, this.isServer ? 0 : this.history.floorMs);
      this.state = state;
      if (from !== state.name) {
        this.emitter.emit("state", { from, to: state.name });
        if (next.type === "disconnected" && from !== "closing") this.emitter.emit("disconnected", next.info);
      }
      if (effect) this.flow.guard(effect.type, () => this.#perform(effect));
      events.shift();
    }
    this.#events = undefined;
    this.emitter.flush();
  }

  /** The wait before the next dial, and until when; null while the Conn does not wait. */
  get waiting(): Waiting | null {
    const { state } = this;
    if (state.name !== "waiting") return null;
    return { attempt: state.attempt, retryAt: this.#retryAt, reason: state.reason };
  }

  /** Returns the error with which calls reject once the Conn has ended. */
  closedError(payload?: Payload): ConnError {
    const cause = this.#error;
    if (cause?.code === "aborted") return cause;
    const message = cause && `The Conn is closed. ${cause.message} Make a new Conn to connect again.`;
    return createRefusal("closed", { payload, cause }, message);
  }

  // Callbacks of the attempt and of the flow.

  onDial(url: string): void {
    this.lastUrl = url;
  }

  onReady(connection: ActiveConnection): void {
    this.#attempt = undefined;
    this.flow.connection = connection;
    this.dispatch({ type: "ready" });
  }

  onEnd(end: ConnectionEnd, frame?: CloseFrame): void {
    this.#markStable();
    const { state, url, options, history, source } = this;
    const { setup, protocols, headers, lifecycle } = options;
    const guard = <T>(name: string, act: () => T) => this.flow.guard(name, act);
    const context = {
      state,
      everOpened: history.opens > 0,
      canRenew: [setup, url, protocols, headers].some((given) => typeof given === "function"),
      refusals: history.refusals,
      triedMs: history.triedMs,
      isOnline: guard("isOnline", () => lifecycle.isOnline()) !== false,
      retryReason: source.retryReason,
      retryDelayMs: source.retryDelayMs?.(end),
    };
    const plan = decideRetry(end, context, options, guard);
    const info = describeEnd(end, state, plan.retry);
    if (isAuth(end)) history.refusals++;
    history.onEnd(info, this.#attempt?.hasDialed !== false);
    this.dispatch({ type: "disconnected", info, plan, frame });
  }

  onMoveRequested(): void {
    this.dispatch({ type: "moveRequested" });
  }

  #perform(effect: Effect): void {
    const { flow, history, options } = this;
    switch (effect.type) {
      case "dial":
        this.#teardown(effect.frame);
        return this.#dial(effect.attempt);
      case "wait":
        this.#teardown(effect.frame);
        return this.#wait(effect.delayMs);
      case "activate": {
        const connection = flow.connection as ActiveConnection;
        const { attempt } = this.state as Extract<State, { name: "open" }>;
        const { protocol, extensions, resumed, session = false, hasReceived } = connection;
        const { downMs, opens, refusals } = history;
        this.#timer.stop();
        history.onOpen();
        this.emitter.emit("open", { protocol, extensions, attempt, reconnected: opens > 0, resumed, session, downMs });
        return flow.attach(connection, refusals > 0 && !hasReceived ? options.holdAfterRefusalMs : 0);
      }
      case "flush":
        this.#timer.start(options.closeTimeoutMs, () => this.dispatch({ type: "timedOut" }));
        flow.flushToClose().then(() => this.dispatch({ type: "flushed" }), noop);
        return;
      case "sendClose":
        flow.session.beforeClose(effect.frame.code);
        return flow.connection?.socket.close(effect.frame.code, effect.frame.reason);
      case "finish": {
        // Not clean in setup, because the socket is left at once and the peer's close frame is not awaited.
        const clean = effect.clean && !(effect.frame && this.#attempt?.isOpen);
        if (effect.frame?.code === NORMAL && flow.connection) flow.session.beforeClose(NORMAL);
        this.#teardown(effect.frame);
        return this.#finish({ ...effect, clean });
      }
    }
  }

  #dial(number: number): void {
    const { connectTimeoutMs, giveUpAfterMs, lifecycle } = this.options;
    this.history.onDial();
    this.#unsubscribe ??=
      this.flow.guard("subscribe", () => lifecycle.subscribe((signal) => this.#onLifecycle(signal))) ?? noop;
    const attempt = new ConnectAttempt(this, number);
    this.#attempt = attempt;
    const timeoutMs = Math.min(connectTimeoutMs, giveUpAfterMs - this.history.triedMs);
    this.#timer.start(timeoutMs, () => attempt.onTimeout(timeoutMs));
    attempt.run();
  }

  #wait(delayMs: number): void {
    if (this.state.name !== "waiting") return;
    const { attempt, reason } = this.state;
    const isBackground = reason === "peer";
    this.#retryAt = Date.now() + delayMs;
    if (delayMs < Number.POSITIVE_INFINITY) {
      this.#timer.start(delayMs, () => this.dispatch({ type: "delayElapsed" }), isBackground);
    }
    this.emitter.emit("waiting", { attempt, delayMs, reason });
  }

  /** Marks a connection stable once it has lasted `stableAfterMs`. Evaluated lazily, so that no timer is needed. */
  #markStable(): void {
    const { state, history, options } = this;
    if (state.name !== "open" || state.isStable || history.openMs < Math.max(options.stableAfterMs, FLOOR_MS)) return;
    [this.state] = transition(state, { type: "stable" });
    history.refusals = 0;
  }

  /** Leaves the connection or the attempt, if there is one, and stops the timer of the state. */
  #teardown(frame: CloseFrame | undefined): void {
    const { flow } = this;
    const attempt = this.#attempt;
    const { connection } = flow;
    this.#attempt = undefined;
    this.history.onDisconnected();
    this.#timer.stop();
    flow.detach();
    connection?.controller?.abort();
    flow.guard("close", () => {
      attempt?.abandon(frame);
      connection?.socket.abandon(frame?.code, frame?.reason);
    });
    if (attempt || connection) flow.session.onDisconnected();
  }

  #finish({ by, end, clean, error }: Extract<Effect, { type: "finish" }>): void {
    this.flow.guard("unsubscribe", () => this.#unsubscribe?.());
    this.#error = error;
    const closedError = (payload?: Payload) => this.closedError(payload);
    const { unsent, inDoubt } = this.flow.end(closedError, error ?? closedError(), by === "peer" && clean, end.code);
    const info: CloseInfo = { ...end, clean, by, unsent, inDoubt, ...(error && { error }) };
    this.emitter.emit("closed", info);
    this.emitter.enqueue(() => {
      this.emitter.releaseSignals();
      this.#closeInfo = info;
      this.#closed?.resolve(info);
    });
  }

  /** Handles a signal of the page or the machine: pings a connection that may be dead, or ends a wait. */
  #onLifecycle(signal: LifecycleSignal): void {
    if (signal === "offline") return;
    if (signal === "suspend") return this.dispatch({ type: "suspended" });
    if (signal === "restore") {
      this.history.onRestored();
      return this.dispatch({ type: "restored" });
    }
    if (signal === "unload") return this.dispatch({ type: "unloaded" });
    if (!this.flow.connection) this.dispatch({ type: "wakeUp" });
    else if (!this.flow.probe() && signal !== "visible") this.dispatch({ type: "reconnect" });
  }
}
