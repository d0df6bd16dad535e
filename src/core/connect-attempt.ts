import { requireSupport } from "#socket";
import { ABNORMAL, INTERNAL_ERROR, POLICY_VIOLATION } from "../base/close-codes.ts";
import { noop } from "../base/deferred.ts";
import { ConnError, textOf } from "../base/errors.ts";
import { exceeds, type Payload } from "../base/payload.ts";
import { marshal, unmarshal } from "../codec/codec.ts";
import type { ConnectionEnd, Socket, SocketOptions, SocketOwner, Target } from "../socket/socket.ts";
import { parseProtocols } from "./arguments.ts";
import type { DisconnectInfo, ProviderContext } from "./disconnect-info.ts";
import { Inbox } from "./inbox.ts";
import { INBOX, type ProviderOr, type ResolvedOptions, type SetupContext, type Url } from "./options.ts";
import type { Session, SessionStart } from "./session.ts";
import type { WaitReason } from "./state-machine.ts";
import { parseUrl } from "./url.ts";

/** Where connections come from: a client opens them, a server is handed them. */
export interface ConnectionSource {
  /** Starts an attempt. The owner hears of it only after this has returned. */
  open(target: Target, options: SocketOptions, owner: SocketOwner): Socket;
  /** Why a Conn without a connection waits for another; false where there will be none. */
  readonly retryReason: WaitReason | false;
  /** Whether we dial. Who is dialed calls `dial` when a connection is there: it replaces the one that is in use. */
  onConnection?(dial: () => void): void;
  /** What waits to be sent has grown or shrunk by so many bytes. */
  onQueueChange?(bytes: number): void;
}

/** A connection that is ready for use. */
export interface ActiveConnection extends SessionStart {
  readonly socket: Socket;
  readonly extensions: string;
}

/** What an attempt, and the connection that came of it, tells its owner. Nothing after `ended` or `abandon()`. */
export interface AttemptOwner<In, Out> {
  readonly url: ProviderOr<string, Url>;
  readonly options: ResolvedOptions<In, Out>;
  readonly source: ConnectionSource;
  readonly session: Session;
  /** How the last connection or attempt ended. */
  readonly previous: DisconnectInfo | undefined;
  onDial(url: string): void;
  onReady(connection: ActiveConnection): void;
  onMessage(payload: Payload): void;
  onPong(): void;
  onEnd(ending: ConnectionEnd): void;
  onDropped(payload: Payload, why: ConnError): void;
  /** The user's function failed. */
  onError(error: ConnError): void;
}

/** What a server tells a client whose setup failed, for good or not (RFC 6455, section 7.4.1). */

/** One attempt at a connection: providers, handshake, session, setup, all within one timeout; then the connection. */
export class ConnectAttempt<In, Out> implements SocketOwner {
  readonly #owner: AttemptOwner<In, Out>;
  readonly #session: Session;
  readonly #attempt: number;
  /** Tells the user's functions that the attempt was left. Made only for them: it outweighs all else that is here. */
  #controller: AbortController | undefined;
  #isLeft = false;
  /** Where to dial, with the application's own protocols; there from the dial until the connection is ready. */
  #target: Target | undefined;
  #offered: readonly string[] | undefined;
  /** Whether there is a connection, in use or in setup. */
  isOpen = false;
  #socket: Socket | undefined;
  /** What comes before the connection is ready: it is setup's to read, and what it leaves the owner's if it succeeds. */
  #setupInbox: Inbox | undefined;

  /** @param attempt 0 for the first dial and after a stable connection, else the number of the retry */
  constructor(owner: AttemptOwner<In, Out>, attempt: number) {
    this.#owner = owner;
    this.#session = owner.session;
    this.#attempt = attempt;
  }

