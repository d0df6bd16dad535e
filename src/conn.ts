import { Attempting, type AttemptOwner, type Connection, checkedPayload, type Dialer } from "./attempt.ts";
import { type CodecPair, iterate, marshal, type ReceiveOptions, toText, unmarshal } from "./codec.ts";
import { Emitter, type ListenOptions } from "./emitter.ts";
import { aborted, ConnError } from "./errors.ts";
import type { CloseInfo, ConnEvents, Stats } from "./events.ts";
import { Heartbeat } from "./heartbeat.ts";
import { Inbox } from "./inbox.ts";
import type { LifecycleSignal } from "./lifecycle.ts";
import {
  type ConnOptions,
  checkCode,
  checkSend,
  cutReason,
  type Provider,
  parseUrl,
  type Settings,
  settle,
  type Url,
} from "./options.ts";
import { Outbox } from "./outbox.ts";
import { isPayload, type Payload, type SendOptions } from "./payload.ts";
import { FLOOR_MS, judge } from "./plan.ts";
import { deferred, onAbort } from "./promise.ts";
import { plain } from "./session.ts";
import type { Socket } from "./socket.ts";
import { openSocket, requireSupport } from "./socket-node.ts";
import { type Effect, type Goodbye, type Input, type State, type StateName, step } from "./state.ts";
import { Timer } from "./timer.ts";
import { type Ending, isAuth, type LostInfo } from "./verdict.ts";

/** Ends the Conn when its inbox overflows: a browser can't hold the peer back. */
const INBOX_FULL = 4413;
const IDLE: State = { name: "idle" };

/** The key of an internal option: where connections come from. */
export const DIALER: unique symbol = Symbol("dialer");

/**
 * A connection that outlives its sockets. Only `close()`, a final verdict or an aborted signal ends it; until then it
 * connects again whenever the connection under it ends, and what is sent meanwhile waits.
 */
export class Conn<In = Payload, Out = In> {
  readonly #url: Provider<Url>;
  readonly #settings: Settings<In, Out>;
  readonly #dialer: Dialer;
  readonly #emitter = new Emitter<ConnEvents<In>>();
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  readonly #heartbeat: Heartbeat | undefined;
  readonly #closed = deferred<CloseInfo>();
  /** The timer of the state: the wait, the time until stable, the time for closing. */
  readonly #timer = new Timer();
  readonly #inputs: Input[] = [];
  readonly #news: (() => void)[] = [];
  #isTelling = false;
  #state = IDLE;
  #attempt: Attempting<In, Out> | undefined;
  #connection: Connection | undefined;
  #last: LostInfo | undefined;
  /** Why the Conn ended, unless it ended well. */
  #error: ConnError | undefined;
  #dialed = "";
  #refusals = 0;
  #opens = 0;
  #received = 0;
  #downSince: number | undefined;
  #pingedAt = 0;
  #dialedAt = 0;
  #unsubscribe: (() => void) | undefined;

  /** How `write()` frames bytes: as text only if they are valid UTF-8. Default `"binary"`. */
  payloadType: "text" | "binary" = "binary";

  /** `close()`, for `await using`, where the runtime knows the symbol. */
  declare readonly [Symbol.asyncDispose]: () => Promise<void>;

  static {
    if (Symbol.asyncDispose) {
      Object.defineProperty(Conn.prototype, Symbol.asyncDispose, {
        value(this: Conn) {
          return this.close().then(() => {});
        },
      });
    }
  }

