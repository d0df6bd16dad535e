import { openSocket, requireSupport } from "#socket";
import { cutReason } from "../base/close-codes.ts";
import { deferred, noop } from "../base/deferred.ts";
import type { ListenOptions } from "../base/emitter.ts";
import { ConnError, onAbort } from "../base/errors.ts";
import type { Payload, SendOptions } from "../base/payload.ts";
import { type CodecLike, iterate, marshal, message, type ReceiveOptions, toText } from "../codec/codec.ts";
import { checkCode, checkSend } from "./arguments.ts";
import { type ConnectionSource, checkSize } from "./connect-attempt.ts";
import type { CloseInfo, ConnEvents, Stats } from "./events.ts";
import { type ConnOptions, type Provider, resolveOptions, type Url } from "./options.ts";
import type { StateName } from "./state-machine.ts";
import { Supervisor } from "./supervisor.ts";
import { parseUrl } from "./url.ts";

/** The key of an internal option: where connections come from. */
export const CONNECTION_SOURCE: unique symbol = Symbol("dialer");

/** Where a Conn has its supervisor. */
const SUPERVISOR: unique symbol = Symbol("supervisor");

const CLIENT: ConnectionSource = { open: openSocket, retryReason: "backoff" };

/**
 * A connection that outlives its sockets. Only `close()`, a final verdict or an aborted signal ends it; until then it
 * connects again whenever the connection under it ends, and what is sent meanwhile waits.
 */
export class Conn<In = Payload, Out = In> {
  /** How `write()` frames bytes: as text only if they are valid UTF-8. Default `"binary"`. */
  payloadType: "text" | "binary" = "binary";

  /** `close()`, for `await using`, where the runtime knows the symbol. */
  declare readonly [Symbol.asyncDispose]: () => Promise<void>;

  /** Vue and Alpine proxy plain objects deeply, and leave alone what has a tag of its own. */
  get [Symbol.toStringTag](): string {
    return "Conn";
  }

  // A method by a name that is computed, because React Native's compiler takes no static block.
  [(Symbol.asyncDispose ?? Symbol("asyncDispose")) as symbol](): Promise<void> {
    return this.close().then(noop);
  }

  /** @throws ConnError `bad-url`, `bad-option`, `unsupported` */
  constructor(url: Provider<Url>, options: ConnOptions<In, Out> = {}) {
    const settings = resolveOptions(options);
    const provided = typeof url === "function" ? url : parseUrl(url);
    requireSupport(settings);
    const dialer = (options as { [CONNECTION_SOURCE]?: ConnectionSource })[CONNECTION_SOURCE] ?? CLIENT;
    const supervisor = new Supervisor(provided, settings, dialer);
    Object.defineProperty(this, SUPERVISOR, { value: supervisor });
    supervisor.start();
  }

  /** Where the Conn is in its life. Every change is told as `state`. */
  get state(): StateName {
    return supervisorOf(this).state.name;
  }

  /** The URL last dialed, or to be dialed; `""` until a provider has given one. It may hold a token: mind your logs. */
  get url(): string {
    return supervisorOf(this).lastUrl;
  }

  /** The subprotocol of the connection, `""` for none. */
  get protocol(): string {
    return supervisorOf(this).connection?.protocol ?? "";
  }

  /** The extensions of the connection, `""` for none. */
  get extensions(): string {
    return supervisorOf(this).connection?.extensions ?? "";
  }

  /** Bytes of the longest message accepted. */
  get maxPayloadBytes(): number {
    return supervisorOf(this).options.maxPayloadBytes;
  }

  /** Figures of this moment: a new object each time. */
  get stats(): Stats {
    const { outbox, inbox, session, connection, receivedCount, history } = supervisorOf(this);
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
    const { name } = supervisorOf(this).state;
    if (name === "closed") throw supervisorOf(this).closedError();
    if (isServer(supervisorOf(this)) && name !== "idle") return;
    supervisorOf(this).dispatch({ type: "connect", floorMs: supervisorOf(this).history.floorMs });
  }

  /**
   * Leaves the connection, the attempt or the wait, and dials now; out of a wait not within 250 ms of the last dial.
   * @throws `closed`; on a server `misuse`
   */
  reconnect(): void {
    if (supervisorOf(this).state.name === "closed") throw supervisorOf(this).closedError();
    if (isServer(supervisorOf(this))) throw new ConnError("misuse", "A server is dialed and can't dial.");
    const { state, history } = supervisorOf(this);
    supervisorOf(this).dispatch({ type: "reconnect", floorMs: state.name === "waiting" ? history.floorMs : 0 });
  }

