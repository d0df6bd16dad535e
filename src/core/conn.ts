import { openSocket, requireSupport } from "#socket";
import { cutReason } from "../base/close-codes.ts";
import { deferred, noop } from "../base/deferred.ts";
import type { ListenOptions } from "../base/emitter.ts";
import { ConnError, onAbort } from "../base/errors.ts";
import type { Payload } from "../base/payload.ts";
import type { SendOptions } from "../base/send-options.ts";
import { parseUrl } from "../base/url.ts";
import { type CodecLike, iterate, marshal, type ReceiveOptions } from "../codec/codec.ts";
import { checkCode, checkListen, signalOf } from "./arguments.ts";
import type { ConnectionSource } from "./connect-attempt.ts";
import { checkEvent } from "./event-names.ts";
import type { CloseInfo, ConnEvents, Waiting } from "./events.ts";
import { type ConnOptions, type ConnOptionsWithCodec, type Provider, resolveOptions, type Url } from "./options.ts";
import { enqueue, toFrame, tryWriting, type WriteOptions } from "./send.ts";
import type { StateName } from "./state-machine.ts";
import { type Stats, statsOf } from "./stats.ts";
import { Supervisor } from "./supervisor.ts";
import { whenOpen } from "./when-open.ts";

/** The key of a Conn's supervisor. */
const SUPERVISOR: unique symbol = Symbol("supervisor");

const CLIENT: ConnectionSource = { open: openSocket, retryReason: "backoff" };

/**
 * A connection that outlives its sockets. Only `close()`, an ending that forbids another attempt, or an aborted signal
 * ends the Conn; until then it connects again whenever its connection ends, and messages that are sent meanwhile wait.
 *
 * @example
 * ```ts
 * const conn = new Conn<Quote, Order>("wss://example.com/live", { codec: json() });
 * conn.on("message", (quote) => show(quote));
 * await conn.send({ symbol: "ROPE", amount: 3 });
 * ```
 */
export class Conn<In = Payload, Out = In> {
  /** How `write()` frames bytes by default: as text only if they are valid UTF-8. Default `"binary"`. */
  payloadType: "text" | "binary" = "binary";

  /** Calls `close()`, for `await using`, where the runtime knows the symbol. */
  declare readonly [Symbol.asyncDispose]: () => Promise<void>;

  /** Returns a tag, because Vue and Alpine proxy plain objects deeply, and leave an object with a tag alone. */
  get [Symbol.toStringTag](): string {
    return "Conn";
  }

  // A method by a name that is computed, because React Native's compiler takes no static block.
  [(Symbol.asyncDispose ?? Symbol("asyncDispose")) as symbol](): Promise<void> {
    return this.close().then(noop);
  }

  /**
   * Checks every option, and dials in a microtask unless `autoConnect` is false.
   *
   * @throws ConnError `bad-url`, `bad-option`, `unsupported`
   */
  constructor(url: Provider<Url>, options: ConnOptionsWithCodec<In, Out>);
  /**
   * As above, for strings and bytes as they are: without a codec.
   *
   * @throws ConnError `bad-url`, `bad-option`, `unsupported`
   */
  constructor(url: Provider<Url>, ...options: OptionsWithoutCodec<In, Out>);
  constructor(url: Provider<Url>, options: ConnOptions<In, Out> = {}, source: ConnectionSource = CLIENT) {
    const resolved = resolveOptions(options);
    const checkedUrl = typeof url === "function" ? url : parseUrl(url);
    requireSupport(resolved);
    const supervisor = new Supervisor(checkedUrl, resolved, source);
    Object.defineProperty(this, SUPERVISOR, { value: supervisor });
    supervisor.start();
  }

  /** The state of the Conn. Every change is emitted as `state`. */
  get state(): StateName {
    return supervisorOf(this).state.name;
  }

  /**
   * The URL last dialed, or to be dialed; `""` until a provider has returned one. The URL may hold a token: keep it out of
   * logs.
   */
  get url(): string {
    return supervisorOf(this).lastUrl;
  }

  /** The subprotocol of the connection, `""` for none. */
  get protocol(): string {
    return supervisorOf(this).flow.connection?.protocol ?? "";
  }

  /** The extensions of the connection, `""` for none. */
  get extensions(): string {
    return supervisorOf(this).flow.connection?.extensions ?? "";
  }

  /**
   * The wait before the next dial: its reason, and until when; null while the Conn does not wait. A new object each time.
   *
   * @example
   * ```ts
   * const seconds = conn.waiting && Math.ceil((conn.waiting.retryAt - Date.now()) / 1_000);
   * ```
   */
  get waiting(): Waiting | null {
    return supervisorOf(this).waiting;
  }

  /** Bytes of the longest message accepted. */
  get maxPayloadBytes(): number {
    return supervisorOf(this).options.maxPayloadBytes;
  }