  /** @throws {@link ConnError} `bad-url`, `bad-option`, `unsupported` */
  constructor(url: Provider<Url>, options: ConnOptions<In, Out> = {}) {
    this.#url = url;
    this.#settings = settle(options);
    this.#dialer = (options as { [DIALER]?: Dialer })[DIALER] ?? { open: openSocket, redials: true };
    if (typeof url !== "function") this.#dialed = parseUrl(url);
    requireSupport(this.#settings);
    const { outbox, inbox, heartbeat, autoConnect, signal } = this.#settings;
    this.#outbox = new Outbox(outbox, {
      dropped: (payload, why) => this.#drop(payload, why, "out"),
      drained: () => this.#emit("drained", undefined),
    });
    this.#inbox = new Inbox(inbox, {
      listens: () => this.#emitter.hears("message"),
      deliver: (payload) => this.#deliver(payload),
      pressed: (on) => this.#hold(on),
      dropped: (payload, why) => this.#drop(payload, why, "in"),
      overflowed: (why) => {
        this.#attempt?.abandon(INBOX_FULL, "");
        this.#end({ code: INBOX_FULL, reason: "", clean: false, cause: why });
      },
    });
    if (heartbeat) {
      this.#heartbeat = new Heartbeat(heartbeat, {
        ping: () => this.#ping(),
        pong: () => this.#connection?.socket.pong?.(),
        progress: () => this.#connection?.socket.progress() ?? 0,
        isDeaf: () => this.#inbox.isPressed && this.#connection?.socket.pause !== undefined,
        died: () =>
          this.#end({ code: 1006, reason: "", clean: false, cause: new ConnError("timeout", "The peer is silent.") }),
      });
    }
    signal?.addEventListener("abort", this.#aborted);
    queueMicrotask(() => {
      if (signal?.aborted) this.#aborted();
      else if (autoConnect) this.#feed({ type: "connect" });
    });
  }

  get state(): StateName {
    return this.#state.name;
  }

  /** The URL last dialed, or to be dialed; `""` until a provider has given one. It may hold a token: mind your logs. */
  get url(): string {
    return this.#dialed;
  }

  /** The subprotocol of the connection, `""` for none. */
  get protocol(): string {
    return this.#connection?.protocol ?? "";
  }

  /** The extensions of the connection, `""` for none. */
  get extensions(): string {
    return this.#connection?.extensions ?? "";
  }

  /** Bytes of the longest message accepted. */
  get maxPayloadBytes(): number {
    return this.#settings.maxPayloadBytes;
  }

  get stats(): Stats {
    return {
      sent: this.#outbox.written,
      received: this.#received,
      discarded: this.#inbox.discarded,
      opens: this.#opens,
      outbox: { messages: this.#outbox.length, bytes: this.#outbox.bytes },
      inbox: { messages: this.#inbox.length, bytes: this.#inbox.bytes },
      bufferedAmount: this.#connection?.socket.bufferedAmount ?? 0,
    };
  }

  /** Starts an idle Conn, or cuts a wait short. Does nothing while connecting, open or closing. @throws `closed` */
  connect(): void {
    if (this.#state.name === "closed") throw this.#closedError();
    this.#feed({ type: "connect" });
  }

  /** Leaves the connection, the attempt or the wait, and dials now. @throws `closed`; on a server `misuse` */
  reconnect(): void {
    if (this.#state.name === "closed") throw this.#closedError();
    if (!this.#dialer.redials) throw new ConnError("misuse", "A server is dialed and can't dial.");
    this.#feed({ type: "reconnect" });
  }

  /** Resolves when the Conn is open, now or next, and starts an idle one. Rejects with `closed` or `aborted`. */
  ready({ signal }: ReceiveOptions = {}): Promise<void> {
    const { promise, resolve, reject } = deferred<void>();
    const look = () => {
      if (this.#state.name === "open") resolve();
      else if (this.#isEnding()) reject(this.#closedError());
    };
    const off = this.#emitter.on("state", look);
    promise.then(off, off);
    onAbort(signal, promise, () => reject(aborted(signal as AbortSignal)));
    look();
    if (this.#state.name === "idle" && !signal?.aborted) this.connect();
    return promise;
  }

  /**
   * Sends `value`. Resolves when the connection has taken it and buffers less than `outbox.highWaterMark`; rejects, and
   * tells as `dropped`, when it will not be sent. An ignored rejection is never unhandled.
   *
   * @throws {@link ConnError} `marshal`, `too-large`, `closed`, `bad-option` at once
   */
  send(value: Out, options?: SendOptions & { readonly codec?: CodecPair<never, Out> | undefined }): Promise<void> {
    return this.#put(marshal(options?.codec ?? this.#settings.codec, value), options);
  }

  /** Sends `payload` as it is, past the codec: bytes as {@link payloadType} says. Settles and throws as `send()`. */
  write(payload: Payload, options?: SendOptions): Promise<void> {
    if (!isPayload(payload)) throw new ConnError("marshal", "write() takes a string or a Uint8Array.");
    if (this.payloadType === "binary" || typeof payload === "string") return this.#put(payload, options);
    return this.#put(marshal({ marshal: toText }, payload), options);
  }

  /**
   * Resolves when all sent so far has left, or the connection that took it has ended; at once when nothing is pending.
   * Rejects with `closed` when the Conn ends before, and with `aborted`.
   */
  flush({ signal }: ReceiveOptions = {}): Promise<void> {
    const { promise, resolve, reject } = deferred<void>();
    this.#outbox.flush().then(resolve, reject);
    onAbort(signal, promise, () => reject(aborted(signal as AbortSignal)));
    return promise;
  }

  /**
   * The next message. Rejects with `unmarshal` if it can't be decoded (the one after it is next then), with `closed` when
   * there will be none, with `misuse` while a `message` listener is attached.
   */
  receive<T = In>(options: ReceiveOptions & { readonly codec?: CodecPair<T, never> | undefined } = {}): Promise<T> {
    const codec = options.codec ?? (this.#settings.codec as unknown as CodecPair<T, never>);
    return this.#inbox.take((payload) => this.#decode(codec, payload), options.signal);
  }

  /** The next message as it came, past the codec. Rejects as `receive()`. */
  read({ signal }: ReceiveOptions = {}): Promise<Payload> {
    return this.#inbox.take((payload) => payload, signal);
  }

  /**
   * Every message from here on, skipping what can't be decoded. Reconnections are invisible to it; it ends when the Conn
   * ends well and throws its error otherwise. Leaving the loop does not close the Conn.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<In> {
    return iterate((signal) => this.receive({ signal }), this.closed);
  }

  /**
   * Calls `listener` on every `event` and returns the undo. While a `message` listener is attached it gets everything,
   * also what came before it. What a listener throws is reported as uncaught, and disturbs nobody else.
   */
  on<Name extends keyof ConnEvents<In>>(
    event: Name,
    listener: (payload: ConnEvents<In>[Name]) => void,
    options?: ListenOptions,
  ): () => void {
    const off = this.#emitter.on(event, listener, options);
    if (event === "message" && this.#emitter.hears(event)) this.#inbox.listened();
    return off;
  }

  /**
   * Ends the Conn: sends what waits, says goodbye and waits for the answer, all within `closeTimeoutMs` or until `signal`
   * is aborted; then leaves. Never rejects. Further calls give the same promise.
   *
   * @throws {@link ConnError} `bad-option` for a code that may not be sent
   */
  close(code = 1000, reason = "", { signal }: ReceiveOptions = {}): Promise<CloseInfo> {
    checkCode(code, !this.#dialer.redials);
    this.#feed({ type: "close", goodbye: { code, reason: cutReason(reason) } });
    onAbort(signal, this.closed, () => this.#feed({ type: "timedOut" }));
    return this.closed;
  }

  /** Resolves when the Conn has ended, with how. Never rejects. */
  get closed(): Promise<CloseInfo> {
    return this.#closed.promise;
  }

  #put(payload: Payload, options?: SendOptions): Promise<void> {
    if (this.#isEnding()) throw this.#closedError(payload);
    checkedPayload(payload, this.#settings.maxSendBytes);
    if (options) checkSend(options);
    return this.#outbox.send(payload, options);
  }

  // The life: an input is worked off whole, state first, then effects; what comes meanwhile queues. Then it is told.

  #feed(input: Input): void {
    if (this.#inputs.push(input) > 1) return;
    for (let next: Input | undefined = input; next; next = this.#inputs[0]) {
      const from = this.#state.name;
      const [state, effect] = step(this.#state, next);
      this.#state = state;
      if (from !== state.name) {
        this.#emit("state", { from, to: state.name });
        if (next.type === "lost" && from !== "closing") this.#emit("lost", next.info);
      }
      if (effect) this.#perform(effect);
      this.#inputs.shift();
    }
    this.#tell();
  }

  #perform(effect: Effect): void {
    const { connectTimeoutMs, closeTimeoutMs, stableAfterMs, giveUpAfterMs, lifecycle } = this.#settings;
    switch (effect.type) {
      case "dial": {
        this.#leave(effect.goodbye);
        this.#dialedAt = performance.now();
        this.#unsubscribe ??= lifecycle?.subscribe((signal) => this.#heed(signal));
        const timeoutMs = Math.min(connectTimeoutMs, giveUpAfterMs - this.#downMs());
        const info = { attempt: effect.attempt, last: this.#last, timeoutMs };
        this.#attempt = new Attempting(this.#url, this.#settings, this.#dialer, this.#owner, info);
        return this.#attempt.start();
      }
      case "wait": {
        const { delayMs } = effect;
        this.#leave(effect.goodbye);
        this.#timer.start(delayMs, () => this.#feed({ type: "elapsed" }));
        if (this.#state.name !== "waiting") return;
        const { attempt, reason } = this.#state;
        return this.#emit("waiting", { attempt, delayMs, reason });
      }
      case "serve":
        this.#timer.start(stableAfterMs, () => this.#stable(), true);
        return this.#serve();
      case "flush":
        this.#heartbeat?.stop();
        this.#timer.start(closeTimeoutMs, () => this.#feed({ type: "timedOut" }));
        // The peer's goodbye would wait behind closed ears.
        this.#connection?.socket.resume?.();
        this.#outbox.flush().then(
          () => this.#feed({ type: "flushed" }),
          () => {},
        );
        return;
      case "sayGoodbye":
        return this.#connection?.socket.close(effect.goodbye.code, effect.goodbye.reason);
      case "settle":
        this.#leave(effect.goodbye);
        return this.#settle(effect);
    }
  }

  #serve(): void {
    const { socket, line, protocol, extensions, resumed } = this.#connection as Connection;
    if (this.#canAsk(socket)) this.#heartbeat?.start();
    if (this.#inbox.isPressed) socket.pause?.();
    const { attempt } = this.#state as Extract<State, { name: "open" }>;
    const downMs = this.#downMs();
    const reconnected = this.#opens++ > 0;
    this.#downSince = undefined;
    this.#emit("open", { protocol, extensions, attempt, reconnected, resumed, downMs });
    this.#outbox.open(line);
  }

  #stable(): void {
    this.#refusals = 0;
    this.#feed({ type: "stable" });
  }

  /** Leaves the connection or the attempt, if there is one, and whatever timer runs. */
  #leave(goodbye?: Goodbye): void {
    // The clock of the time without a connection starts here at the latest.
    this.#downMs();
    this.#timer.stop();
    this.#heartbeat?.stop();
    this.#connection = undefined;
    this.#outbox.shut();
    this.#attempt?.abandon(goodbye?.code, goodbye?.reason);
    this.#attempt = undefined;
  }

  #settle({ by, end, clean, error }: Extract<Effect, { type: "settle" }>): void {
    this.#settings.signal?.removeEventListener("abort", this.#aborted);
    this.#unsubscribe?.();
    this.#error = error;
    const unsent = this.#outbox.end(this.#closedError());
    this.#inbox.end(error ?? this.#closedError());
    const info: CloseInfo = { ...end, clean, by, unsent, inDoubt: [], ...(error && { error }) };
    this.#emit("closed", info);
    this.#news.push(() => this.#closed.resolve(info));
  }

  /** Milliseconds since the Conn was last usable, or began to try. */
  #downMs(): number {
    const now = performance.now();
    this.#downSince ??= now;
    return now - this.#downSince;
  }

  // What the connection tells.

  /** The connection, or the attempt, is over unasked. */
  #end(ending: Ending): void {
    const { setup, protocols, headers, lifecycle } = this.#settings;
    const past = {
      state: this.#state,
      everOpened: this.#opens > 0,
      canRenew: [setup, this.#url, protocols, headers].some((given) => typeof given === "function"),
      refusals: this.#refusals,
      downMs: this.#downMs(),
      isOnline: !lifecycle || lifecycle.isOnline(),
      redials: this.#dialer.redials,
    };
    const { info, plan } = judge(ending, past, this.#settings, (name, act) => this.#guard(name, act));
    if (isAuth(ending)) this.#refusals++;
    this.#last = info;
    this.#feed({ type: "lost", info, plan });
  }

  #receive(payload: Payload): void {
    const isPong = this.#settings.heartbeat?.isPong;
    if (isPong && this.#guard("isPong", () => isPong(payload))) return this.#ponged();
    this.#received++;
    this.#inbox.put(payload);
  }

  #deliver(payload: Payload): void {
    let value: In;
    try {
      value = this.#decode(this.#settings.codec, payload);
    } catch {
      return;
    }
    this.#emit("message", value);
  }

  #decode<T>(codec: CodecPair<T, never>, payload: Payload): T {
    try {
      return unmarshal(codec, payload);
    } catch (error) {
      this.#emit("error", error as ConnError);
      throw error;
    }
  }

  /** Holds the peer back, where the platform can, or lets it go on. */
  #hold(on: boolean): void {
    if (this.#state.name !== "open") return;
    const { socket } = this.#connection as Connection;
    if (on) return socket.pause?.();
    socket.resume?.();
    // Silence was our own doing: it is judged from a fresh ping on.
    if (socket.pause) this.#heartbeat?.probe();
  }

  #ping(): void {
    const { socket } = this.#connection as Connection;
    const ping = this.#settings.heartbeat?.ping;
    this.#pingedAt = performance.now();
    if (ping) this.#guard("ping", () => socket.write(ping()));
    else socket.ping?.();
  }

  /** Whether the peer can be asked for a sign of life. */
  #canAsk(socket: Socket): boolean {
    return this.#heartbeat !== undefined && Boolean(this.#settings.heartbeat?.ping || socket.ping);
  }

  /** What the page or the machine says: a doubt about the connection is settled at once, a wait is cut. */
  #heed(signal: LifecycleSignal): void {
    if (signal === "cached" || signal === "back")
      return this.#feed({ type: signal === "back" ? "pageBack" : "pageCached" });
    if (signal === "offline") return;
    if (!this.#connection) this.#feed({ type: "awake", floorMs: this.#dialedAt + FLOOR_MS - performance.now() });
    else if (this.#canAsk(this.#connection.socket)) this.#heartbeat?.probe();
    else if (signal !== "visible") this.#feed({ type: "reconnect" });
  }

  #ponged(): void {
    this.#emit("latency", { rttMs: performance.now() - this.#pingedAt });
  }

  readonly #owner: AttemptOwner = {
    session: plain,
    dialing: (url) => {
      this.#dialed = url;
    },
    ready: (connection) => {
      this.#connection = connection;
      this.#feed({ type: "ready" });
    },
    received: (payload) => this.#receive(payload),
    ended: (ending) => this.#end(ending),
    ponged: () => this.#ponged(),
    dropped: (payload, why) => this.#drop(payload, why, "in"),
    failed: (error) => this.#emit("error", error),
  };

  readonly #aborted = () => {
    const { signal } = this.#settings;
    if (signal) this.#feed({ type: "aborted", error: aborted(signal) });
  };

  // What is told.

  /** Tells now, or when the input that is worked off is done. */
  #emit<Name extends keyof ConnEvents<In>>(name: Name, payload: ConnEvents<In>[Name]): void {
    if (this.#inputs.length === 0 && !this.#isTelling) this.#emitter.emit(name, payload);
    else this.#news.push(() => this.#emitter.emit(name, payload));
  }

  /** Tells a moment later: a listener that sends must find the boxes at rest. */
  #drop(payload: Payload, why: ConnError, direction: "in" | "out"): void {
    this.#news.push(() => this.#emitter.emit("dropped", { payload, why, direction }));
    queueMicrotask(() => this.#tell());
  }

  #tell(): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    for (let tell = this.#news.shift(); tell; tell = this.#news.shift()) tell();
    this.#isTelling = false;
  }

  /** Runs the user's function; what it throws is told, and answered with undefined. */
  #guard<T>(name: string, act: () => T): T | undefined {
    try {
      return act();
    } catch (cause) {
      this.#emit("error", new ConnError("provider", `${name} failed: ${cause}`, { cause }));
      return undefined;
    }
  }

  #isEnding(): boolean {
    return this.#state.name === "closing" || this.#state.name === "closed";
  }

  /** What calls reject with from the end on. */
  #closedError(payload?: Payload): ConnError {
    const cause = this.#error;
    return cause?.code === "aborted" ? cause : new ConnError("closed", undefined, { payload, cause });
  }
}
