import { ConnError } from "../base/errors.ts";
import { isPayload, type Payload, type SendOptions } from "../base/payload.ts";

/**
 * How values become payloads and payloads values. Both functions are synchronous; what they throw is reported as
 * {@link ConnError} `marshal` or `unmarshal`. A codec is wrapped by another that calls it.
 */
export interface CodecLike<In, Out = In> {
  /** The payload of `value`: a string travels as text, bytes as a binary frame. */
  marshal(value: Out): Payload;
  /** The value of `payload`. It may throw on anything: the peer decides what comes. */
  unmarshal(payload: Payload): In;
}

/** What a codec needs of a Conn: to send and to receive one value in another codec's form. */
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

/** What can be said of one wait. */
export interface ReceiveOptions {
  /** Gives up waiting when aborted; no message is lost by it. Default none. */
  readonly signal?: AbortSignal | undefined;
}

/** A pair of functions that can also send and receive on a Conn that has another codec, as in Go's package. */
export class Codec<In, Out = In> implements CodecLike<In, Out> {
  /** The pair's own `marshal`, which may be passed on alone. */
  readonly marshal: (value: Out) => Payload;
  /** The pair's own `unmarshal`, which may be passed on alone. */
  readonly unmarshal: (payload: Payload) => In;

  /** Takes a pair of functions; one that needs state keeps it itself. */
  constructor(pair: CodecLike<In, Out>) {
    this.marshal = (value) => pair.marshal(value);
    this.unmarshal = (payload) => pair.unmarshal(payload);
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

/** Text and bytes as they are: `string` for a text frame, `Uint8Array` for a binary one. */
export const message: Codec<Payload> = /* @__PURE__ */ new Codec<Payload>({
  marshal: (value) => value,
  unmarshal: (payload) => payload,
});

/** Strings in text frames; a binary frame must hold valid UTF-8. */
export const text: Codec<string> = /* @__PURE__ */ new Codec<string>({
  marshal: (value) => {
    if (typeof value !== "string") throw new TypeError("Expected a string.");
    return value;
  },
  unmarshal: toText,
});

/** Bytes in binary frames; text is taken as its UTF-8. */
export const bytes: Codec<Uint8Array> = /* @__PURE__ */ new Codec<Uint8Array>({
  marshal: (value) => {
    if (!(value instanceof Uint8Array)) throw new TypeError("Expected a Uint8Array.");
    return value;
  },
  unmarshal: (payload) => (typeof payload === "string" ? new TextEncoder().encode(payload) : payload),
});

/** What `JSON.stringify` and `JSON.parse` take. */
export interface JsonOptions {
  /** Given to `JSON.stringify`. Default none. */
  readonly replacer?: ((this: unknown, key: string, value: unknown) => unknown) | undefined;
  /** Given to `JSON.parse`. Default none. */
  readonly reviver?: ((this: unknown, key: string, value: unknown) => unknown) | undefined;
}

/**
 * JSON (RFC 8259) in text frames; a binary frame must hold valid UTF-8. The types are what the two ends agreed on and
 * are not checked: wrap it in a validating codec for that. `undefined` and functions have no JSON and are refused.
 */
// biome-ignore lint/suspicious/noExplicitAny: as JSON.parse, whose result TypeScript leaves to the caller
export function json<In = any, Out = In>({ replacer, reviver }: JsonOptions = {}): Codec<In, Out> {
  return new Codec<In, Out>({
    marshal: (value) => {
      const string: string | undefined = JSON.stringify(value, replacer);
      if (string === undefined) throw new TypeError(`JSON has no form for ${typeof value}.`);
      return string;
    },
    unmarshal: (payload) => JSON.parse(toText(payload), reviver),
  });
}

/** The payload of `value`. @throws {@link ConnError} `marshal` */
export function marshal<Out>(codec: { marshal(value: Out): Payload }, value: Out): Payload {
  let payload: unknown;
  try {
    payload = codec.marshal(value);
  } catch (cause) {
    throw codecError("marshal", cause);
  }
  if (isPayload(payload)) return payload;
  throw new ConnError("marshal", "A codec's marshal() must return a string or a Uint8Array.");
}

/** The value of `payload`. @throws {@link ConnError} `unmarshal` */
export function unmarshal<In>(codec: CodecLike<In, never>, payload: Payload): In {
  try {
    return codec.unmarshal(payload);
  } catch (cause) {
    throw codecError("unmarshal", cause, payload);
  }
}

/** The text of `payload`. @throws TypeError for bytes that are not UTF-8 */
export function toText(payload: Payload): string {
  return typeof payload === "string"
    ? payload
    : new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(payload);
}

/**
 * An iterator over `receive` that skips what can't be decoded and ends when the Conn ends well. `return()` withdraws
 * a receive that is still waiting, so that it takes no message.
 */
export function iterate<T>(
  receive: (signal: AbortSignal) => Promise<T>,
  closed: CodecConn["closed"],
  signal?: AbortSignal,
): AsyncIterableIterator<T> {
  const controller = new AbortController();
  const letGo = () => controller.abort(signal?.reason);
  const done = () => signal?.removeEventListener("abort", letGo);
  const end = (): IteratorResult<T> => {
    done();
    return { done: true, value: undefined };
  };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      if (signal?.aborted) letGo();
      signal?.addEventListener("abort", letGo);
      for (;;) {
        try {
          return { done: false, value: await receive(controller.signal) };
        } catch (error) {
          const code = error instanceof ConnError ? error.code : undefined;
          if (code === "unmarshal") continue;
          if (code === "closed" && !(await closed).error) return end();
          if (code === "aborted" && controller.signal.aborted && !signal?.aborted) return end();
          done();
          throw error;
        }
      }
    },
    async return() {
      letGo();
      return end();
    },
  };
}

/** What a codec threw, as a ConnError with the message that it is about. */
function codecError(code: "marshal" | "unmarshal", cause: unknown, payload?: Payload): ConnError {
  if (cause instanceof ConnError) return Object.assign(cause, { payload: cause.payload ?? payload });
  return new ConnError(code, `${code}() failed: ${cause}`, { cause, payload });
}
