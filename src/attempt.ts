import { marshal, unmarshal } from "./codec.ts";
import { ConnError } from "./errors.ts";
import { Inbox } from "./inbox.ts";
import {
  INBOX,
  type Provided,
  parseProtocols,
  parseUrl,
  type Settings,
  type SetupContext,
  type Url,
} from "./options.ts";
import { exceeds, type Payload } from "./payload.ts";
import { nothing } from "./promise.ts";
import type { Beginning, Session } from "./session.ts";
import type { Socket, SocketOptions, SocketOwner } from "./socket.ts";
import { requireSupport } from "./socket-node.ts";
import type { WaitReason } from "./state.ts";
import type { Attempt, Ending, LostInfo } from "./verdict.ts";

/** Where connections come from: a client opens them, a server is handed them. */
export interface Dialer {
  /** Starts an attempt. The owner hears of it only after this has returned. */
  open(url: string, options: SocketOptions, owner: SocketOwner): Socket;
  /** Why a Conn without a connection waits for another; false where there will be none. */
  readonly redials: WaitReason | false;
  /** Whether we dial. Who is dialed calls `dial` when a connection is there: it replaces the one that is in use. */
  awaits?(dial: () => void): void;
  /** What waits to be sent has grown or shrunk by so many bytes. */
  queued?(bytes: number): void;
}

/** A connection that is ready for use. */
export interface Connection extends Beginning {
  readonly socket: Socket;
  readonly extensions: string;
}

/** What an attempt, and the connection that came of it, tells its owner. Nothing after `ended` or `abandon()`. */
export interface AttemptOwner<In, Out> {
  readonly url: Provided<string, Url>;
  readonly settings: Settings<In, Out>;
  readonly dialer: Dialer;
  readonly session: Session;
  /** How the last connection or attempt ended. */
  readonly last: LostInfo | undefined;
  dialing(url: string): void;
  ready(connection: Connection): void;
  received(payload: Payload): void;
  ponged(): void;
  ended(ending: Ending): void;
  dropped(payload: Payload, why: ConnError): void;
  /** The user's function failed. */
  failed(error: ConnError): void;
}

/** What a server tells a client whose setup failed, for good or not (RFC 6455, section 7.4.1). */
const REFUSED = 1008;
const FAILED = 1011;
const NONE: readonly string[] = [];

/** One attempt at a connection: providers, handshake, session, setup, all within one timeout; then the connection. */
export class Attempting<In, Out> implements SocketOwner {
  readonly #owner: AttemptOwner<In, Out>;
  readonly #session: Session;
  readonly #attempt: number;
  /** Tells the user's functions that the attempt was left. Made only for them: it outweighs all else that is here. */
  #controller: AbortController | undefined;
  #isLeft = false;
  /** Dials with what the providers gave; the protocols are the application's own. */
  #open: (() => void) | undefined;
  #protocols: readonly string[] = NONE;
  #offered: readonly string[] = NONE;
  /** Whether there is a connection, in use or in setup. */
  isOpen = false;
  #socket: Socket | undefined;
  /** What comes before the connection is ready: it is setup's to read, and what it leaves the owner's if it succeeds. */
  #early: Inbox | undefined;

  /** @param attempt 0 for the first dial and after a stable connection, else the number of the retry */
  constructor(owner: AttemptOwner<In, Out>, attempt: number) {
    this.#owner = owner;
    this.#session = owner.session;
    this.#attempt = attempt;
  }

  start(): void {
    this.#dial().catch((error) => this.#fail(error));
  }

  timedOut(ms: number): void {
    this.#fail(new ConnError("timeout", `No connection within ${ms} ms.`));
  }

