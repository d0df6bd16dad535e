import { expect, test } from "vitest";
import { isInvalidUtf8, toBytes, toOwnBytes } from "../../../src/socket/decode.ts";
import fc from "../../support/fuzz.ts";
import { decodeStrictly, nearlyUtf8 } from "../../support/utf8.ts";

test("text in the midst of other bytes is valid if and only if it is UTF-8", () => {
  fc.assert(
    fc.property(nearlyUtf8, fc.uint8Array({ maxLength: 3 }), (bytes, around) => {
      const data = Buffer.concat([around, bytes, around]);
      const [start, end] = [around.length, around.length + bytes.length];
      const text = data.toString("utf8", start, end);
      expect(isInvalidUtf8(text, data, start, end)).toBe(decodeStrictly(bytes) === undefined);
    }),
    { numRuns: 1_000 },
  );
});

test.for([0, 1, 64, 65, 1_000])("%d bytes in the midst of others are the same as a Uint8Array", (length) => {
  const data = Buffer.from(Uint8Array.from({ length: length + 7 }, (_, i) => i));
  const bytes = toBytes(data, 3, 3 + length);
  expect(bytes).toEqual(Uint8Array.from({ length }, (_, i) => i + 3));
  expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype);
  // Few bytes do not hold the memory that they came in.
  expect(bytes.buffer === data.buffer).toBe(length > 64);
  const own = toOwnBytes(data.subarray(3, 3 + length));
  expect(own).toEqual(bytes);
  expect(Object.getPrototypeOf(own)).toBe(Uint8Array.prototype);
  expect(own.buffer.byteLength).toBe(length);
});

test("bytes that have their memory to themselves are not copied", () => {
  const data = Buffer.from(new ArrayBuffer(65_536));
  expect(toOwnBytes(data).buffer).toBe(data.buffer);
});