  /** Resolves when the Conn is open, now or next, and starts an idle one. Rejects with `closed` or `aborted`. */
  ready({ signal }: ReceiveOptions = {}): Promise<void> {
    const { promise, resolve, reject } = deferred<void>();
    const look = () => {
      if (supervisorOf(this).state.name === "open") resolve();
      else if (supervisorOf(this).isEnding) reject(supervisorOf(this).closedError());
    };
    const off = supervisorOf(this).emitter.on("state", look);
    promise.then(off, off);
    onAbort(signal, promise, reject);
    look();
    if (supervisorOf(this).state.name === "idle" && !signal?.aborted) this.connect();
    return promise;
  }

  /**
   * Sends `value`. Resolves when the connection has taken it and buffers less than `outbox.highWaterMark`; rejects, and
   * tells as `dropped`, when it will not be sent. An ignored rejection is never unhandled.
   *
   * @throws ConnError `marshal`, `too-large`, `closed`, `bad-option` at once
   */
  send(value: Out, options?: SendOptions & { readonly codec?: CodecLike<never, Out> | undefined }): Promise<void> {
    return enqueue(supervisorOf(this), marshal(options?.codec ?? supervisorOf(this).options.codec, value), options);
  }

  /** Sends `payload` as it is, past the codec: bytes as {@link payloadType} says. Settles and throws as `send()`. */
  write(payload: Payload, options?: SendOptions): Promise<void> {
    const isBinary = this.payloadType === "binary" || typeof payload === "string";
    return enqueue(supervisorOf(this), marshal(isBinary ? message : { marshal: toText }, payload), options);
  }

  /**
   * Resolves when all sent so far has left, or the connection that took it has ended; with `resume`, when the peer has
   * acknowledged it. At once when nothing is pending. Rejects with `closed` when the Conn ends before, with `aborted`, and
   * with `session-lost`.
   */
  flush({ signal }: ReceiveOptions = {}): Promise<void> {
    const { promise, resolve, reject } = deferred<void>();
    supervisorOf(this).flush().then(resolve, reject);
    onAbort(signal, promise, reject);
    return promise;
  }

  /**
   * The next message. Rejects with `unmarshal` if it can't be decoded (the one after it is next then), with `closed` when
   * there will be none, with `misuse` while a `message` listener is attached.
   */
  receive<T = In>(options: ReceiveOptions & { readonly codec?: CodecLike<T, never> | undefined } = {}): Promise<T> {
    const codec = options.codec ?? (supervisorOf(this).options.codec as unknown as CodecLike<T, never>);
    return supervisorOf(this).inbox.take((payload) => supervisorOf(this).decode(codec, payload), options.signal);
  }

  /** The next message as it came, past the codec. Rejects as `receive()`. */
  read({ signal }: ReceiveOptions = {}): Promise<Payload> {
    return supervisorOf(this).inbox.take((payload) => payload, signal);
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
    const off = supervisorOf(this).emitter.on(event, listener, options);
    if (event === "message" && supervisorOf(this).emitter.hasListeners(event))
      supervisorOf(this).inbox.onListenerAdded();
    return off;
  }

  /** Emits `error` as an `error` event, for code that is built on the Conn and has no caller to throw at. */
  report(error: ConnError): void {
    supervisorOf(this).onError(error);
  }

  /**
   * Ends the Conn: sends what waits, says goodbye and waits for the answer, all within `closeTimeoutMs` or until `signal`
   * is aborted; then leaves. Never rejects. Further calls give the same promise.
   *
   * @throws ConnError `bad-option` for a code that may not be sent
   */
  close(code = 1000, reason = "", { signal }: ReceiveOptions = {}): Promise<CloseInfo> {
    checkCode(code, isServer(supervisorOf(this)));
    supervisorOf(this).dispatch({ type: "close", frame: { code, reason: cutReason(reason) } });
    onAbort(signal, this.closed, () => supervisorOf(this).dispatch({ type: "timedOut" }));
    return this.closed;
  }

  /** Resolves when the Conn has ended, with how. Never rejects. */
  get closed(): Promise<CloseInfo> {
    return supervisorOf(this).closed;
  }
}

/** A Conn by what it holds. Not `#private`, because methods are also called on a proxy around the Conn. */
interface Held<In, Out> {
  readonly [SUPERVISOR]: Supervisor<In, Out>;
}

function supervisorOf<In, Out>(conn: Conn<In, Out>): Supervisor<In, Out> {
  return (conn as unknown as Held<In, Out>)[SUPERVISOR];
}

/** Whether connections come to this Conn, rather than that it dials. */
function isServer({ source }: { readonly source: ConnectionSource }): boolean {
  return source.retryReason !== "backoff";
}

function enqueue<In, Out>(supervisor: Supervisor<In, Out>, payload: Payload, options?: SendOptions): Promise<void> {
  if (supervisor.isEnding) throw supervisor.closedError(payload);
  checkSize(payload, supervisor.options.maxSendBytes);
  if (options) checkSend(options);
  if (options?.confirm && !supervisor.options.resume) {
    throw new ConnError("misuse", "Only a Conn with resume knows what was counted: confirm needs the resume option.");
  }
  return supervisor.outbox.send(payload, options);
}
