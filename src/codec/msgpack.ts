import { decode, Encoder, ExtensionCodec } from "@msgpack/msgpack";
import { Codec } from "./codec.ts";
import { checkMsgpack, MAX_DEPTH } from "./msgpack-check.ts";

/** How MessagePack's numbers are taken. */
export interface MsgpackOptions {
  /**
   * Whether 64-bit integers are `bigint`s, both ways. Where they are not, they are numbers, a `bigint` can't be sent,
   * and an integer that a number can't hold exactly is refused. Default false.
   */
  readonly bigints?: boolean | undefined;
}

/** Says no where the library would send an empty map, or hand out a class of its own. */
class Extensions extends ExtensionCodec {
  override tryToEncode(object: unknown, context: undefined): ReturnType<ExtensionCodec["tryToEncode"]> {
    if (object instanceof Map || object instanceof Set)
      throw new TypeError("MessagePack has no form for a Map or a Set.");
    if (object instanceof Date && Number.isNaN(object.getTime())) throw new RangeError("The Date is invalid.");
    return super.tryToEncode(object, context);
  }

  override decode(data: Uint8Array, type: number, context: undefined): unknown {
    const value = super.decode(data, type, context);
    if (value instanceof Date && !Number.isNaN(value.getTime())) return value;
    throw new TypeError(`Not a valid timestamp: extension type ${type}.`);
  }
}

/**
 * [MessagePack](https://github.com/msgpack/msgpack/blob/master/spec.md) in binary frames; a text frame is refused. The
 * types are not checked: wrap it in a validating codec for that.
 *
 * Both ways: null, booleans, numbers, strings, arrays, plain objects, `Uint8Array` as bin, `Date` as timestamp. One way:
 * an `undefined` property is left out, `undefined` elsewhere becomes null, other views become their bytes. Refused when
 * sent: Map, Set, functions, symbols; when received: the key `__proto__`, extension types other than timestamps,
 * nesting deeper than 1,000, anything behind the value.
 */
// biome-ignore lint/suspicious/noExplicitAny: as json(), whose types are the caller's to name
export function msgpack<In = any, Out = In>({ bigints = false }: MsgpackOptions = {}): Codec<In, Out> {
  const extensionCodec = new Extensions();
  // The library counts what is in the innermost array as a level.
  const encoder = new Encoder({ extensionCodec, useBigInt64: bigints, ignoreUndefined: true, maxDepth: MAX_DEPTH + 1 });
  return new Codec<In, Out>({
    marshal: (value) => encoder.encode(value),
    unmarshal: (payload) => {
      if (typeof payload === "string") throw new TypeError("MessagePack travels in binary frames; got text.");
      checkMsgpack(payload, bigints);
      return decode(payload, { extensionCodec, useBigInt64: bigints }) as In;
    },
  });
}
