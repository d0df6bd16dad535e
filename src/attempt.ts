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
import type { Socket, SocketOptions, SocketOwner, Target } from "./socket.ts";
import { requireSupport } from "./socket-node.ts";
import type { WaitReason } from "./state.ts";
import type { Attempt, Ending, LostInfo } from "./verdict.ts";

/** Where connections come from: a client opens them, a server is handed them. */
export interface Dialer {
  /** Starts an attempt. The owner hears of it only after this has returned. */
  open(target: Target, options: SocketOptions, owner: SocketOwner): Socket;
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

/** One attempt at a connection: providers, handshake, session, setup, all within one timeout; then the connection. */
export class Attempting<In, Out> implements SocketOwner {
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
  #early: Inbox | undefined;

  /** @param attempt 0 for the first dial and after a stable connection, else the number of the retry */
  constructor(owner: AttemptOwner<In, Out>, attempt: number) {
    this.#owner = owner;
    this.#session = owner.session;
    this.#attempt = attempt;
  }

  start(): void {
    this.#ask().then(
      (target) => this.#begin(target),
      (error) => this.#fail(error),
    );
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

  /** Where to dial: what is a function is asked on each attempt, in order; all else was parsed before. */
  async #ask(): Promise<Target> {
    const { url, settings, last } = this.#owner;
    const { protocols, headers, WebSocket } = settings;
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
      const about: Attempt = { attempt: this.#attempt, last, signal: this.#signal };
      given[name] = await this.#asked<unknown>(name, async () => parse(await ask(about)));
    }
    return given as unknown as Target;
  }

  #begin(target: Target): void {
    if (this.#isLeft) return;
    this.#target = target;
    this.#owner.dialing(target.url);
    this.#dial(target);
  }

  #dial(target: Target): void {
    const { settings, dialer } = this.#owner;
    this.isOpen = false;
    try {
      this.#offered = this.#session.offer(target.protocols);
      this.#socket = dialer.open({ ...target, protocols: this.#offered }, settings, this);
    } catch (error) {
      this.#fail(error);
    }
  }

  opened(protocol: string, extensions: string): void {
    this.isOpen = true;
    const { setup } = this.#owner.settings;
    const { protocols } = this.#target as Target;
    if (protocols.length > 0 && !this.#offered?.includes(protocol)) {
      return this.#fail(new ConnError("refused", "The server selected none of the offered protocols."));
    }
    const given = this.#session.begin(this.#socket as Socket, protocol);
    if (!setup && !(given instanceof Promise)) return this.#ready(given, extensions);
    const early = this.#keepEarly();
    this.#prepare(given, early, extensions).catch((error) => this.#fail(error));
  }

  received(payload: Payload): void {
    const own = this.#session.incoming(payload);
    if (own === undefined) return;
    if (this.#early) this.#early.put(own);
    else this.#owner.received(own);
  }

  ended(ending: Ending): void {
    if (!this.isOpen && this.#target && this.#session.declined(ending.cause, ending.status)) {
      return this.#dialAgain(this.#target);
    }
    this.abandon();
    this.#owner.ended(ending);
  }

  ponged(): void {
    this.#owner.ponged();
  }

  /** Awaits the session, and then the application's setup. */
  async #prepare(given: Beginning | Promise<Beginning | undefined>, early: Inbox, extensions: string): Promise<void> {
    const { setup } = this.#owner.settings;
    const beginning = await given;
    if (this.#isLeft) return;
    if (!beginning) {
      this.#socket?.abandon();
      return this.#dialAgain(this.#target as Target);
    }
    if (setup && !beginning.resumed) {
      await this.#asked("setup", () => setup(this.#context(beginning.line, early)));
      if (this.#isLeft) return;
    }
    this.#ready(beginning, extensions);
  }

  #ready(beginning: Beginning, extensions: string): void {
    this.#target = undefined;
    this.#owner.ready({ socket: this.#socket as Socket, extensions, ...beginning });
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
  #dialAgain(target: Target): void {
    this.#session.left();
    this.#dial(target);
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
