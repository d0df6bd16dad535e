import { decode, Encoder, ExtensionCodec } from "@msgpack/msgpack";
import { failOption } from "../base/errors.ts";
import { flagRule, type OptionRules, takeOptions } from "../base/option-rules.ts";
import { Codec } from "./codec.ts";
import { BOUND_RULES, type DecodeBounds, ElementCounter, MAX_DEPTH } from "./decode-bounds.ts";
import { checkMsgpack } from "./msgpack-check.ts";

/** How numbers of 64 bits are represented, and the bounds of a decoded message. */
export interface MsgpackOptions extends DecodeBounds {
  /**
   * Whether 64-bit integers are `bigint`s, both ways. Where they are not, they are numbers, a `bigint` can't be sent,
   * and an integer that a number can't hold exactly is refused. Default false.
   */
  readonly bigints?: boolean | undefined;
}

const RULES: OptionRules<MsgpackOptions> = { bigints: flagRule(false), ...BOUND_RULES };

/** Refuses values for which the library would send an empty map, or return a class of its own. */
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
 * Creates the codec of [MessagePack](https://github.com/msgpack/msgpack/blob/master/spec.md) in binary frames; a text frame is
 * refused. The types are not checked: wrap the codec in `validated()` for that.
 *
 * Both ways: null, booleans, numbers, strings, arrays, plain objects, `Uint8Array` as bin, `Date` as timestamp. One way:
 * an `undefined` property is left out, `undefined` elsewhere becomes null, other views become their bytes. Refused when
 * sent: Map, Set, functions, symbols; when received: the key `__proto__`, extension types other than timestamps, more
 * values or levels than the options allow, anything after the value.
 *
 * @throws ConnError `bad-option`
 * @example
 * const conn = new Conn("wss://example.com/live", { codec: msgpack<Quote, Order>() });
 */
export function msgpack<In = unknown, Out = In>(options: MsgpackOptions = {}): Codec<In, Out> {
  const { bigints = false, ...bounds } = takeOptions("", RULES, options, failOption);
  const extensionCodec = new Extensions();
  // The library counts what is in the innermost array as a level.
  const encoder = new Encoder({ extensionCodec, useBigInt64: bigints, ignoreUndefined: true, maxDepth: MAX_DEPTH + 1 });
  return new Codec<In, Out>({
    marshal: (value) => encoder.encode(value),
    unmarshal: (payload) => {
      if (typeof payload === "string") throw new TypeError("MessagePack travels in binary frames; got text.");
      checkMsgpack(payload, bigints, new ElementCounter(bounds, payload.length));
      return decode(payload, { extensionCodec, useBigInt64: bigints }) as In;
    },
  });
}
