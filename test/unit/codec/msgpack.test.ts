import { describe, expect, test } from "vitest";
import { unmarshal } from "../../../src/codec/codec.ts";
import { type MsgpackOptions, msgpack } from "../../../src/codec/msgpack.ts";
import type { ConnError } from "../../../src/index.ts";
import { thrown } from "../../support/conn.ts";

const codec = msgpack();
const hex = (text: string) => Uint8Array.from(text.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
const through = (value: unknown, options?: MsgpackOptions) =>
  msgpack(options).unmarshal(msgpack(options).marshal(value));
const why = (payload: string | Uint8Array, options?: MsgpackOptions) => {
  const error = thrown(() => unmarshal(msgpack(options), payload)) as ConnError;
  expect(error.code).toBe("unmarshal");
  return error.message;
};

describe("mapping", () => {
  test("travels as the specification says", () => {
    expect(codec.marshal({ compact: true, schema: 0 })).toEqual(hex("82a7636f6d70616374c3a6736368656d6100"));
  });

  test.each([
    ["null", null],
    ["numbers", [0, -1, 127, 128, 2 ** 32, -(2 ** 53), 2 ** 53 - 1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]],
    ["strings", ["", "é😀", "x".repeat(70_000)]],
    ["nested arrays and objects", { a: [{ b: [[]] }, {}], "": 1 }],
    ["bytes", Uint8Array.of(1, 2, 3)],
    ["dates before and after 1970", [new Date(-1500), new Date(0), new Date(1_700_000_000_001)]],
  ])("%s come back as they went", (_name, value) => {
    expect(through(value)).toEqual(value);
  });

  test("an undefined property is left out, undefined elsewhere is null", () => {
    expect(Object.keys(through({ a: undefined, b: 1 }) as object)).toEqual(["b"]);
    expect(through([undefined])).toEqual([null]);
  });

  test("what has no form is refused, not emptied", () => {
    for (const value of [new Map(), new Set(), () => 1, Symbol("x"), 1n, new Date(Number.NaN)]) {
      expect(thrown(() => codec.marshal([value]))).toBeInstanceOf(Error);
    }
  });

  test("with bigints, 64-bit integers are exact, both ways", () => {
    expect(through([1n, -1n, 2n ** 64n - 1n, -(2n ** 63n)], { bigints: true })).toEqual([
      1n,
      -1n,
      2n ** 64n - 1n,
      -(2n ** 63n),
    ]);
  });

  test("without bigints, an integer no number holds is refused instead of rounded", () => {
    for (const inexact of ["cf0020000000000001", "cfffffffffffffffff", "d3ffdfffffffffffff", "d38000000000000000"]) {
      expect(why(hex(inexact))).toContain("bigints");
    }
    expect(codec.unmarshal(hex("cf001fffffffffffff"))).toBe(Number.MAX_SAFE_INTEGER);
    expect(codec.unmarshal(hex("d3ffe0000000000001"))).toBe(Number.MIN_SAFE_INTEGER);
  });
});

describe("hostile input", () => {
  test("a text frame, nothing at all, and anything behind the value are refused", () => {
    expect(why("text")).toContain("binary");
    why(new Uint8Array());
    why(hex("0101"));
  });

  test("__proto__ is refused as a key", () => {
    expect(why(hex("81a95f5f70726f746f5f5f81a8706f6c6c7574656401"))).toContain("__proto__");
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  test("a head that claims more than the message holds is refused before room is made", () => {
    for (const head of [
      "ddffffffff",
      "dfffffffff",
      "dcffff",
      "deffff",
      "dbffffffff",
      "c6ffffffff",
      "c9ffffffff01",
      "9f",
      "8f",
    ]) {
      expect(why(hex(head))).toMatch(/shorter than it claims|Insufficient data|Offset/);
    }
  });

  test("a claim behind a long map is seen too", () => {
    expect(why(hex("de0002000000dd00ffffff"))).toContain("shorter than it claims");
    expect(why(hex("df00000002000000dd00ffffff"))).toContain("shorter than it claims");
  });

  test("many heads that share the same bytes are refused", () => {
    const bytes = new Uint8Array(600 * 5 + 1_000_000);
    const view = new DataView(bytes.buffer);
    for (let at = 0; at < 600 * 5; at += 5) {
      view.setUint8(at, 0xdd);
      view.setUint32(at + 1, 900_000);
    }
    expect(why(bytes)).toContain("shorter than it claims");
  });

  test.each([
    ["arrays", 0x91, 1000, 1001],
    ["maps", 0x81, 1000, 1001],
  ])("%s may be nested a thousand deep, whatever the length", (_name, head, deep, tooDeep) => {
    const nested = (depth: number) => {
      const level = head === 0x91 ? [0x91] : [0x81, 0x01];
      return Uint8Array.from([...Array(depth).fill(level).flat(), 0xc0]);
    };
    expect(codec.unmarshal(nested(deep))).toBeTypeOf("object");
    expect(why(nested(tooDeep))).toContain("nested");
    expect(why(new Uint8Array(32 * 1024 * 1024).fill(head))).toContain("nested");
  });

  test("nesting is measured, not counted: many containers side by side are fine", () => {
    const value = Array.from({ length: 5000 }, () => [[], {}, [1], { a: [] }]);
    expect(through(value)).toEqual(value);
  });

  test("what is nested too deep is not sent either", () => {
    let value: unknown = null;
    for (let depth = 0; depth < 1000; depth++) value = [value];
    expect(through(value)).toEqual(value);
    expect(thrown(() => codec.marshal([value]))).toBeInstanceOf(Error);
  });

  test("extension types other than timestamps, and timestamps beyond any date, are refused", () => {
    why(hex("d40100"));
    why(hex("c70cff000000007fffffffffffffff"));
  });
});
