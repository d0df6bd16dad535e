import { type DecodeOptions, decode, type EncodeOptions, encode, Token, Type } from "cborg";
import { Codec } from "./codec.ts";

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
  tags: {
    [EPOCH_TAG]: (content) => {
      const seconds: unknown = content();
      const date = new Date(typeof seconds === "number" ? Math.round(seconds * 1000) : Number.NaN);
      if (Number.isNaN(date.getTime())) throw new RangeError("Not a valid date.");
      return date;
    },
  },
};

/**
 * CBOR (RFC 8949) in binary frames; a text frame is refused. The types are not checked: wrap it in a validating codec
 * for that.
 *
 * Both ways: null, `undefined`, booleans, numbers, strings, arrays, plain objects, `Uint8Array` as byte string, `Date`
 * as tag 1, `bigint` of up to 64 bits as integer. One way: a Map becomes an object, other views become their bytes, an
 * integer is a number where that holds it exactly and a `bigint` elsewhere. Refused when sent: Set, functions, symbols,
 * longer `bigint`s; when received: keys that are no strings, other tags, anything behind the value. The key `__proto__`
 * is a key like any other.
 */
// biome-ignore lint/suspicious/noExplicitAny: as json(), whose types are the caller's to name
export function cbor<In = any, Out = In>(): Codec<In, Out> {
  return new Codec<In, Out>({
    marshal: (value) => encode(value, encoding),
    unmarshal: (payload) => {
      if (typeof payload === "string") throw new TypeError("CBOR travels in binary frames; got text.");
      return decode(payload, decoding) as In;
    },
  });
}