  /**
   * Whether messages in flight belong to a session that the next connection can resume (resume). False without resume, where
   * the server does not speak it, before the first connection, and after a session was lost.
   */
  get hasSession(): boolean {
    return supervisorOf(this).flow.session.isInForce;
  }

  /** Bytes that the connection has taken and not yet handed to the network; 0 without one. As in `stats`, without its object. */
  get bufferedAmount(): number {
    return supervisorOf(this).flow.bufferedAmount;
  }

  /** Figures of this moment: a new object each time. */
  get stats(): Stats {
    return statsOf(supervisorOf(this));
  }

  /**
   * Starts an idle Conn, or cuts a wait short, though not within 250 ms of the last dial. Does nothing while connecting,
   * open or closing.
   *
   * @throws ConnError `closed`
   */
  connect(): void {
    const supervisor = supervisorOf(this);
    const { name } = supervisor.state;
    if (name === "closed") throw supervisor.closedError();
    if (supervisor.isServer && name !== "idle") return;
    supervisor.dispatch({ type: "connect" });
  }

  /**
   * Leaves the connection, the attempt or the wait, and dials now, though not within 250 ms of the last dial.
   *
   * @throws ConnError `closed`; on a server `misuse`
   */
  reconnect(): void {
    const supervisor = supervisorOf(this);
    if (supervisor.state.name === "closed") throw supervisor.closedError();
    if (supervisor.isServer) {
      throw new ConnError("misuse", "reconnect() is for clients: a server's Conn waits for its client to come back.");
    }
    supervisor.dispatch({ type: "reconnect" });
  }

  /**
   * Resolves when the Conn is open, now or next, and starts an idle one. Rejects with `closed` or `aborted`.
   *
   * @throws ConnError `bad-option` at once
   *
   * @example
   * ```ts
   * await conn.ready({ signal: AbortSignal.timeout(5_000) });
   * ```
   */
  ready(options: ReceiveOptions = {}): Promise<void> {
    const signal = signalOf(options);
    const supervisor = supervisorOf(this);
    const opened = whenOpen(supervisor, signal);
    if (supervisor.state.name === "idle" && !signal?.aborted) this.connect();
    return opened;
  }

  /**
   * Sends `value`. Resolves when the connection has taken the message and buffers less than `outbox.highWaterMark`.
   * Rejects, and emits `dropped`, when the message will not be sent; without the event where a listener of `dropped` sends,
   * or the Conn is closing or closed. A rejection that is ignored is never unhandled.
   *
   * @throws ConnError `marshal`, `too-large`, `bad-option` at once
   *
   * @example
   * ```ts
   * conn.send({ type: "cursor", x, y }, { volatile: true });
   * await conn.send(order, { ttlMs: 10_000 });
   * ```
   */
  send(value: Out, options?: SendOptions & { readonly codec?: CodecLike<never, Out> | undefined }): Promise<void> {
    const supervisor = supervisorOf(this);
    return enqueue(supervisor, marshal(options?.codec ?? supervisor.options.codec, value), options);
  }

  /**
   * Writes `value` now and returns true, or returns false: while there is no connection, while messages wait, and above
   * `outbox.highWaterMark`. There is no promise and no event, nothing is copied, and no session sends it again.
   *
   * @throws ConnError `marshal`, `too-large`
   *
   * @example
   * ```ts
   * if (!conn.trySend(position)) missed.add(position.id);
   * ```
   */
  trySend(value: Out): boolean {
    const supervisor = supervisorOf(this);
    return tryWriting(supervisor, marshal(supervisor.options.codec, value));
  }

  /**
   * Writes `payload` as it is, past the codec, now or not at all: see `trySend()`. `as` is the frame, as for `write()`.
   *
   * @throws ConnError `marshal`, `too-large`, `bad-option`
   */
  tryWrite(payload: Payload, { as }: Pick<WriteOptions, "as"> = {}): boolean {
    return tryWriting(supervisorOf(this), toFrame(payload, as, this.payloadType));
  }

  /**
   * Sends `payload` as it is, past the codec. Settles and throws as `send()`.
   *
   * @example
   * ```ts
   * await conn.write(new TextEncoder().encode("hello"), { as: "text" });
   * ```
   */
  write(payload: Payload, options?: WriteOptions): Promise<void> {
    const { as, ...sendOptions } = options ?? {};
    return enqueue(supervisorOf(this), toFrame(payload, as, this.payloadType), options && sendOptions);
  }

  /**
   * Resolves when all messages sent so far have left, or the connection that took them has ended; with `resume`, when the
   * peer has acknowledged them. Resolves at once when nothing is pending. Rejects with `closed` when the Conn ends before,
   * with `aborted`, and with `session-lost`.
   *
   * @throws ConnError `bad-option` at once
   */
  flush(options: ReceiveOptions = {}): Promise<void> {
    const signal = signalOf(options);
    const { promise, resolve, reject } = deferred<void>();
    supervisorOf(this).flow.flush().then(resolve, reject);
    onAbort(signal, promise, reject);
    return promise;
  }

