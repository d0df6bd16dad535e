import { requireSupport } from "#socket";
import { ABNORMAL, INTERNAL_ERROR, POLICY_VIOLATION } from "../base/close-codes.ts";
import { type Deferred, deferred, noop } from "../base/deferred.ts";
import { ConnError, textOf } from "../base/errors.ts";
import { exceeds, type Payload } from "../base/payload.ts";
import { parseUrl } from "../base/url.ts";
import { marshal, unmarshal } from "../codec/codec.ts";
import type { ConnectionEnd, Socket, SocketOptions, SocketOwner, Target } from "../socket/socket.ts";
import { parseProtocols } from "./arguments.ts";
import type { PreviousEnd, ProviderContext } from "./disconnect-info.ts";
import { Inbox } from "./inbox.ts";
import { INBOX, type ProviderOr, type ResolvedOptions, type SetupContext, type Url } from "./options.ts";
import type { Session, SessionStart } from "./session.ts";
import type { CloseFrame, WaitReason } from "./state-machine.ts";

/** How long to wait for the close frame of a server that selected no protocol, in milliseconds. */
const CLOSE_CODE_MS = 100;

/** Where connections come from: a client opens them, a server accepts them. */
export interface ConnectionSource {
  /** Starts to open a connection. Calls the owner only after this function has returned. */
  open(target: Target, options: SocketOptions, owner: SocketOwner): Socket;
  /** Why a Conn without a connection waits for another; false where there will be none. */
  readonly retryReason: WaitReason | false;
  /** Servers only: close codes that may be sent besides those of a page (RFC 6455, section 7.4.1). */
  readonly closeCodes?: readonly number[];
  /** Servers only: how long a Conn waits for its client to come back, in milliseconds. Default the backoff. */
  retryDelayMs?(end: ConnectionEnd): number;
  /** Servers only: registers a callback that is called when a new connection arrives; it replaces the current one. */
  onConnection?(dial: () => void): void;
  /** Called when the messages that wait to be sent have grown or shrunk by so many bytes. */
  onQueueChange?(bytes: number): void;
  /** Servers only: called when a listener of the Conn throws. Default: the error is uncaught. */
  readonly onListenerError?: ((error: unknown) => void) | undefined;
}

/** A connection that is ready for use. */
export interface ActiveConnection extends SessionStart {
  readonly socket: Socket;
  readonly extensions: string;
  /** Whether the peer's application has sent something already. */
  readonly hasReceived: boolean;
  /** Aborts the signal that `setup` and the providers were given, where there was one. */
  readonly controller: AbortController | undefined;
}

/** The data of a Conn, as an attempt sees it. Owns the socket once the connection is ready. */
export interface ConnectionOwner extends SocketOwner {
  readonly session: Session;
  /** The connection that is in use. */
  readonly connection: ActiveConnection | undefined;
  /** When the peer's last message or pong came, in milliseconds of `Date.now()`; 0 for never. */
  lastReceivedAt: number;
  /** Takes a message that the session has seen already. */
  receive(payload: Payload): void;
  onDropped(payload: Payload, error: ConnError): void;
  /** Called when a function of the user fails. */
  onError(error: ConnError): void;
}

/** The part of a Conn that an attempt needs. */
export interface AttemptOwner<In, Out> {
  readonly url: ProviderOr<string, Url>;
  readonly options: ResolvedOptions<In, Out>;
  readonly source: ConnectionSource;
  readonly history: {
    /** How the last connection ended. */
    readonly previous: PreviousEnd | undefined;
  };
  /** Takes the socket over when the connection is ready. */
  readonly flow: ConnectionOwner;
  /** Called when the target is known, before a socket is opened. */
  onDial(url: string): void;
  /** Called once, when the connection is ready: the end of the attempt. */
  onReady(connection: ActiveConnection): void;
  /** Called when the attempt fails, or the connection ended before its owner had it. `frame` is for the peer. */
  onEnd(ending: ConnectionEnd, frame?: CloseFrame): void;
}

/** Checks the answer of each function that a target comes from. */
const PARSERS: Readonly<Record<keyof Target, (answer: unknown, options: Pick<SocketOptions, "WebSocket">) => unknown>> =
  {
    url: parseUrl,
    protocols: parseProtocols,
    headers(headers, { WebSocket }) {
      requireSupport({ WebSocket, headers });
      return headers;
    },
  };

/**
 * One attempt at a connection: resolves the target, opens a socket, starts the session, runs setup, then hands the
 * socket over and is done. Never calls its owner after `abandon()`.
 */
