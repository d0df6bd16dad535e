import { openSocket, requireSupport } from "#socket";
import { deferred, noop } from "../base/deferred.ts";
import type { ListenOptions } from "../base/emitter.ts";
import { ConnError, onAbort } from "../base/errors.ts";
import { isPayload, type Payload, type SendOptions } from "../base/payload.ts";
import { type CodecLike, iterate, marshal, type ReceiveOptions, toText } from "../codec/codec.ts";
import { type ConnectionSource, checkSize } from "./connect-attempt.ts";
import type { CloseInfo, ConnEvents, Stats } from "./events.ts";
import {
  type ConnOptions,
  checkCode,
  checkSend,
  cutReason,
  type Provider,
  parseUrl,
  resolveOptions,
  type Url,
} from "./options.ts";
import type { StateName } from "./state-machine.ts";
import { Supervisor } from "./supervisor.ts";

/** The key of an internal option: where connections come from. */
export const CONNECTION_SOURCE: unique symbol = Symbol("dialer");

const CLIENT: ConnectionSource = { open: openSocket, retryReason: "backoff" };

/**
 * A connection that outlives its sockets. Only `close()`, a final verdict or an aborted signal ends it; until then it
 * connects again whenever the connection under it ends, and what is sent meanwhile waits.
 */
export class Conn<In = Payload, Out = In> {
  readonly #supervisor: Supervisor<In, Out>;

  /** How `write()` frames bytes: as text only if they are valid UTF-8. Default `"binary"`. */
  payloadType: "text" | "binary" = "binary";

  /** `close()`, for `await using`, where the runtime knows the symbol. */
  declare readonly [Symbol.asyncDispose]: () => Promise<void>;

  static {
    if (Symbol.asyncDispose) {
      Object.defineProperty(Conn.prototype, Symbol.asyncDispose, {
        value(this: Conn) {
          return this.close().then(noop);
        },
      });
    }
  }

  /** @throws ConnError `bad-url`, `bad-option`, `unsupported` */
  constructor(url: Provider<Url>, options: ConnOptions<In, Out> = {}) {
    const settings = resolveOptions(options);
    const provided = typeof url === "function" ? url : parseUrl(url);
    requireSupport(settings);
    const dialer = (options as { [CONNECTION_SOURCE]?: ConnectionSource })[CONNECTION_SOURCE] ?? CLIENT;
    this.#supervisor = new Supervisor(provided, settings, dialer);
    this.#supervisor.start();
  }

  /** Where the Conn is in its life. Every change is told as `state`. */
  get state(): StateName {
    return this.#supervisor.state.name;
  }

  /** The URL last dialed, or to be dialed; `""` until a provider has given one. It may hold a token: mind your logs. */
  get url(): string {
    return this.#supervisor.lastUrl;
  }

  /** The subprotocol of the connection, `""` for none. */
  get protocol(): string {
    return this.#supervisor.connection?.protocol ?? "";
  }

  /** The extensions of the connection, `""` for none. */
  get extensions(): string {
    return this.#supervisor.connection?.extensions ?? "";
  }

  /** Bytes of the longest message accepted. */
  get maxPayloadBytes(): number {
    return this.#supervisor.options.maxPayloadBytes;
  }

  /** Figures of this moment: a new object each time. */
  get stats(): Stats {
    const { outbox, inbox, session, connection, receivedCount, history } = this.#supervisor;
    return {
      sent: outbox.written,
      received: receivedCount,
      discarded: inbox.discarded,
      opens: history.opens,
      outbox: { messages: outbox.length, bytes: outbox.bytes },
      inbox: { messages: inbox.length, bytes: inbox.bytes },
      unacknowledged: session.unacknowledged,
      bufferedAmount: connection?.socket.bufferedAmount ?? 0,
    };
  }

