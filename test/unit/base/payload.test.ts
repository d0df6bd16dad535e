import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { byteLength, exceeds, toPayload } from "../../../src/base/payload.ts";
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

describe("toPayload()", () => {
  test("returns strings and bytes as they are", () => {
    for (const payload of ["", "x", new Uint8Array(3), Buffer.from("x")]) expect(toPayload(payload)).toBe(payload);
  });

  test("returns undefined for what is no payload", () => {
    for (const value of [undefined, null, 0, {}, [], new ArrayBuffer(1)]) expect(toPayload(value)).toBeUndefined();
  });

  test("copies other views, foreign bytes, and shared or resizable memory, which some platforms refuse", () => {
    const shared = new Uint8Array(new SharedArrayBuffer(2)).fill(7);
    // The constructor's option is newer than the library that TypeScript is given.
    const resizable = new (ArrayBuffer as unknown as new (n: number, o: object) => ArrayBuffer)(2, {
      maxByteLength: 4,
    });
    const foreign: unknown = runInNewContext("new Uint8Array([7, 7])");
    for (const view of [shared, new DataView(shared.slice().buffer), new Uint8Array(resizable).fill(7), foreign]) {
      const payload = toPayload(view) as Uint8Array;
      expect(payload).toBeInstanceOf(Uint8Array);
      expect(payload).toEqual(new Uint8Array([7, 7]));
      expect(payload.buffer).toBeInstanceOf(ArrayBuffer);
      expect(payload.buffer).not.toBe((view as Uint8Array).buffer);
    }
  });

  test("throws for bytes whose memory was transferred elsewhere", () => {
    const view = new Uint8Array(4);
    structuredClone(view, { transfer: [view.buffer] });
    expect(() => toPayload(view)).toThrow(TypeError);
  });
});
