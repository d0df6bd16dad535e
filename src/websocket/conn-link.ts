import { ABNORMAL, BAD_CERTIFICATE, NORMAL } from "../base/close-codes.ts";
import { ConnError } from "../base/errors.ts";
import type { Payload } from "../base/payload.ts";
import type { ConnEvents } from "../core/events.ts";
import type { Stats } from "../core/stats.ts";
import type { CloseBody } from "../whatwg/arguments.ts";
import { type Link, type LinkEnd, type LinkOwner, toFailure } from "../whatwg/link.ts";
import { inMicrotask } from "../whatwg/microtask.ts";

/**
 * The effect of a drop on the socket. `"close"`: CLOSED for good, as WHATWG says. `"reopen"`: a close event,
 * and then CONNECTING once more. `"hide"`: nothing, as long as the session is resumed.
 */
export type Drops = "close" | "reopen" | "hide";

/**
 * Which messages are taken while CONNECTING. `"none"`: `send()` throws, as WHATWG says. `"first"`: those before the first
 * open event. `"always"`: all, also those between two connections.
 */
export type QueueMode = "none" | "first" | "always";

/** The sentence of an error, where a codec was given. */
export const CARRIES = "A WebSocket carries strings and bytes: take a Conn for messages of a codec.";

/** The members of a Conn that are used, by structure, so that a server's Conn and another copy's fit. */
export interface SocketConn {
  /** As `conn.state`. */
  readonly state: string;
  /** As `conn.url`. */
  readonly url: string;
  /** As `conn.protocol`. */
  readonly protocol: string;
  /** As `conn.extensions`. */
  readonly extensions: string;
  /** As `conn.stats`. */
  readonly stats: Pick<Stats, "bufferedAmount" | "outbox">;
  /** As `conn.on()`. */
  on<Name extends keyof ConnEvents<Payload>>(
    event: Name,
    listener: (payload: ConnEvents<Payload>[Name]) => void,
  ): () => void;
  /** As `conn.write()`. */
  write(payload: Payload, options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;
  /** As `conn.close()`. */
  close(code?: number, reason?: string): Promise<unknown>;
}

/** The end of a connection that ended without a closing handshake. */
const LOST: LinkEnd = { code: ABNORMAL, reason: "", wasClean: false };

/** Carries the messages of a WebSocket over a Conn. */
export class ConnLink implements Link {
  readonly #conn: SocketConn;
  readonly #owner: LinkOwner;
  readonly #drops: Drops;
  readonly #queue: QueueMode;
  /** Whether the socket was ever open. */
  #hasOpened = false;
  /** The end that is reported to the socket in a microtask. */
  #end: LinkEnd | undefined;
  #isDetached = false;
  readonly #offs: (() => void)[];
  /** Takes back what a connection did not take, so that it is not sent on the next one. */
  #unsent = new AbortController();

