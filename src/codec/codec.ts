import { addAbortListener } from "../base/abort-listeners.ts";
import { attachPayload, ConnError, failOption, textOf } from "../base/errors.ts";
import { functionRule, numberRule, type OptionRules, takeOptions } from "../base/option-rules.ts";
import { type Payload, toPayload } from "../base/payload.ts";
import type { SendOptions } from "../base/send-options.ts";
import { checkJson } from "./json-check.ts";

/** Bounds that a Conn passes to the codec with each payload. */
export interface DecodeLimits {
  /** Bytes of the longest message that the Conn accepts: what a codec inflates should stay within. */
  readonly maxPayloadBytes?: number | undefined;
}

/**
 * How values become payloads and payloads values. Both functions are synchronous. Errors that they throw are reported as
 * {@link ConnError} `marshal` or `unmarshal`. A codec can wrap another and call it.
 */
export interface CodecLike<In, Out = In> {
  /** Returns the payload of `value`: a string travels as text, bytes as a binary frame. */
  marshal(value: Out): Payload;
  /** Returns the value of `payload`. May throw on any payload, because the peer decides what it sends. */
  unmarshal(payload: Payload, limits?: DecodeLimits): In;
}

/** The part of a Conn that a codec needs, to send and to receive one value in another codec's form. */
export interface CodecConn {
  /** As `conn.send()`: the options name the codec. */
  send(value: never, options?: object): Promise<void>;
  /** As `conn.receive()`: the options name the codec. */
  receive<T>(options: ReceiveOptions & { readonly codec: CodecLike<T, never> }): Promise<T>;
  /** As `conn.closed`: its error decides whether {@link Codec.messages} ends or throws. */
  readonly closed: Promise<{
    /** Why the Conn ended, unless it ended well. */
    readonly error?: ConnError | undefined;
  }>;
}

/** Options of one wait. */
export interface ReceiveOptions {
  /** Stops waiting when aborted; no message is lost by it. Default none. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A pair of functions that can also send and receive on a Conn that has another codec, as in Go's package.
 *
 * @example
 * const dates = new Codec({
 *   marshal: (date: Date) => date.toISOString(),
 *   unmarshal: (payload) => new Date(String(payload)),
 * });
 * await dates.send(conn, new Date());
 */
export class Codec<In, Out = In> implements CodecLike<In, Out> {
  /** The pair's own `marshal`, which may be passed on alone. */
  readonly marshal: (value: Out) => Payload;
  /** The pair's own `unmarshal`, which may be passed on alone. */
  readonly unmarshal: (payload: Payload, limits?: DecodeLimits) => In;

  /** Takes a pair of functions. A pair that needs state keeps it itself. */
  constructor(pair: CodecLike<In, Out>) {
    this.marshal = (value) => pair.marshal(value);
    this.unmarshal = (payload, limits) => pair.unmarshal(payload, limits);
  }

  /** Sends `value` in this codec's form, whatever codec `conn` has. Settles and throws as `conn.send()`. */
  send(conn: CodecConn, value: Out, options?: SendOptions): Promise<void> {
    return conn.send(value as never, { ...options, codec: this });
  }

  /** Receives the next message in this codec's form. Rejects as `conn.receive()`. */
  receive(conn: CodecConn, options?: ReceiveOptions): Promise<In> {
    return conn.receive({ ...options, codec: this });
  }