export class ConnectAttempt<In, Out> implements SocketOwner {
  readonly #owner: AttemptOwner<In, Out>;
  readonly #number: number;
  /** Created on first use, because an AbortController is larger than the rest of this object. */
  #controller: AbortController | undefined;
  #isLeft = false;
  #target: Target | undefined;
  #offered: readonly string[] = [];
  #socket: Socket | undefined;
  #extensions = "";
  /** Settles when the session has started on the socket; with `undefined` when another socket is needed. */
  #started: Deferred<SessionStart | undefined> | undefined;
  /** Whether the socket is open, and nothing but a microtask stands between the connection and its owner. */
  #isAboutToBeReady = false;
  /** Whether the connection refused a message of `setup`. Then `onEnd()` follows, with the reason. */
  #isCutOff = false;
  #setupError: unknown;
  /** Whether the server selected no protocol, so that its messages are ignored. */
  #isRefused = false;
  #hasReceived = false;
  /** The end of a connection that was about to be ready. */
  #ending: ConnectionEnd | undefined;
  /** Messages that come before the connection is ready: for `setup` to read, the rest for the owner. */
  #early: Inbox | undefined;
  /** Whether there is an open socket in setup. */
  isOpen = false;

  /** @param number 0 for the first dial and after a stable connection, else the number of the retry */
  constructor(owner: AttemptOwner<In, Out>, number: number) {
    this.#owner = owner;
    this.#number = number;
  }