  constructor(conn: SocketConn, owner: LinkOwner, drops: Drops, queue: QueueMode) {
    this.#conn = conn;
    this.#owner = owner;
    this.#drops = drops;
    this.#queue = queue;
    this.#hasOpened = conn.state === "open";
    this.#offs = [
      conn.on("open", (info) => this.#onOpen(info)),
      conn.on("message", (payload) => this.#onMessage(payload)),
      conn.on("state", ({ to }) => to === "closing" && owner.onClosing()),
      conn.on("disconnected", (info) => this.#onDisconnected(info)),
      conn.on("dropped", (info) => this.#onDropped(info)),
      conn.on("closed", (info) => this.#onClosed(info)),
    ];
    if (conn.state === "closed") this.#finish({ ...LOST, failure: {} });
  }

  get url(): string {
    return this.#conn.url;
  }

  get agreed(): { readonly protocol: string; readonly extensions: string } | undefined {
    return this.#conn.state === "open" ? this.#conn : undefined;
  }

  get unsentBytes(): number {
    const { bufferedAmount, outbox } = this.#conn.stats;
    return bufferedAmount + outbox.bytes;
  }

  get isQueueing(): boolean {
    return this.#queue === "always" || (this.#queue === "first" && !this.#hasOpened);
  }

  transmit(payload: Payload): void {
    if (this.#isDetached || this.#isEnding) return;
    // A message of "always" may wait for any connection; with "hide" the session is the connection.
    const isBound = this.#drops === "reopen" && this.#queue !== "always";
    this.#conn.write(payload, isBound ? { signal: this.#unsent.signal } : undefined);
  }

  close({ code = NORMAL, reason }: CloseBody): void {
    if (this.#isEnding) return;
    // Without a connection there is no closing handshake (WHATWG WebSockets, "close the WebSocket").
    if (this.#conn.state !== "open") this.#finish({ ...LOST, failure: this.#hasOpened ? undefined : {} });
    this.#conn.close(code, reason);
  }

  /**
   * Leaves the connection for another one; with a Conn that is ending, the Conn too. Returns the end of the connection,
   * unless the socket was informed of one before.
   */
  leave(): LinkEnd | undefined {
    const { state } = this.#conn;
    const end = this.#end ?? (state === "open" || state === "closing" ? LOST : undefined);
    this.#end = undefined;
    this.#takeBack();
    if (this.#isEnding) this.#detach();
    return end;
  }

  get #isEnding(): boolean {
    const { state } = this.#conn;
    return state === "closing" || state === "closed";
  }

  #onOpen({ protocol, extensions, reconnected, resumed }: ConnEvents<Payload>["open"]): void {
    if (this.#drops !== "hide" || !this.#hasOpened) {
      this.#hasOpened = true;
      return this.#owner.onOpen(protocol, extensions);
    }
    if (reconnected && !resumed) this.#finish(LOST);
  }

  #onMessage(payload: Payload): void {
    if (typeof payload === "string" || ArrayBuffer.isView(payload)) this.#owner.onMessage(payload);
    else this.#fail(new ConnError("misuse", CARRIES));
  }

  #onDisconnected(info: ConnEvents<Payload>["disconnected"]): void {
    if (this.#drops !== "reopen" || !info.willRetry) return;
    const { code, reason, clean, wasOpen, cause } = info;
    const failure = wasOpen && !isFailed(cause) ? undefined : toFailure(cause);
    // A page sees no other code for a dial that failed (WHATWG WebSockets, "fail the WebSocket connection").
    const isSent = !isFailed(cause) && code !== BAD_CERTIFICATE;
    const end = isSent ? { code, reason, wasClean: clean, failure } : { ...LOST, failure };
    if (this.#owner.isClosing()) {
      this.#finish(end);
      this.#conn.close();
      return;
    }
    this.#takeBack();
    this.#owner.onDisconnected(end);
  }

  /** Closes the socket when the outbox is full, as WHATWG does with a full buffer; one that reconnects reports the failure only. */
  #onDropped({ error, direction }: ConnEvents<Payload>["dropped"]): void {
    if (direction !== "out" || error.code !== "outbox-full") return;
    if (this.#drops === "reopen") this.#owner.onError(toFailure(error));
    else this.#fail(error);
  }

  #onClosed({ code, reason, clean, error }: ConnEvents<Payload>["closed"]): void {
    const cause = error?.cause;
    // An attempt that is given up never had a closing handshake, whatever code close() was given.
    if (!this.#hasOpened) return this.#finish({ ...LOST, failure: toFailure(cause ?? error) });
    if (!clean && isFailed(cause)) return this.#finish({ ...LOST, failure: toFailure(cause) });
    this.#finish({ code, reason, wasClean: clean });
  }

  #fail(error: ConnError): void {
    this.#finish({ ...LOST, failure: toFailure(error) });
    this.#conn.close();
  }

  /** Reports nothing but this end from here on. */
  #finish(end: LinkEnd): void {
    if (this.#isDetached) return;
    this.#detach();
    this.#end = end;
    // Never inside close(), whose caller expects CLOSING.
    inMicrotask(() => {
      const due = this.#end;
      // Before the events, because a listener of theirs may call reconnect(), which reports what is due.
      this.#end = undefined;
      if (due) this.#owner.onEnd(due);
    });
  }

  #detach(): void {
    this.#isDetached = true;
    for (const off of this.#offs) off();
  }

  #takeBack(): void {
    this.#unsent.abort();
    this.#unsent = new AbortController();
  }
}

/**
 * Whether the connection was failed (RFC 6455, section 7.1.7), for which WHATWG dispatches an error event. A silent peer
 * counts as a dropped connection, because graphql-ws would not dial again after an error event.
 */
function isFailed(cause: unknown): boolean {
  return cause instanceof ConnError && cause.code !== "timeout";
}
