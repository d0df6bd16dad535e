import { checkedPayload, type Dialer } from "./attempt.ts";
import { type CodecPair, iterate, marshal, type ReceiveOptions, toText, unmarshal } from "./codec.ts";
import type { ListenOptions } from "./emitter.ts";
import { aborted, ConnError } from "./errors.ts";
import type { CloseInfo, ConnEvents, Stats } from "./events.ts";
import { Inbox } from "./inbox.ts";
import { Life } from "./life.ts";
import { News } from "./news.ts";
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
import { deferred, onAbort } from "./promise.ts";
import { openSocket, requireSupport } from "./socket-node.ts";
import type { StateName } from "./state.ts";

/** The key of an internal option: where connections come from. */
export const DIALER: unique symbol = Symbol("dialer");

const CLIENT: Dialer = { open: openSocket, redials: "backoff" };

/**
 * A connection that outlives its sockets. Only `close()`, a final verdict or an aborted signal ends it; until then it
 * connects again whenever the connection under it ends, and what is sent meanwhile waits.
 */
export class Conn<In = Payload, Out = In> {
  readonly #settings: Settings<In, Out>;
  readonly #dialer: Dialer;
  readonly #news = new News<ConnEvents<In>>();
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  readonly #life: Life<In, Out>;

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

  /** @throws ConnError `bad-url`, `bad-option`, `unsupported` */
  constructor(url: Provider<Url>, options: ConnOptions<In, Out> = {}) {
    const settings = settle(options);
    const dialed = typeof url === "function" ? "" : parseUrl(url);
    const news = this.#news;
    requireSupport(settings);
    this.#settings = settings;
    this.#dialer = (options as { [DIALER]?: Dialer })[DIALER] ?? CLIENT;
    this.#outbox = new Outbox(settings.outbox, {
      dropped: (payload, why) => news.emitSoon("dropped", { payload, why, direction: "out" }),
      drained: () => news.emit("drained", undefined),
      queued: (bytes) => this.#dialer.queued?.(bytes),
    });
    this.#inbox = new Inbox(settings.inbox, {
      listens: () => news.hears("message"),
      deliver: (payload) => this.#deliver(payload),
      pressed: (on) => this.#life.hold(on),
      took: () => this.#life.session.took(),
      dropped: (payload, why) => news.emitSoon("dropped", { payload, why, direction: "in" }),
      overflowed: (why) => this.#life.overflow(why),
    });
    this.#life = new Life(url, settings, this.#dialer, { news, outbox: this.#outbox, inbox: this.#inbox });
    this.#life.dialed = dialed;
    queueMicrotask(() => {
      if (settings.signal?.aborted) this.#life.aborted();
      else if (settings.autoConnect) this.#life.feed({ type: "connect" });
    });
  }

  /** Where the Conn is in its life. Every change is told as `state`. */
  get state(): StateName {
    return this.#life.state.name;
  }

  /** The URL last dialed, or to be dialed; `""` until a provider has given one. It may hold a token: mind your logs. */
  get url(): string {
    return this.#life.dialed;
  }

  /** The subprotocol of the connection, `""` for none. */
  get protocol(): string {
    return this.#life.connection?.protocol ?? "";
  }

  /** The extensions of the connection, `""` for none. */
  get extensions(): string {
    return this.#life.connection?.extensions ?? "";
  }

  /** Bytes of the longest message accepted. */
  get maxPayloadBytes(): number {
    return this.#settings.maxPayloadBytes;
  }

  /** Figures of this moment: a new object each time. */
  get stats(): Stats {
    return {
      sent: this.#outbox.written,
      received: this.#life.received,
      discarded: this.#inbox.discarded,
      opens: this.#life.opens,
      outbox: { messages: this.#outbox.length, bytes: this.#outbox.bytes },
      inbox: { messages: this.#inbox.length, bytes: this.#inbox.bytes },
      unacknowledged: this.#life.session.unacknowledged,
      bufferedAmount: this.#life.connection?.socket.bufferedAmount ?? 0,
    };
  }

  /**
   * Starts an idle Conn, or cuts a wait short, though not within 250 ms of the last dial. Does nothing while connecting,
   * open or closing. @throws `closed`
   */
  connect(): void {
    const { name } = this.#life.state;
    if (name === "closed") throw this.#life.closedError();
    if (this.#isDialed && name !== "idle") return;
    this.#life.feed({ type: "connect", floorMs: this.#life.floorMs });
  }

  /**
   * Leaves the connection, the attempt or the wait, and dials now; out of a wait not within 250 ms of the last dial.
   * @throws `closed`; on a server `misuse`
   */
  reconnect(): void {
    if (this.#life.state.name === "closed") throw this.#life.closedError();
    if (this.#isDialed) throw new ConnError("misuse", "A server is dialed and can't dial.");
    const { floorMs, state } = this.#life;
    this.#life.feed({ type: "reconnect", floorMs: state.name === "waiting" ? floorMs : 0 });
  }

  /** Resolves when the Conn is open, now or next, and starts an idle one. Rejects with `closed` or `aborted`. */
  ready({ signal }: ReceiveOptions = {}): Promise<void> {
    const { promise, resolve, reject } = deferred<void>();
    const look = () => {
      if (this.#life.state.name === "open") resolve();
      else if (this.#life.isEnding) reject(this.#life.closedError());
    };
    const off = this.#news.on("state", look);
    promise.then(off, off);
    onAbort(signal, promise, () => reject(aborted(signal as AbortSignal)));
    look();
    if (this.#life.state.name === "idle" && !signal?.aborted) this.connect();
    return promise;
  }

  /**
   * Sends `value`. Resolves when the connection has taken it and buffers less than `outbox.highWaterMark`; rejects, and
   * tells as `dropped`, when it will not be sent. An ignored rejection is never unhandled.
   *
   * @throws ConnError `marshal`, `too-large`, `closed`, `bad-option` at once
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
   * Resolves when all sent so far has left, or the connection that took it has ended; with `resume`, when the peer has
   * acknowledged it. At once when nothing is pending. Rejects with `closed` when the Conn ends before, with `aborted`, and
   * with `session-lost`.
   */
  flush({ signal }: ReceiveOptions = {}): Promise<void> {
    const { promise, resolve, reject } = deferred<void>();
    this.#life.flush().then(resolve, reject);
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
    if (typeof listener !== "function") throw new ConnError("misuse", `on("${event}") takes a function.`);
    const off = this.#news.on(event, listener, options);
    if (event === "message" && this.#news.hears(event)) this.#inbox.listened();
    return off;
  }

  /**
   * Ends the Conn: sends what waits, says goodbye and waits for the answer, all within `closeTimeoutMs` or until `signal`
   * is aborted; then leaves. Never rejects. Further calls give the same promise.
   *
   * @throws ConnError `bad-option` for a code that may not be sent
   */
  close(code = 1000, reason = "", { signal }: ReceiveOptions = {}): Promise<CloseInfo> {
    checkCode(code, this.#isDialed);
    this.#life.feed({ type: "close", goodbye: { code, reason: cutReason(reason) } });
    onAbort(signal, this.closed, () => this.#life.feed({ type: "timedOut" }));
    return this.closed;
  }

  /** Resolves when the Conn has ended, with how. Never rejects. */
  get closed(): Promise<CloseInfo> {
    return this.#life.closed.promise;
  }

  /** Whether this is a server's Conn. */
  get #isDialed(): boolean {
    return this.#dialer.redials !== "backoff";
  }

  #put(payload: Payload, options?: SendOptions): Promise<void> {
    if (this.#life.isEnding) throw this.#life.closedError(payload);
    checkedPayload(payload, this.#settings.maxSendBytes);
    if (options) checkSend(options);
    if (options?.confirm && !this.#settings.resume) {
      throw new ConnError("misuse", "Only a Conn with resume knows what was counted: confirm needs the resume option.");
    }
    return this.#outbox.send(payload, options);
  }

  #deliver(payload: Payload): void {
    let value: In;
    try {
      value = this.#decode(this.#settings.codec, payload);
    } catch {
      return;
    }
    this.#news.emit("message", value);
  }

  #decode<T>(codec: CodecPair<T, never>, payload: Payload): T {
    try {
      return unmarshal(codec, payload);
    } catch (error) {
      this.#news.emit("error", error as ConnError);
      throw error;
    }
  }
}
