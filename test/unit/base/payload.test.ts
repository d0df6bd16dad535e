import { describe, expect, test } from "vitest";
import { byteLength, exceeds, isPayload } from "../../../src/base/payload.ts";
import fc from "../../support/fuzz.ts";

/** Strings of any UTF-16 units, so with lone surrogates too. */
const units = fc.array(fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0xd7f0, max: 0xe00f })));
const anyText = units.map((list) => String.fromCharCode(...list));
const encodedLength = (text: string) => new TextEncoder().encode(text).length;

describe("byteLength()", () => {
  test.for(["", "a", "é", "€", "😀", "\ud800", "\udc00", "\ud800\ud800", "\udc00\ud800", "\ud83dx", "a\ud800\udc00b"])(
    "counts %j as TextEncoder does",
    (text) => {
      expect(byteLength(text)).toBe(encodedLength(text));
    },
  );

  test("counts any text as TextEncoder does", () => {
    fc.assert(fc.property(anyText, (text) => byteLength(text) === encodedLength(text)));
  });

  test("counts bytes as they are, of a part only the part", () => {
    expect(byteLength(new Uint8Array(7))).toBe(7);
    expect(byteLength(new Uint8Array(new ArrayBuffer(10), 2, 3))).toBe(3);
  });
});

describe("exceeds()", () => {
  test("says of any text what its length in bytes says", () => {
    fc.assert(fc.property(anyText, fc.nat(200), (text, max) => exceeds(text, max) === encodedLength(text) > max));
  });

  test("is false at the limit and true above it", () => {
    for (const payload of ["éé", new Uint8Array(4)]) {
      expect([3, 4, 5].map((max) => exceeds(payload, max))).toEqual([true, false, false]);
    }
  });

  test("is never true without a limit", () => {
    expect(exceeds("x".repeat(1_000), Number.POSITIVE_INFINITY)).toBe(false);
  });
});

test("a payload is a string or a Uint8Array", () => {
  for (const good of ["", new Uint8Array(), Buffer.from("x")]) expect(isPayload(good)).toBe(true);
  for (const bad of [
    undefined,
    null,
    0,
    {},
    [],
    new ArrayBuffer(1),
    new DataView(new ArrayBuffer(1)),
    new Int8Array(1),
  ])
    expect(isPayload(bad)).toBe(false);
});