  /**
   * Starts an idle Conn, or cuts a wait short, though not within 250 ms of the last dial. Does nothing while connecting,
   * open or closing. @throws `closed`
   */
  connect(): void {
    const { name } = this.#supervisor.state;
    if (name === "closed") throw this.#supervisor.closedError();
    if (this.#isServer && name !== "idle") return;
    this.#supervisor.dispatch({ type: "connect", floorMs: this.#supervisor.history.floorMs });
  }

  /**
   * Leaves the connection, the attempt or the wait, and dials now; out of a wait not within 250 ms of the last dial.
   * @throws `closed`; on a server `misuse`
   */
  reconnect(): void {
    if (this.#supervisor.state.name === "closed") throw this.#supervisor.closedError();
    if (this.#isServer) throw new ConnError("misuse", "A server is dialed and can't dial.");
    const { state, history } = this.#supervisor;
    this.#supervisor.dispatch({ type: "reconnect", floorMs: state.name === "waiting" ? history.floorMs : 0 });
  }

  /** Resolves when the Conn is open, now or next, and starts an idle one. Rejects with `closed` or `aborted`. */
  ready({ signal }: ReceiveOptions = {}): Promise<void> {
    const { promise, resolve, reject } = deferred<void>();
    const look = () => {
      if (this.#supervisor.state.name === "open") resolve();
      else if (this.#supervisor.isEnding) reject(this.#supervisor.closedError());
    };
    const off = this.#supervisor.emitter.on("state", look);
    promise.then(off, off);
    onAbort(signal, promise, reject);
    look();
    if (this.#supervisor.state.name === "idle" && !signal?.aborted) this.connect();
    return promise;
  }

  /**
   * Sends `value`. Resolves when the connection has taken it and buffers less than `outbox.highWaterMark`; rejects, and
   * tells as `dropped`, when it will not be sent. An ignored rejection is never unhandled.
   *
   * @throws ConnError `marshal`, `too-large`, `closed`, `bad-option` at once
   */
  send(value: Out, options?: SendOptions & { readonly codec?: CodecLike<never, Out> | undefined }): Promise<void> {
    return this.#send(marshal(options?.codec ?? this.#supervisor.options.codec, value), options);
  }

  /** Sends `payload` as it is, past the codec: bytes as {@link payloadType} says. Settles and throws as `send()`. */
  write(payload: Payload, options?: SendOptions): Promise<void> {
    if (!isPayload(payload)) throw new ConnError("marshal", "write() takes a string or a Uint8Array.");
    if (this.payloadType === "binary" || typeof payload === "string") return this.#send(payload, options);
    return this.#send(marshal({ marshal: toText }, payload), options);
  }

  /**
   * Resolves when all sent so far has left, or the connection that took it has ended; with `resume`, when the peer has
   * acknowledged it. At once when nothing is pending. Rejects with `closed` when the Conn ends before, with `aborted`, and
   * with `session-lost`.
   */
  flush({ signal }: ReceiveOptions = {}): Promise<void> {
    const { promise, resolve, reject } = deferred<void>();
    this.#supervisor.flush().then(resolve, reject);
    onAbort(signal, promise, reject);
    return promise;
  }

  /**
   * The next message. Rejects with `unmarshal` if it can't be decoded (the one after it is next then), with `closed` when
   * there will be none, with `misuse` while a `message` listener is attached.
   */
  receive<T = In>(options: ReceiveOptions & { readonly codec?: CodecLike<T, never> | undefined } = {}): Promise<T> {
    const codec = options.codec ?? (this.#supervisor.options.codec as unknown as CodecLike<T, never>);
    return this.#supervisor.inbox.take((payload) => this.#supervisor.decode(codec, payload), options.signal);
  }

  /** The next message as it came, past the codec. Rejects as `receive()`. */
  read({ signal }: ReceiveOptions = {}): Promise<Payload> {
    return this.#supervisor.inbox.take((payload) => payload, signal);
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
    const off = this.#supervisor.emitter.on(event, listener, options);
    if (event === "message" && this.#supervisor.emitter.hasListeners(event)) this.#supervisor.inbox.onListenerAdded();
    return off;
  }

  /** Emits `error` as an `error` event, for code that is built on the Conn and has no caller to throw at. */
  report(error: ConnError): void {
    this.#supervisor.onError(error);
  }

  /**
   * Ends the Conn: sends what waits, says goodbye and waits for the answer, all within `closeTimeoutMs` or until `signal`
   * is aborted; then leaves. Never rejects. Further calls give the same promise.
   *
   * @throws ConnError `bad-option` for a code that may not be sent
   */
  close(code = 1000, reason = "", { signal }: ReceiveOptions = {}): Promise<CloseInfo> {
    checkCode(code, this.#isServer);
    this.#supervisor.dispatch({ type: "close", frame: { code, reason: cutReason(reason) } });
    onAbort(signal, this.closed, () => this.#supervisor.dispatch({ type: "timedOut" }));
    return this.closed;
  }

  /** Resolves when the Conn has ended, with how. Never rejects. */
  get closed(): Promise<CloseInfo> {
    return this.#supervisor.closed;
  }

  /** Whether this is a server's Conn. */
  get #isServer(): boolean {
    return this.#supervisor.source.retryReason !== "backoff";
  }

  #send(payload: Payload, options?: SendOptions): Promise<void> {
    if (this.#supervisor.isEnding) throw this.#supervisor.closedError(payload);
    checkSize(payload, this.#supervisor.options.maxSendBytes);
    if (options) checkSend(options);
    if (options?.confirm && !this.#supervisor.options.resume) {
      throw new ConnError("misuse", "Only a Conn with resume knows what was counted: confirm needs the resume option.");
    }
    return this.#supervisor.outbox.send(payload, options);
  }
}