  /** Leaves the attempt, or the connection that came of it. */
  abandon(code?: number, reason?: string): void {
    this.#isLeft = true;
    this.#controller?.abort();
    this.#socket?.abandon(code, reason);
    this.#session.left();
    this.#release((payload) =>
      this.#owner.dropped(payload, new ConnError("setup", "The attempt failed.", { payload })),
    );
  }

  get #signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#isLeft) this.#controller.abort();
    return this.#controller.signal;
  }

  async #dial(): Promise<void> {
    const { url: where, settings, dialer } = this.#owner;
    const { maxPayloadBytes, closeTimeoutMs, WebSocket, origin, clientOptions } = settings;
    const url = await this.#provided("url", where, parseUrl);
    this.#protocols = await this.#provided("protocols", settings.protocols, parseProtocols);
    const headers = await this.#provided("headers", settings.headers, (given) => {
      requireSupport({ WebSocket, headers: given });
      return given;
    });
    if (this.#isLeft) return;
    this.#owner.dialing(url);
    const options = { headers, maxPayloadBytes, closeTimeoutMs, WebSocket, origin, clientOptions };
    this.#open = () => {
      this.isOpen = false;
      this.#offered = this.#session.offer(this.#protocols);
      this.#socket = dialer.open(url, { ...options, protocols: this.#offered }, this);
    };
    this.#open();
  }

  opened(protocol: string, extensions: string): void {
    this.isOpen = true;
    this.#begin(protocol, extensions).catch((error) => this.#fail(error));
  }

  received(payload: Payload): void {
    const own = this.#session.incoming(payload);
    if (own === undefined) return;
    if (this.#early) this.#early.put(own);
    else this.#owner.received(own);
  }

  ended(ending: Ending): void {
    if (!this.isOpen && this.#open && this.#session.declined(ending.cause, ending.status)) {
      return this.#dialAgain();
    }
    this.abandon();
    this.#owner.ended(ending);
  }

  ponged(): void {
    this.#owner.ponged();
  }

  async #begin(protocol: string, extensions: string): Promise<void> {
    const { setup } = this.#owner.settings;
    if (this.#protocols.length > 0 && !this.#offered.includes(protocol)) {
      throw new ConnError("refused", "The server selected none of the offered protocols.");
    }
    const socket = this.#socket as Socket;
    const given = this.#session.begin(socket, protocol);
    const early = setup || given instanceof Promise ? this.#keepEarly() : undefined;
    const beginning = given instanceof Promise ? await given : given;
    if (this.#isLeft) return;
    if (!beginning) {
      socket.abandon();
      return this.#dialAgain();
    }
    if (setup && early && !beginning.resumed) {
      await this.#asked("setup", () => setup(this.#context(beginning.line, early)));
      if (this.#isLeft) return;
    }
    this.#open = undefined;
    this.#owner.ready({ socket, extensions, ...beginning });
    this.#release((payload) => this.#owner.received(payload));
  }

  #keepEarly(): Inbox {
    this.#early = new Inbox(INBOX, {
      listens: () => false,
      deliver: nothing,
      pressed: nothing,
      took: nothing,
      dropped: (payload, why) => this.#owner.dropped(payload, why),
      overflowed: (why) => this.#fail(why),
    });
    return this.#early;
  }

  /** The session asks for another connection, in this same attempt. */
  #dialAgain(): void {
    this.#session.left();
    try {
      this.#open?.();
    } catch (error) {
      this.#fail(error);
    }
  }

  #context(line: Beginning["line"], early: Inbox): SetupContext<In, Out> {
    const { codec, maxSendBytes } = this.#owner.settings;
    const signal = this.#signal;
    return {
      attempt: this.#attempt,
      signal,
      send(value) {
        const payload = checkedPayload(marshal(codec, value), maxSendBytes);
        if (signal.aborted || !line.write(payload)) throw new ConnError("closed", "The connection ended in setup.");
      },
      receive: () => early.take((payload) => unmarshal(codec, payload), signal),
    };
  }

  /** Setup is over, and what it left goes elsewhere. */
  #release(to: (payload: Payload) => void): void {
    const early = this.#early;
    this.#early = undefined;
    while (early?.length) early.take(to);
  }

  #fail(cause: unknown): void {
    if (this.#isLeft) return;
    // A client that is left without a word comes back for more.
    if (!this.#owner.dialer.redials) this.abandon(cause instanceof ConnError && cause.fatal ? REFUSED : FAILED);
    this.ended({ code: 1006, reason: "", clean: false, cause });
  }

  /** What the provider gives for this attempt, as `parse` takes it. What is no function was parsed before. */
  async #provided<T, Given>(name: string, provider: Provided<T, Given>, parse: (given: Given) => T): Promise<T> {
    if (typeof provider !== "function") return provider;
    const ask = provider as (about: Attempt) => Given | Promise<Given>;
    const about = { attempt: this.#attempt, last: this.#owner.last, signal: this.#signal };
    return this.#asked(name, async () => parse(await ask(about)));
  }

  /** What the user's function answers. What it throws is told, unless it comes too late to matter. */
  async #asked<T>(name: string, act: () => T | Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (cause) {
      const error =
        cause instanceof ConnError && cause.fatal
          ? cause
          : new ConnError(name === "setup" ? name : "provider", `${name} failed: ${cause}`, { cause });
      if (!this.#isLeft) this.#owner.failed(error);
      throw error;
    }
  }
}

/** `payload`, if it is within `maxBytes`. @throws {@link ConnError} `too-large` */
export function checkedPayload(payload: Payload, maxBytes: number): Payload {
  if (!exceeds(payload, maxBytes)) return payload;
  throw new ConnError("too-large", `The message is longer than maxSendBytes, ${maxBytes}.`, { payload });
}
