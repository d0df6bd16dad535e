import { type DecodeOptions, decode, type EncodeOptions, encode, Token, Tokenizer, Type } from "cborg";
import { ConnError } from "../base/errors.ts";
import { takeOptions } from "../base/option-rules.ts";
import { Codec } from "./codec.ts";
import { BOUND_RULES, type DecodeBounds, ElementCounter } from "./decode-bounds.ts";

/** The bounds of a decoded message. */
export interface CborOptions extends DecodeBounds {}

/** Tag of a date as seconds since 1970 (RFC 8949, section 3.4.2). */
const EPOCH_TAG = 1;

const encoding: EncodeOptions = {
  // Keys keep their order, as in JSON: sorting them would only cost time.
  mapSorter: () => 0,
  typeEncoders: {
    Date: (date: Date) => {
      if (Number.isNaN(date.getTime())) throw new RangeError("The Date is invalid.");
      return [new Token(Type.tag, EPOCH_TAG), new Token(Type.float, date.getTime() / 1000)];
    },
  },
};

const decoding: DecodeOptions = {
  // The library's defaults, which it does not add for a tokenizer of ours.
  allowIndefinite: true,
  allowUndefined: true,
  allowBigInt: true,
  tags: {
    [EPOCH_TAG]: (content) => {
      const seconds: unknown = content();
      const date = new Date(typeof seconds === "number" ? Math.round(seconds * 1000) : Number.NaN);
      if (Number.isNaN(date.getTime())) throw new RangeError("Not a valid date.");
      return date;
    },
  },
};

/** Counts what it reads, so that the decoder creates no more than the bounds allow. */
class BoundedTokenizer extends Tokenizer {
  readonly #counter: ElementCounter;

  constructor(payload: Uint8Array, bounds: DecodeBounds) {
    // A view without the Buffer, whose parts are slow and no plain bytes.
    super(new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength), decoding);
    this.#counter = new ElementCounter(bounds, payload.length);
  }

  override next(): Token {
    const token = super.next();
    const { type, value } = token;
    if (type === Type.break) this.#counter.end();
    // An array's value is the number of its elements, a map's of its pairs. A tag has one element.
    else this.#counter.add(type === Type.array ? value : type === Type.map ? 2 * value : type === Type.tag ? 1 : 0);
    return token;
  }
}

/**
 * Creates the codec of CBOR (RFC 8949) in binary frames; a text frame is refused. The types are not checked: wrap the codec in
 * `validated()` for that.
 *
 * Both ways: null, `undefined`, booleans, numbers, strings, arrays, plain objects, `Uint8Array` as byte string, `Date`
 * as tag 1, `bigint` of up to 64 bits as integer. One way: a Map becomes an object, other views become their bytes, an
 * integer is a number where that holds it exactly and a `bigint` elsewhere. Refused when sent: Set, functions, symbols,
 * longer `bigint`s; when received: keys that are no strings, other tags, more values or levels than the options
 * allow, anything after the value. The key `__proto__` is a key like any other.
 *
 * @throws ConnError `bad-option`
 * @example
 * const conn = new Conn("wss://example.com/live", { codec: cbor<Quote, Order>() });
 */
export function cbor<In = unknown, Out = In>(options: CborOptions = {}): Codec<In, Out> {
  // Not by failOption(), because this build shares only public names, such as ConnError, with the core.
  const bounds = takeOptions("", BOUND_RULES, options, (text) => new ConnError("bad-option", text));
  return new Codec<In, Out>({
    marshal: (value) => encode(value, encoding),
    unmarshal: (payload) => {
      if (typeof payload === "string") throw new TypeError("CBOR travels in binary frames; got text.");
      return decode(payload, { ...decoding, tokenizer: new BoundedTokenizer(payload, bounds) }) as In;
    },
  });
}