  /**
   * Resolves with the next message. Rejects with `unmarshal` if it can't be decoded (then the message after it is the
   * next), with `closed` when there will be none, with `aborted`, and with `misuse` while a `message` listener is attached.
   *
   * @throws ConnError `bad-option` at once
   *
   * @example
   * ```ts
   * const first = await conn.receive({ signal: AbortSignal.timeout(1_000) });
   * ```
   */
  receive<T = In>(options: ReceiveOptions & { readonly codec?: CodecLike<T, never> | undefined } = {}): Promise<T> {
    const { flow, options: resolved } = supervisorOf(this);
    const codec = options.codec ?? (resolved.codec as unknown as CodecLike<T, never>);
    return flow.inbox.take((payload) => flow.decode(codec, payload), signalOf(options));
  }

  /** Resolves with the next message as it came, past the codec. Rejects as `receive()`. */
  read(options: ReceiveOptions = {}): Promise<Payload> {
    return supervisorOf(this).flow.inbox.take((payload) => payload, signalOf(options));
  }

  /**
   * Iterates over every message from here on, across reconnections, and skips messages that can't be decoded. Ends when
   * the Conn ends well, and throws its error otherwise. Leaving the loop does not close the Conn.
   *
   * @example
   * ```ts
   * for await (const quote of conn) show(quote);
   * ```
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<In> {
    return iterate((signal) => this.receive({ signal }), this.closed);
  }

  /**
   * Calls `listener` on every `event`, and returns an unsubscribe function. A `message` listener gets every message, also
   * those that came before it. An error that a listener throws is reported as uncaught; the other listeners still run.
   *
   * @throws ConnError `misuse` for an event that does not exist, and for a listener that is no function; `bad-option`
   *
   * @example
   * ```ts
   * const off = conn.on("waiting", ({ delayMs }) => showCountdown(delayMs));
   * ```
   */
  on<Name extends keyof ConnEvents<In>>(
    event: Name,
    listener: (payload: ConnEvents<In>[Name]) => void,
    options?: ListenOptions,
  ): () => void {
    if (typeof listener !== "function") {
      throw new ConnError("misuse", `on("${event}") takes a function; got ${typeof listener}.`);
    }
    checkEvent(event);
    if (options) checkListen(options);
    const { emitter, flow } = supervisorOf(this);
    const off = emitter.on(event, listener, options);
    if (event === "message" && emitter.hasListeners(event)) flow.inbox.onListenerAdded();
    return off;
  }

  /**
   * Emits `error` as an `error` event, for code that is built on the Conn and has no caller to throw at. Does nothing in a
   * listener of `error`, or of an event that such a listener caused, because the listeners would be called for ever.
   */
  report(error: ConnError): void {
    const { emitter, flow } = supervisorOf(this);
    if (!emitter.isCausedBy("error")) flow.onError(error);
  }

  /**
   * Ends the Conn: sends the messages that wait, then a close frame, and waits for the peer's; all within `closeTimeoutMs`
   * or until `signal` is aborted. Never rejects. Further calls return the same promise.
   *
   * @throws ConnError `bad-option` for a code that may not be sent (RFC 6455, section 7.4)
   *
   * @example
   * ```ts
   * const { clean, unsent } = await conn.close(1000, "done");
   * ```
   */
  close(code = 1000, reason = "", options: ReceiveOptions = {}): Promise<CloseInfo> {
    const signal = signalOf(options);
    const supervisor = supervisorOf(this);
    checkCode(code, supervisor.source.closeCodes);
    supervisor.dispatch({ type: "close", frame: { code, reason: cutReason(reason) } });
    onAbort(signal, this.closed, () => supervisor.dispatch({ type: "timedOut" }));
    return this.closed;
  }

  /** Resolves with how the Conn ended, once it has. Never rejects. */
  get closed(): Promise<CloseInfo> {
    return supervisorOf(this).closed;
  }
}

/** The options of a Conn may lack a codec only if strings and bytes go both ways. */
type OptionsWithoutCodec<In, Out> = [Payload, Out] extends [In, Payload]
  ? [options?: ConnOptions<In, Out>]
  : [options: ConnOptionsWithCodec<In, Out>];

/** A Conn by what it holds. Not `#private`, because methods are also called on a proxy around the Conn. */
interface Held<In, Out> {
  readonly [SUPERVISOR]: Supervisor<In, Out>;
}

function supervisorOf<In, Out>(conn: Conn<In, Out>): Supervisor<In, Out> {
  return (conn as unknown as Held<In, Out>)[SUPERVISOR];
}
