import { describe, expect, test } from "vitest";
import { cbor } from "../../../src/codec/cbor.ts";
import { json, unmarshal } from "../../../src/codec/codec.ts";
import { msgpack } from "../../../src/codec/msgpack.ts";
import { thrown } from "../../support/conn.ts";

const refused = (message: RegExp) => ({ code: "unmarshal", message });

/** The head of an array with a length of 32 bits, an empty map, and the head of an array of one. */
const CODECS = [
  ["msgpack", msgpack, Uint8Array.of(0xdd), 0x80, 0x91],
  ["cbor", cbor, Uint8Array.of(0x9a), 0xa0, 0x81],
] as const;

describe.for(CODECS)("%s", ([, codec, head, emptyMap, arrayOfOne]) => {
  const flood = (count: number, byte: number) => {
    const message = new Uint8Array(5 + count).fill(byte);
    message.set(head);
    new DataView(message.buffer).setUint32(1, count);
    return message;
  };

  test("holds 65,536 values and one for each 4 bytes by default, the array itself included", () => {
    expect(unmarshal(codec(), flood(87_381, emptyMap))).toHaveLength(87_381);
    expect(thrown(() => unmarshal(codec(), flood(87_382, emptyMap)))).toMatchObject(refused(/maxElements, 87382\./));
  });

  test("holds a million values by default at most, however long the message is", () => {
    const message = flood(8_000_000, emptyMap);
    expect(thrown(() => unmarshal(codec(), message))).toMatchObject(refused(/maxElements, 1000000\./));
  });

  test("holds what maxElements allows, keys of a map included", () => {
    const bounded = codec({ maxElements: 5 });
    expect(unmarshal(bounded, bounded.marshal({ a: 1, b: 2 }))).toEqual({ a: 1, b: 2 });
    const tooMany = bounded.marshal({ a: 1, b: [2] });
    expect(thrown(() => unmarshal(bounded, tooMany))).toMatchObject(refused(/maxElements, 5\./));
    expect(unmarshal(codec({ maxElements: 2_000_000 }), flood(1_500_000, 0))).toHaveLength(1_500_000);
  });

  test("nests as deep as maxDepth allows, and 1,000 levels by default", () => {
    const nested = (levels: number) => new Uint8Array(levels + 1).fill(arrayOfOne).fill(emptyMap, levels);
    const bounded = codec({ maxDepth: 3 });
    expect(unmarshal(bounded, nested(3))).toEqual([[[{}]]]);
    expect(thrown(() => unmarshal(bounded, nested(4)))).toMatchObject(refused(/deeper than maxDepth, 3\./));
    expect(unmarshal(codec(), nested(1_000))).toBeInstanceOf(Array);
    expect(thrown(() => unmarshal(codec(), nested(1_001)))).toMatchObject(refused(/deeper than maxDepth, 1000\./));
  });

  test.for([
    [{ maxElements: 0 }, "maxElements must be a number, at least 1; got 0."],
    [{ maxDepth: "5" }, 'maxDepth must be a number, at least 1; got "5".'],
    [{ depth: 5 }, "depth is not an option: use maxDepth."],
  ] as const)("refuses the option %j", ([options, message]) => {
    expect(thrown(() => codec(options as never))).toMatchObject({ name: "ConnError", code: "bad-option", message });
  });
});

test("cbor counts arrays and maps of unknown length, and closes them", () => {
  // [_ {_ "a": [_ 1]}, 2], by RFC 8949, section 3.2.2.
  const message = Uint8Array.of(0x9f, 0xbf, 0x61, 0x61, 0x9f, 1, 0xff, 0xff, 2, 0xff);
  expect(unmarshal(cbor({ maxElements: 6, maxDepth: 3 }), message)).toEqual([{ a: [1] }, 2]);
  expect(thrown(() => unmarshal(cbor({ maxElements: 5 }), message))).toMatchObject(refused(/maxElements, 5/));
  expect(thrown(() => unmarshal(cbor({ maxDepth: 2 }), message))).toMatchObject(refused(/maxDepth, 2/));
});

describe("json", () => {
  const list = (count: number) => `[${"1,".repeat(count - 1)}1]`;

  test("holds a million values by default, the array itself included", () => {
    expect(unmarshal(json(), list(999_999))).toHaveLength(999_999);
    expect(thrown(() => unmarshal(json(), list(1_000_000)))).toMatchObject(refused(/maxElements, 1000000\./));
  });

  test.for<[what: string, text: string]>([
    ["numbers", "[1,2,3,4]"],
    ["keys", '{"a":1,"b":2}'],
    ["nested arrays", "[[[[5]]]]"],
    ["objects, of which an empty one counts as two", "[{},{}]"],
  ])("counts %s", ([, value]) => {
    expect(unmarshal(json({ maxElements: 5 }), value)).toEqual(JSON.parse(value));
    expect(thrown(() => unmarshal(json({ maxElements: 4 }), value))).toMatchObject(refused(/maxElements, 4\./));
  });

  test("counts nothing inside of strings, whatever they quote and escape", () => {
    const value = { text: '[{"a":[1,2,3]}]', path: "\\", list: ",,,,:[{" };
    expect(unmarshal(json({ maxElements: 7 }), JSON.stringify(value))).toEqual(value);
    const escaped = '["\\u005b\\"[[[[\\\\",1]';
    expect(unmarshal(json({ maxElements: 3 }), escaped)).toEqual(['["[[[[\\', 1]);
    expect(thrown(() => unmarshal(json({ maxElements: 2 }), escaped))).toMatchObject(refused(/maxElements, 2\./));
  });

  test("counts before it parses, so that a text that is not JSON is refused by the bound too", () => {
    expect(thrown(() => unmarshal(json({ maxElements: 9 }), "[".repeat(10)))).toMatchObject(
      refused(/maxElements, 9\./),
    );
  });

  test("refuses the option { maxElements: 0 }", () => {
    expect(thrown(() => json({ maxElements: 0 }))).toMatchObject({
      code: "bad-option",
      message: "json: maxElements must be a number, at least 1; got 0.",
    });
  });
});
