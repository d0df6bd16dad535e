import { describe, expect, test } from "vitest";
import { cbor } from "../../../src/codec/cbor.ts";
import { unmarshal } from "../../../src/codec/codec.ts";
import type { ConnError } from "../../../src/index.ts";
import { thrown } from "../../support/conn.ts";

const codec = cbor();
const hex = (text: string) => Uint8Array.from(text.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
const through = (value: unknown) => codec.unmarshal(codec.marshal(value));
const why = (payload: string | Uint8Array) => {
  const error = thrown(() => unmarshal(codec, payload)) as ConnError;
  expect(error.code).toBe("unmarshal");
  return error.message;
};

describe("mapping", () => {
  test("travels as RFC 8949 says", () => {
    expect(codec.marshal([1, "a", { a: 1 }, null])).toEqual(hex("84016161a1616101f6"));
    expect(codec.unmarshal(hex("9f018202039fff8104ff"))).toEqual([1, [2, 3], [], [4]]);
    expect(codec.unmarshal(hex("c11a514b67b0"))).toEqual(new Date("2013-03-21T20:04:00Z"));
  });

  test.each([
    ["null and undefined", [null, undefined]],
    ["numbers", [0, -1, 24, 2 ** 32, Number.MAX_SAFE_INTEGER, 2 ** 53, 1.5, Number.NaN, Number.POSITIVE_INFINITY]],
    ["strings", ["", "é😀", "x".repeat(70_000)]],
    ["nested arrays and objects", { a: [{ b: [[]] }, {}], "": undefined }],
    ["bytes", Uint8Array.of(1, 2, 3)],
    ["integers beyond numbers", [2n ** 64n - 1n, -(2n ** 63n)]],
  ])("%s come back as they went", (_name, value) => {
    expect(through(value)).toStrictEqual(value);
  });

  test("dates keep their millisecond", () => {
    // A double of seconds times 1000 falls short for these.
    for (const ms of [1_079_313_588_712, 1_082_056_785_547, -1500]) expect(through(new Date(ms))).toEqual(new Date(ms));
  });

  test("a Map becomes an object, a small bigint a number", () => {
    expect(through(new Map([["a", 10n]]))).toEqual({ a: 10 });
  });

  test("keys keep their order", () => {
    expect(Object.keys(through({ long: 1, b: 2, a: 3 }) as object)).toEqual(["long", "b", "a"]);
  });

  test("what has no form is refused, not emptied", () => {
    for (const value of [new Set(), () => 1, Symbol("x"), 2n ** 64n, new Date(Number.NaN)]) {
      expect(thrown(() => codec.marshal([value]))).toBeInstanceOf(Error);
    }
  });
});

describe("hostile input", () => {
  test("a text frame, nothing at all, and anything behind the value are refused", () => {
    expect(why("text")).toContain("binary");
    why(new Uint8Array());
    why(hex("0101"));
  });

  test("__proto__ is a property like any other", () => {
    const value = codec.unmarshal(hex("a1695f5f70726f746f5f5fa168706f6c6c7574656401")) as object;
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.keys(value)).toEqual(["__proto__"]);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  test("a head that claims more than the message holds is refused", () => {
    for (const head of [
      "9affffffff",
      "9b001fffffffffffff",
      "9bffffffffffffffff",
      "baffffffff",
      "5affffffff",
      "7bffffffffffffffff",
      "9f",
      "bf",
    ]) {
      why(hex(head));
    }
  });

  test.each([
    ["arrays", 0x81],
    ["maps", 0xa1],
    ["endless arrays", 0x9f],
    ["tags", 0xc1],
  ])("%s nested too deep are refused, whatever the length", (_name, head) => {
    why(new Uint8Array(32 * 1024 * 1024).fill(head));
  });

  test("tags other than dates, and dates that are none, are refused", () => {
    for (const tagged of [
      "c249010000000000000000",
      "d8236161",
      "c16161",
      "c1f6",
      "c18105",
      "c1f97e00",
      "c1fb7fefffffffffffff",
    ])
      why(hex(tagged));
  });
});