  start(): void {
    this.#resolveTarget().then(
      (target) => this.#start(target),
      (error) => this.#fail(error),
    );
  }

  onTimeout(ms: number): void {
    this.#fail(new ConnError("timeout", `No connection within ${ms} ms.`));
  }

  /** Leaves the attempt, or the connection that came of it. */
  abandon(code?: number, reason?: string): void {
    this.#isLeft = true;
    this.#controller?.abort();
    this.#socket?.abandon(code, reason);
    this.#session.onDisconnected();
    this.#releaseSetupInbox((payload) =>
      this.#owner.onDropped(payload, new ConnError("setup", "The attempt failed.", { payload })),
    );
  }

  get #signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#isLeft) this.#controller.abort();
    return this.#controller.signal;
  }

  /** Where to dial: what is a function is asked on each attempt, in order; all else was parsed before. */
  async #resolveTarget(): Promise<Target> {
    const { url, options, previous } = this.#owner;
    const { protocols, headers, WebSocket } = options;
    const given: Record<string, unknown> = { url, protocols, headers };
    const parsers = Object.entries({
      url: parseUrl,
      protocols: parseProtocols,
      headers(answer: unknown) {
        requireSupport({ WebSocket, headers: answer });
        return answer;
      },
    });
    for (const [name, parse] of parsers) {
      const ask = given[name];
      if (typeof ask !== "function") continue;
      const about: ProviderContext = { attempt: this.#attempt, previous, signal: this.#signal };
      given[name] = await this.#callUser<unknown>(name, async () => parse(await ask(about)));
    }
    return given as unknown as Target;
  }

  #start(target: Target): void {
    if (this.#isLeft) return;
    this.#target = target;
    this.#owner.onDial(target.url);
    this.#dial(target);
  }

  #dial(target: Target): void {
    const { options, source } = this.#owner;
    this.isOpen = false;
    try {
      this.#offered = this.#session.protocolsToOffer(target.protocols);
      this.#socket = source.open({ ...target, protocols: this.#offered }, options, this);
    } catch (error) {
      this.#fail(error);
    }
  }

  onOpen(protocol: string, extensions: string): void {
    this.isOpen = true;
    const { setup } = this.#owner.options;
    const { protocols } = this.#target as Target;
    if (protocols.length > 0 && !this.#offered?.includes(protocol)) {
      return this.#fail(new ConnError("refused", "The server selected none of the offered protocols."));
    }
    const given = this.#session.start(this.#socket as Socket, protocol);
    if (!setup && !(given instanceof Promise)) return this.#finish(given, extensions);
    const early = this.#createSetupInbox();
    this.#runSetup(given, early, extensions).catch((error) => this.#fail(error));
  }

  onMessage(payload: Payload): void {
    const own = this.#session.receive(payload);
    if (own === undefined) return;
    if (this.#setupInbox) this.#setupInbox.push(own);
    else this.#owner.onMessage(own);
  }

  onEnd(ending: ConnectionEnd): void {
    if (!this.isOpen && this.#target && this.#session.onHandshakeFailed(ending.cause, ending.status)) {
      return this.#dialAgain(this.#target);
    }
    this.abandon();
    this.#owner.onEnd(ending);
  }

  onPong(): void {
    this.#owner.onPong();
  }

  /** Awaits the session, and then the application's setup. */
  async #runSetup(
    given: SessionStart | Promise<SessionStart | undefined>,
    early: Inbox,
    extensions: string,
  ): Promise<void> {
    const { setup } = this.#owner.options;
    const beginning = await given;
    if (this.#isLeft) return;
    if (!beginning) {
      this.#socket?.abandon();
      return this.#dialAgain(this.#target as Target);
    }
    if (setup && !beginning.resumed) {
      await this.#callUser("setup", () => setup(this.#context(beginning.transport, early)));
      if (this.#isLeft) return;
    }
    this.#finish(beginning, extensions);
  }

  #finish(beginning: SessionStart, extensions: string): void {
    this.#target = undefined;
    this.#owner.onReady({ socket: this.#socket as Socket, extensions, ...beginning });
    this.#releaseSetupInbox((payload) => this.#owner.onMessage(payload));
  }

  #createSetupInbox(): Inbox {
    this.#setupInbox = new Inbox(INBOX, {
      hasListeners: () => false,
      deliver: noop,
      onPressure: noop,
      onConsumed: noop,
      onDropped: (payload, why) => this.#owner.onDropped(payload, why),
      onOverflow: (why) => this.#fail(why),
    });
    return this.#setupInbox;
  }

  /** The session asks for another connection, in this same attempt. */
  #dialAgain(target: Target): void {
    this.#session.onDisconnected();
    this.#dial(target);
  }

  #context(line: SessionStart["transport"], early: Inbox): SetupContext<In, Out> {
    const { codec, maxSendBytes } = this.#owner.options;
    const signal = this.#signal;
    return {
      attempt: this.#attempt,
      signal,
      send(value) {
        const payload = checkSize(marshal(codec, value), maxSendBytes);
        if (signal.aborted || !line.write(payload)) throw new ConnError("closed", "The connection ended in setup.");
      },
      receive: () => early.take((payload) => unmarshal(codec, payload, this.#owner.options), signal),
    };
  }

  /** Setup is over, and what it left goes elsewhere. */
  #releaseSetupInbox(to: (payload: Payload) => void): void {
    const early = this.#setupInbox;
    this.#setupInbox = undefined;
    while (early?.length) early.take(to);
  }

  #fail(cause: unknown): void {
    if (this.#isLeft) return;
    // A client that is left without a word comes back for more.
    if (!this.#owner.source.retryReason)
      this.abandon(cause instanceof ConnError && cause.fatal ? POLICY_VIOLATION : INTERNAL_ERROR);
    this.onEnd({ code: ABNORMAL, reason: "", clean: false, cause });
  }

  /** What the user's function answers. What it throws is told, unless it comes too late to matter. */
  async #callUser<T>(name: string, act: () => T | Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (cause) {
      const error =
        cause instanceof ConnError && cause.fatal
          ? cause
          : new ConnError(name === "setup" ? name : "provider", `${name} failed: ${textOf(cause)}`, { cause });
      if (!this.#isLeft) this.#owner.onError(error);
      throw error;
    }
  }
}

/** `payload`, if it is within `maxBytes`. @throws {@link ConnError} `too-large` */
export function checkSize(payload: Payload, maxBytes: number): Payload {
  if (!exceeds(payload, maxBytes)) return payload;
  throw new ConnError("too-large", `The message is longer than maxSendBytes, ${maxBytes}.`, { payload });
}
