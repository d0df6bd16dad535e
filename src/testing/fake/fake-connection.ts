import { MAX_REASON_BYTES } from "../../base/close-codes.ts";
import { type Deferred, deferred } from "../../base/deferred.ts";
import { badOption, ConnError, failOption, onAbort } from "../../base/errors.ts";
import { type OptionRules, signalRule, takeOptions } from "../../base/option-rules.ts";
import { exceeds, type Payload } from "../../base/payload.ts";
import { type CodecLike, marshal, unmarshal } from "../../codec/codec.ts";
import type { FakeCloseInfo, FakeLine, LineServer } from "./fake-line.ts";
import type { FakeSession } from "./fake-session.ts";

/** One connection, as its server sees it. `In` is what the client sends, `Out` what the server sends. */
export interface FakeConnection<In, Out> {
  /** The URL that was dialed. */
  readonly url: string;
  /** The subprotocols that the client offered, without those of resume. */
  readonly offered: readonly string[];
  /** The subprotocol that was selected, `""` for none. */
  readonly protocol: string;
  /** Whether the connection continues a session of an earlier one. */
  readonly resumed: boolean;
  /** Whether the connection is open, as far as the server knows. */
  readonly isOpen: boolean;
  /** Resolves when the connection has ended, with how it ended. */
  readonly closed: Promise<FakeCloseInfo>;
  /**
   * The messages that came on this connection, decoded, in order. With resume a message is on one connection of the session only.
   *
   * @throws ConnError `unmarshal` if one can't be decoded
   */
  readonly received: readonly In[];
  /**
   * Resolves with the next message. Messages that came earlier are kept for it.
   *
   * Rejects with ConnError `unmarshal` for a message that can't be decoded (the next call gives the one after it), with
   * `closed` when the connection has ended and no message is left, with `aborted` when the signal is aborted.
   */
  receive(options?: { readonly signal?: AbortSignal | undefined }): Promise<In>;
  /**
   * Sends a message. With resume it belongs to the session: it also goes out when the client comes back.
   *
   * @throws ConnError `closed` when the connection has ended or is closing, `marshal` for what the codec refuses
   */
  send(message: Out): void;
  /**
   * Closes with a close frame, after what was sent. Default 1000 and no reason. With resume it ends the session.
   *
   * @throws ConnError `bad-option` for a code that no server may send, or a reason longer than 123 bytes
   */
  close(code?: number, reason?: string): void;
  /** Ends the connection for both sides without a close frame (1006). Messages on their way are lost. */
  drop(): void;
  /** Delivers nothing in either direction, as a half-open connection does, until `heal()`. */
  blackhole(): void;
  /** Stops reading, so that the client's `bufferedAmount` grows, until `heal()`. */
  stall(): void;
  /** Ends `blackhole()` and `stall()`, and delivers in order what was held up. */
  heal(): void;
}

/** A message, or why it could not be decoded. */
interface Decoded<In> {
  readonly value?: In;
  readonly error?: unknown;
}

interface Waiting<In> extends Deferred<In> {
  isOver: boolean;
}

/** The options of a call that waits. */
export const WAITING: OptionRules<{ readonly signal?: AbortSignal | undefined }> = { signal: signalRule() };

/** Close codes below 3000 that an endpoint may send (RFC 6455, section 7.4.1; IANA). */
const SENDABLE: ReadonlySet<number> = new Set([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014]);

/** The server's end of one line, or of the part of a session that went over it. */
export class ServerConnection<In, Out> implements FakeConnection<In, Out>, LineServer {
  readonly url: string;
  readonly offered: readonly string[];
  readonly protocol: string;
  readonly resumed: boolean;
  readonly #line: FakeLine;
  readonly #codec: CodecLike<In, Out>;
  readonly #session: FakeSession | undefined;
  readonly #messages: Decoded<In>[] = [];
  readonly #closed = deferred<FakeCloseInfo>();
  readonly #waiting: Waiting<In>[] = [];
  /** How many messages `receive()` has given. */
  #taken = 0;
  #end: FakeCloseInfo | undefined;

  constructor(
    line: FakeLine,
    codec: CodecLike<In, Out>,
    protocols: { readonly offered: readonly string[]; readonly protocol: string },
    session?: FakeSession,
    resumed = false,
  ) {
    this.url = line.target.url;
    this.offered = protocols.offered;
    this.protocol = protocols.protocol;
    this.#line = line;
    this.#codec = codec;
    this.#session = session;
    this.resumed = resumed;
  }

  get isOpen(): boolean {
    return this.#line.isWritable && this.#end === undefined;
  }

  get closed(): Promise<FakeCloseInfo> {
    return this.#closed.promise;
  }

  get received(): readonly In[] {
    return this.#messages.map(({ error, value }) => {
      if (error !== undefined) throw error;
      return value as In;
    });
  }

  receive(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<In> {
    const { signal } = takeOptions("", WAITING, options, failOption);
    const waiting = { ...deferred<In>(), isOver: false };
    onAbort(signal, waiting.promise, (error) => {
      waiting.isOver = true;
      waiting.reject(error);
    });
    this.#waiting.push(waiting);
    this.#settle();
    return waiting.promise;
  }

  send(message: Out): void {
    const payload = marshal(this.#codec, message);
    if (this.#session?.send(payload)) return;
    if (this.#session || !this.isOpen) {
      throw new ConnError("closed", `Nothing can be sent: ${this.#describeEnd()}.`, { payload });
    }
    this.#line.send(payload);
  }

  close(code = 1000, reason = ""): void {
    if (!SENDABLE.has(code) && !(Number.isInteger(code) && code >= 3000 && code <= 4999)) {
      throw badOption("code", "1000 to 1003, 1007 to 1014 or 3000 to 4999 (drop() gives none)", code);
    }
    if (typeof reason !== "string" || exceeds(reason, MAX_REASON_BYTES)) {
      throw badOption("reason", `a string of at most ${MAX_REASON_BYTES} bytes of UTF-8`, reason);
    }
    if (this.#session) this.#session.close({ code, reason });
    else this.#line.closeFromServer({ code, reason });
  }

  drop(): void {
    this.#line.drop();
  }

  blackhole(): void {
    this.#line.blackhole();
  }

  stall(): void {
    this.#line.stall();
  }

  heal(): void {
    this.#line.heal();
  }

  // Called by the line and the session.

  onMessage(payload: Payload): void {
    this.#messages.push(decode(this.#codec, payload));
    this.#settle();
  }

  onEnd(info: FakeCloseInfo): void {
    if (this.#end) return;
    this.#end = info;
    this.#closed.resolve(info);
    this.#settle();
  }

  #settle(): void {
    while (this.#waiting.length > 0) {
      const next = this.#waiting[0] as Waiting<In>;
      const message = this.#messages[this.#taken];
      if (!next.isOver && !message && !this.#end) return;
      this.#waiting.shift();
      if (next.isOver) continue;
      if (message) this.#taken++;
      if (message && message.error === undefined) next.resolve(message.value as In);
      else next.reject(message?.error ?? new ConnError("closed", `No message will come: ${this.#describeEnd()}.`));
    }
  }

  #describeEnd(): string {
    const after = `after ${this.#messages.length} messages of the client`;
    if (!this.#end) return `the server is closing the connection, ${after}`;
    const { code, reason } = this.#end;
    return `the connection ended with ${code}${reason && ` (${reason})`}, ${after}`;
  }
}

function decode<In>(codec: CodecLike<In, never>, payload: Payload): Decoded<In> {
  try {
    return { value: unmarshal(codec, payload) };
  } catch (error) {
    return { error };
  }
}
