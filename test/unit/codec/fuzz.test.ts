import { afterEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { cbor } from "../../../src/codec/cbor.ts";
import { marshal, unmarshal } from "../../../src/codec/codec.ts";
import { compressed } from "../../../src/codec/compressed.ts";
import { msgpack } from "../../../src/codec/msgpack.ts";
import { validated } from "../../../src/codec/validated.ts";
import { bytes, type CodecLike, ConnError, json, message, type Payload, text } from "../../../src/index.ts";
import fc from "../../support/fuzz.ts";

// The whole file keeps to a few seconds; raise it to search longer.
const NUM_RUNS = Number(process.env.FUZZ_RUNS ?? 500);

const anyBytes = fc.uint8Array({ maxLength: 5000 });
const anyText = fc.string({ unit: "binary", maxLength: 2000 });

/** Values with what both text and binary codecs can hold. Negative zero is 0 to all of them. */
const plain = fc.anything({
  key: fc.oneof(fc.string(), fc.constantFrom("constructor", "toString")),
  values: [
    fc.boolean(),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((it) => it + 0 || 0),
    fc.string(),
    fc.constant(null),
  ],
  withNullPrototype: false,
});
/** CBOR's dates are seconds in a double, which hold a millisecond for some 69,000 years. */
const date = fc.date({ min: new Date("0000-01-01"), max: new Date("9999-12-31"), noInvalidDate: true });
const rich = fc.oneof(
  plain,
  fc.array(fc.oneof(plain, anyBytes, date)),
  fc.dictionary(
    fc.string().filter((key) => key !== "__proto__"),
    fc.oneof(anyBytes, date),
  ),
);

interface Subject {
  readonly codec: CodecLike<unknown, never>;
  readonly values: fc.Arbitrary<unknown>;
}

const subjects: Record<string, Subject> = {
  message: { codec: message, values: fc.oneof(anyBytes, anyText) },
  text: { codec: text, values: anyText },
  bytes: { codec: bytes, values: anyBytes },
  json: { codec: json(), values: plain },
  msgpack: { codec: msgpack(), values: rich },
  cbor: { codec: cbor(), values: rich },
  compressed: { codec: compressed(message, { thresholdBytes: 10 }), values: fc.oneof(anyBytes, anyText) },
  "compressed cbor": { codec: compressed(cbor(), { thresholdBytes: 10 }), values: rich },
  "validated json": { codec: validated(json(), z.array(z.number())), values: fc.array(fc.integer()) },
};

const encoded = (payload: Payload) => (typeof payload === "string" ? new TextEncoder().encode(payload) : payload);

/** One change to bytes: some are overwritten, taken out or put in. */
const change = fc.record({ at: fc.nat(), drop: fc.nat({ max: 4 }), insert: fc.uint8Array({ maxLength: 8 }) });

function changed(
  original: Uint8Array,
  changes: readonly { at: number; drop: number; insert: Uint8Array }[],
): Uint8Array {
  const result = [...original];
  for (const { at, drop, insert } of changes) result.splice(at % (result.length + 1), drop, ...insert);
  return Uint8Array.from(result);
}

function survives(codec: CodecLike<unknown, never>, payload: Payload): void {
  try {
    unmarshal(codec, payload);
  } catch (error) {
    expect(error).toBeInstanceOf(ConnError);
    expect((error as ConnError).code).toBe("unmarshal");
  }
}

afterEach(() => {
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  expect(Object.keys(Object.prototype)).toEqual([]);
});

describe.each(Object.entries(subjects))("%s", (_name, { codec, values }) => {
  const check = <T>(arbitrary: fc.Arbitrary<T>, holds: (it: T) => void) =>
    fc.assert(
      fc.property(arbitrary, (it) => {
        holds(it);
      }),
      { numRuns: NUM_RUNS },
    );

  test("what was sent is what arrives", () => {
    check(values, (value) => expect(unmarshal(codec, marshal(codec, value as never))).toEqual(value));
  });

  test("any payload is decoded or refused", () => {
    check(fc.oneof(anyBytes, anyText), (payload) => survives(codec, payload));
  });

  test("any payload that begins as a message of it is decoded or refused", () => {
    check(fc.tuple(fc.nat({ max: 2 }), anyBytes), ([first, rest]) => survives(codec, Uint8Array.of(first, ...rest)));
  });

  test("a message with something changed is decoded or refused", () => {
    check(fc.tuple(values, fc.array(change, { minLength: 1, maxLength: 3 })), ([value, changes]) => {
      survives(codec, changed(encoded(marshal(codec, value as never)), changes));
    });
  });
});

test("keys that reach for prototypes pollute nothing", () => {
  const key = fc.constantFrom("__proto__", "constructor", "prototype");
  const evil = fc.array(key, { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(evil, (path) => {
      const source = path.reduceRight((inner, name) => `{${JSON.stringify(name)}:${inner}}`, '{"polluted":1}');
      const value = JSON.parse(source) as never;
      for (const codec of [json(), cbor(), compressed(json(), { thresholdBytes: 1 })]) {
        const arrived = unmarshal(codec, marshal(codec, value)) as object;
        expect(Object.getPrototypeOf(arrived)).toBe(Object.prototype);
        expect("polluted" in {}).toBe(false);
      }
      survives(msgpack(), marshal(cbor(), value));
    }),
  );
});
