import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as ws from "ws";
import type { Payload } from "../../../src/base/payload.ts";
import { createFrame, createFrameBuffer, MAX_HEADER_BYTES, mostBytes, writeFrame } from "../../../src/socket/frame.ts";

/** Framing by `ws`, which its types leave out. */
const { Sender } = ws as unknown as {
  readonly Sender: { frame(data: Buffer, options: object): Buffer[] };
};

const LENGTHS = [0, 1, 2, 3, 4, 5, 124, 125, 126, 127, 65_534, 65_535];

/** The frame that `ws` makes of a payload, masked with `key`. */
function byWs(payload: Payload, key?: Uint8Array): Buffer {
  const isText = typeof payload === "string";
  const options = {
    fin: true,
    opcode: isText ? 1 : 2,
    rsv1: false,
    readOnly: false,
    mask: key !== undefined,
    ...(key && { maskBuffer: Buffer.alloc(4), generateMask: (mask: Buffer) => void mask.set(key) }),
  };
  return Buffer.concat(Sender.frame(isText ? Buffer.from(payload) : Buffer.from(payload), options));
}

/** Our frame of a payload, behind so many other bytes. */
function byUs(payload: Payload, isMasked: boolean, at = 0): Buffer {
  const buffer = createFrameBuffer(at + mostBytes(payload) + MAX_HEADER_BYTES);
  return buffer.bytes.subarray(at, writeFrame(buffer, at, payload, isMasked));
}

/** The key of a client's frame. */
function keyOf(frame: Buffer): Buffer {
  const code = (frame[1] as number) & 0x7f;
  const start = code === 127 ? 10 : code === 126 ? 4 : 2;
  return frame.subarray(start, start + 4);
}

function expectSame(payload: Payload, at: number): void {
  const masked = byUs(payload, true, at);
  // Compared as text, because a comparison of 64 KiB by element takes a second.
  expect(masked.toString("hex")).toBe(byWs(payload, keyOf(masked)).toString("hex"));
  expect(byUs(payload, false, at).toString("hex")).toBe(byWs(payload).toString("hex"));
  expectSameAlone(payload);
}

/** The same for a frame in memory of its own. */
function expectSameAlone(payload: Payload): void {
  const masked = createFrame(payload, true) as Buffer;
  expect(Buffer.compare(masked, byWs(payload, keyOf(masked)))).toBe(0);
  expect(Buffer.compare(createFrame(payload, false), byWs(payload))).toBe(0);
}

describe("a frame is the one that ws makes, but for its key,", () => {
  test.for(LENGTHS)("of %d bytes, in text and binary", (length) => {
    const bytes = Uint8Array.from({ length }, (_, i) => i * 7);
    expectSame(bytes, 0);
    expectSame("x".repeat(length), 0);
  });

  test("of two and three bytes a character, around each length at which the header grows", () => {
    for (const character of ["ü", "€", "😀", "\ud800"]) {
      const bytes = Buffer.byteLength(character);
      for (const edge of [125, 126, 65_535 - bytes]) {
        for (const ascii of [0, 1, 2]) expectSame("x".repeat(ascii) + character.repeat(Math.floor(edge / bytes)), 0);
      }
    }
  });

  test("of any text, at any place in the buffer", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 400 }), fc.nat(9), (text, at) => expectSame(text, at)),
    );
  });

  test("of any bytes, at any place in the buffer", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(9), (bytes, at) => expectSame(bytes, at)));
  });

  test("of 65,536 bytes and more, in memory of its own", () => {
    for (const length of [65_536, 65_537, 1_000_000]) {
      expectSameAlone(Uint8Array.from({ length }, (_, i) => i * 7));
      expectSameAlone("y".repeat(length));
      expectSameAlone("€".repeat(length / 3));
    }
  });
});

test("nothing before a frame and nothing behind it changes", () => {
  const buffer = createFrameBuffer(64);
  buffer.bytes.fill(0xee);
  const end = writeFrame(buffer, 5, "seven b", true);
  expect(end).toBe(5 + 6 + 7);
  expect([...buffer.bytes.subarray(0, 5), ...buffer.bytes.subarray(end)].every((byte) => byte === 0xee)).toBe(true);
});

test("each frame has a key of its own, in which every bit varies", () => {
  const keys = Array.from({ length: 5_000 }, () => keyOf(byUs("x", true)).readUInt32LE());
  // Two of 5,000 random keys are the same once in 340 runs, three pairs almost never.
  expect(new Set(keys).size).toBeGreaterThan(4_996);
  for (let bit = 0; bit < 32; bit++) {
    const ones = keys.filter((key) => (key >>> bit) & 1).length;
    // Ten standard deviations.
    expect(Math.abs(ones - 2_500)).toBeLessThan(354);
  }
});