  /** Runs the whole attempt. Never rejects: a failure is the owner's `onEnd()`. */
  async run(): Promise<void> {
    try {
      this.#target = await this.#resolveTarget();
      if (this.#isLeft) return;
      this.#owner.onDial(this.#target.url);
      const start = await this.#open(this.#target);
      if (this.#isLeft) return;
      const { setup } = this.#owner.options;
      if (setup && !start.resumed) {
        await this.#callUser("setup", () => setup(this.#setupContext(start.transport)));
      }
      if (!this.#isLeft && !this.#isCutOff) this.#handOver(start);
    } catch (error) {
      this.#setupError = error;
      // Not after a cut-off, because onEnd() follows with the code and the reason of the ending.
      if (!this.#isCutOff) this.#fail(error);
    }
  }

  /** Whether the target was known, so that a failure is not a provider's. */
  get hasDialed(): boolean {
    return this.#target !== undefined;
  }

  /** Leaves the attempt, with a close frame where the socket is open and a code is given. */
  abandon(frame: CloseFrame | undefined): void {
    this.#isLeft = true;
    this.#controller?.abort();
    const { flow, options } = this.#owner;
    this.#releaseEarly((payload) => {
      // Without setup they belong to the application, because the session may have counted them as received.
      if (!options.setup) flow.receive(payload);
      else flow.onDropped(payload, new ConnError("setup", "The attempt failed before setup was over.", { payload }));
    });
    this.#socket?.abandon(frame?.code, frame?.reason);
  }

  onTimeout(ms: number): void {
    this.#fail(new ConnError("timeout", `No connection within ${ms} ms.`, { cause: this.#setupError }));
  }

  onOpen(protocol: string, extensions: string): void {
    const { flow, options } = this.#owner;
    const { protocols } = this.#target as Target;
    this.isOpen = true;
    this.#extensions = extensions;
    if (protocols.length > 0 && !this.#offered.includes(protocol)) {
      const refusal = new ConnError("refused", "The server selected none of the offered protocols.");
      this.#isRefused = true;
      // Not at once, because a close frame may follow the upgrade, with the server's own reason.
      setTimeout(() => this.#fail(refusal), CLOSE_CODE_MS);
      return;
    }
    const start = flow.session.start(this.#socket as Socket, protocol);
    this.#isAboutToBeReady = !options.setup && !(start instanceof Promise);
    this.#started?.resolve(start);
  }

  onMessage(payload: Payload): void {
    if (this.#isRefused) return;
    const { flow } = this.#owner;
    flow.lastReceivedAt = Date.now();
    const message = flow.session.receive(payload);
    if (message === undefined) return;
    this.#hasReceived = true;
    this.#earlyInbox().push(message);
  }

  onEnd(ending: ConnectionEnd): void {
    if (this.#isAboutToBeReady) this.#ending = ending;
    else if (!this.isOpen && this.#owner.flow.session.onHandshakeFailed(ending.cause, ending.status)) {
      this.#started?.resolve(undefined);
    } else this.#owner.onEnd(this.isOpen ? ending : { ...ending, cause: ending.cause ?? this.#unknownCause() });
  }

  onPong(): void {}

  get #signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#isLeft) this.#controller.abort();
    return this.#controller.signal;
  }

  /** Calls those of `url`, `protocols` and `headers` that are functions, in this order. Values were checked before. */
  async #resolveTarget(): Promise<Target> {
    const { url, options, history } = this.#owner;
    const { protocols, headers } = options;
    const target: Record<keyof Target, unknown> = { url, protocols, headers };
    for (const key in PARSERS) {
      const name = key as keyof Target;
      const provide = target[name];
      if (typeof provide !== "function") continue;
      const context: ProviderContext = { attempt: this.#number, previous: history.previous, signal: this.#signal };
      target[name] = await this.#callUser<unknown>(name, async () => PARSERS[name](await provide(context), options));
    }
    return target as Target;
  }

  /** Opens a socket and starts the session on it. Opens another socket where the session asks for one (see `Session.start`). */
  async #open(target: Target): Promise<SessionStart> {
    const { options, flow, source } = this.#owner;
    const { session } = flow;
    for (;;) {
      const started = deferred<SessionStart | undefined>();
      this.#started = started;
      this.isOpen = false;
      this.#offered = session.protocolsToOffer(target.protocols);
      this.#socket = source.open({ ...target, protocols: this.#offered }, options, this);
      const start = await started.promise;
      // The result is not used after abandon(), so that it may be undefined then.
      if (start || this.#isLeft) return start as SessionStart;
      this.#socket.abandon();
      session.onDisconnected();
    }
  }

  #setupContext(transport: SessionStart["transport"]): SetupContext<In, Out> {
    const { codec, maxSendBytes } = this.#owner.options;
    const signal = this.#signal;
    const early = this.#earlyInbox();
    return {
      attempt: this.#number,
      signal,
      send: (value) => {
        const payload = checkSize(marshal(codec, value), maxSendBytes);
        if (!signal.aborted && transport.write(payload)) return;
        this.#isCutOff = true;
        throw new ConnError("closed", "The connection ended in setup.");
      },
      receive: () => early.take((payload) => unmarshal(codec, payload, this.#owner.options), signal),
    };
  }

  /** Ends the attempt: from here on the owner's flow owns the socket. */
  #handOver(start: SessionStart): void {
    const { flow } = this.#owner;
    const socket = this.#socket as Socket;
    socket.handOver(flow);
    const { transport, protocol, resumed, session = false } = start;
    // Named one by one, because V8 would give each connection a hidden class of its own after a spread.
    const connection: ActiveConnection = {
      transport,
      protocol,
      resumed,
      session,
      socket,
      extensions: this.#extensions,
      hasReceived: this.#hasReceived,
      controller: this.#controller,
    };
    this.#owner.onReady(connection);
    this.#releaseEarly((payload) => flow.receive(payload));
    // A listener may have left the connection already.
    if (this.#ending && flow.connection === connection) flow.onEnd(this.#ending);
  }

  #earlyInbox(): Inbox {
    const bounds = this.#owner.options.inbox || INBOX;
    const maxBytes = Math.min(bounds.maxBytes, bounds.maxSetupBytes);
    this.#early ??= new Inbox(
      { ...bounds, maxBytes },
      {
        hasListeners: () => false,
        deliver: noop,
        onPressure: noop,
        onConsumed: noop,
        onDropped: (payload, error) => this.#owner.flow.onDropped(payload, error),
        onOverflow: (error) => this.#fail(error),
      },
    );
    return this.#early;
  }

  #releaseEarly(to: (payload: Payload) => void): void {
    const early = this.#early;
    this.#early = undefined;
    while (early?.length) early.take(to);
  }

  #fail(cause: unknown): void {
    if (this.#isLeft) return;
    // A client that is dropped without a close code would reconnect.
    const code = cause instanceof ConnError && cause.fatal ? POLICY_VIOLATION : INTERNAL_ERROR;
    const frame = this.#owner.source.retryReason ? undefined : { code, reason: "" };
    this.#owner.onEnd({ code: ABNORMAL, reason: "", clean: false, cause }, frame);
  }

  /** Creates an error that says where to look: no page learns why a dial failed (WHATWG WebSockets, "fail the connection"). */
  #unknownCause(): ConnError {
    const { host } = new URL((this.#target as Target).url);
    return new ConnError("refused", `No connection to ${host}. A page is not told why: see the browser's console.`);
  }

  /** Calls a function of the user. Reports an error that it throws, unless the attempt was left meanwhile. */
  async #callUser<T>(name: string, act: () => T | Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (cause) {
      const error =
        cause instanceof ConnError && cause.fatal
          ? cause
          : new ConnError(name === "setup" ? name : "provider", `${name} failed: ${textOf(cause)}`, { cause });
      if (!this.#isLeft && !this.#isCutOff) this.#owner.flow.onError(error);
      throw error;
    }
  }
}

/** Returns `payload`, if it is within `maxBytes`. @throws {@link ConnError} `too-large` */
export function checkSize(payload: Payload, maxBytes: number): Payload {
  if (!exceeds(payload, maxBytes)) return payload;
  throw new ConnError("too-large", `The message is longer than maxSendBytes, ${maxBytes}.`, { payload });
}