  /** Receives every message from here on, skipping what can't be decoded. Ends as iteration of `conn` does. */
  messages(conn: CodecConn, options?: ReceiveOptions): AsyncIterableIterator<In> {
    return iterate((signal) => conn.receive({ signal, codec: this }), conn.closed, options?.signal);
  }
}

/**
 * Text and bytes as they are: `string` for a text frame, `Uint8Array` for a binary one.
 *
 * @example
 * ```ts
 * await message.send(conn, new Uint8Array([1, 2, 3]));
 * ```
 */
export const message: Codec<Payload> = /* @__PURE__ */ new Codec<Payload>({
  marshal: (value) => value,
  unmarshal: (payload) => payload,
});

/**
 * Strings in text frames. A binary frame must hold valid UTF-8.
 *
 * @example
 * ```ts
 * const conn = new Conn("wss://example.com/log", { codec: text });
 * ```
 */
export const text: Codec<string> = /* @__PURE__ */ new Codec<string>({
  marshal: (value) => {
    if (typeof value !== "string") throw new TypeError(`text takes a string; got ${typeof value}.`);
    return value;
  },
  unmarshal: toText,
});

/**
 * Bytes in binary frames. A text frame is decoded to its UTF-8 bytes.
 *
 * @example
 * ```ts
 * const conn = new Conn("wss://example.com/audio", { codec: bytes });
 * ```
 */
export const bytes: Codec<Uint8Array> = /* @__PURE__ */ new Codec<Uint8Array>({
  marshal: (value) => {
    if (!ArrayBuffer.isView(value)) throw new TypeError(`bytes takes a Uint8Array; got ${typeof value}.`);
    return value;
  },
  unmarshal: (payload) => (typeof payload === "string" ? new TextEncoder().encode(payload) : payload),
});

/** Arguments of `JSON.stringify` and `JSON.parse`, and a bound of what one message decodes to. */
export interface JsonOptions {
  /** Passed to `JSON.stringify`. Default none. */
  readonly replacer?: ((this: unknown, key: string, value: unknown) => unknown) | undefined;
  /** Passed to `JSON.parse`. Default none. */
  readonly reviver?: ((this: unknown, key: string, value: unknown) => unknown) | undefined;
  /**
   * Values that a message may hold: each number, string, key, array and so on counts as one, and an empty array or object
   * as two. A message of more is refused: `unmarshal`. At least 1; default 1,000,000.
   */
  readonly maxElements?: number | undefined;
}

const JSON_RULES: OptionRules<JsonOptions> = {
  replacer: /* @__PURE__ */ functionRule(),
  reviver: /* @__PURE__ */ functionRule(),
  maxElements: /* @__PURE__ */ numberRule(1, 1_000_000),
};

/**
 * Creates the codec of JSON (RFC 8259) in text frames. A binary frame must hold valid UTF-8. The types are what the two ends
 * agreed on and are not checked: wrap the codec in `validated()` for that. `undefined` and functions have no JSON and are
 * refused.
 *
 * @throws ConnError `bad-option`
 *
 * @example
 * const conn = new Conn("wss://example.com/chat", { codec: json<Message, Command>() });
 */
export function json<In = unknown, Out = In>(options: JsonOptions = {}): Codec<In, Out> {
  const { replacer, reviver, maxElements } = takeOptions("json: ", JSON_RULES, options, failOption);
  return new Codec<In, Out>({
    marshal: (value) => {
      const string: string | undefined = JSON.stringify(value, replacer);
      if (string === undefined) throw new TypeError(`JSON has no form for ${typeof value}.`);
      return string;
    },
    unmarshal: (payload) => {
      const string = toText(payload);
      checkJson(string, maxElements as number);
      try {
        return JSON.parse(string, reviver) as In;
      } catch (error) {
        // Without the quotation that V8 and WebKit put into the message, because it may hold a secret.
        if (error instanceof SyntaxError) throw new SyntaxError(error.message.replace(/".*"/s, "it"));
        throw error;
      }
    },
  });
}

/** Returns the payload of `value`. @throws {@link ConnError} `marshal` */
export function marshal<Out>(codec: { marshal(value: Out): Payload }, value: Out): Payload {
  let payload: Payload | undefined;
  try {
    payload = toPayload(codec.marshal(value));
  } catch (cause) {
    throw codecError("marshal", cause);
  }
  if (payload !== undefined) return payload;
  throw new ConnError("marshal", "A message must be a string or bytes: give codec: json() for other values.");
}

/** Returns the value of `payload`. @throws {@link ConnError} `unmarshal` */
export function unmarshal<In>(codec: CodecLike<In, never>, payload: Payload, limits?: DecodeLimits): In {
  try {
    return codec.unmarshal(payload, limits);
  } catch (cause) {
    throw codecError("unmarshal", cause, payload);
  }
}

/** Returns the text of `payload`. @throws TypeError for bytes that are not UTF-8 */
export function toText(payload: Payload): string {
  return typeof payload === "string"
    ? payload
    : new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(payload);
}

/**
 * Creates an iterator over `receive` that skips what can't be decoded and ends when the Conn ends well. `return()`
 * withdraws a receive that is still waiting, so that it takes no message.
 */
export function iterate<T>(
  receive: (signal: AbortSignal) => Promise<T>,
  closed: CodecConn["closed"],
  signal?: AbortSignal,
): AsyncIterableIterator<T> {
  const controller = new AbortController();
  const abort = () => controller.abort(signal?.reason);
  const end = (): IteratorResult<T> => ({ done: true, value: undefined });
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      if (signal?.aborted) abort();
      // Only while a call waits, so that an iterator that was left leaves no listener behind.
      const removeListener = signal && addAbortListener(signal, abort);
      try {
        for (;;) {
          try {
            return { done: false, value: await receive(controller.signal) };
          } catch (error) {
            const code = error instanceof ConnError ? error.code : undefined;
            // The codec refused this message only, and the Conn has emitted the error.
            if (code === "unmarshal") continue;
            if (code === "closed" && !(await closed).error) return end();
            // Aborted by return(), and not by the caller's signal, whose error is thrown.
            if (code === "aborted" && controller.signal.aborted && !signal?.aborted) return end();
            throw error;
          }
        }
      } finally {
        removeListener?.();
      }
    },
    async return() {
      abort();
      return end();
    },
  };
}

/** Creates the ConnError for what a codec threw, with the message that the error is about. */
function codecError(code: "marshal" | "unmarshal", cause: unknown, payload?: Payload): ConnError {
  if (!(cause instanceof ConnError))
    return new ConnError(code, `${code}() failed: ${textOf(cause)}`, { cause, payload });
  attachPayload(cause, payload);
  return cause;
}
