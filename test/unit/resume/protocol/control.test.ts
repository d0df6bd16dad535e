import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type ControlFrame,
  decode,
  encode,
  escaped,
  isControl,
  unescaped,
} from "../../../../src/resume/protocol/control.ts";

const MARK = "\u0010";
const number = fc.integer({ min: 0, max: 36 ** 10 - 1 });
const positive = fc.integer({ min: 1, max: 36 ** 10 - 1 });
const id = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
const text = fc.string({ unit: "binary", maxLength: 40 });
const payload = fc.oneof(
  text,
  text.map((rest) => MARK + rest),
  text.map((rest) => MARK + MARK + rest),
  fc.uint8Array({ maxLength: 40 }),
);

const frame: fc.Arbitrary<ControlFrame> = fc.oneof(
  fc.record({ type: fc.constant("H" as const), sid: id, secret: id, ttl: number, win: positive, app: number }),
  fc.record({ type: fc.constant("N" as const), win: positive }),
  fc.record({ type: fc.constant("R" as const), sid: id, secret: id, gen: positive, rx: number, win: positive }),
  fc.record({ type: fc.constant("A" as const), rx: number }),
  fc.record({ type: fc.constant("X" as const), why: fc.constantFrom("e" as const, "u", "o", "p") }),
  fc.record({ type: fc.constant("X" as const), why: fc.constantFrom("e" as const, "o"), n: number, rx: number }),
  fc.record({ type: fc.constant("f" as const), n: number, rx: number }),
  fc.record({ type: fc.constantFrom("a" as const, "p", "q"), n: number }),
  fc.constant({ type: "?" } as const),
  fc.record({ type: fc.constant("m" as const), min: number, max: number }),
);

test("reads every frame as it was written", () => {
  fc.assert(
    fc.property(frame, (given) => {
      const written = encode(given);
      expect(isControl(written)).toBe(true);
      expect(decode(written)).toEqual(given.type === "X" ? { n: undefined, rx: undefined, ...given } : given);
    }),
  );
});

test.each<[ControlFrame, string]>([
  [{ type: "H", sid: "s", secret: "k", ttl: 120, win: 1_048_576, app: 0 }, "H1 s.k 3c mh34 0"],
  [{ type: "N", win: 36 }, "N 10"],
  [{ type: "R", sid: "s", secret: "k", gen: 1, rx: 0, win: 1 }, "R s.k 1 0 1"],
  [{ type: "A", rx: 35 }, "A z"],
  [{ type: "X", why: "e", n: 5, rx: 7 }, "X e 5 7"],
  [{ type: "X", why: "u" }, "X u"],
  [{ type: "a", n: 128 }, "a 3k"],
  [{ type: "f", n: 5, rx: 7 }, "f 5 7"],
  [{ type: "?" }, "?"],
  [{ type: "m", min: 0, max: 60_000 }, "m 0 1aao"],
])("writes %j as %s", (given, written) => {
  expect(encode(given)).toBe(MARK + written);
});

test("lets every payload survive the wire, and takes none for control", () => {
  fc.assert(
    fc.property(payload, (given) => {
      const travelling = escaped(given);
      expect(isControl(travelling)).toBe(false);
      expect(unescaped(travelling)).toBe(given);
    }),
  );
});

test("never touches bytes, and text only where it begins with U+0010", () => {
  const bytes = new Uint8Array([0x10, 0x41]);
  expect(escaped(bytes)).toBe(bytes);
  expect(isControl(bytes)).toBe(false);
  expect(escaped("")).toBe("");
  expect(escaped('{"a":1}')).toBe('{"a":1}');
  expect(escaped(MARK)).toBe(MARK + MARK);
});

describe("what is not of the protocol", () => {
  const long = `R ${"s".repeat(64)}.${"k".repeat(64)} zzzzzzzzzz zzzzzzzzzz zzzzzzzzzz`;
  test("holds the longest frame there is", () => {
    expect(decode(MARK + long)).toMatchObject({ type: "R", rx: 36 ** 10 - 1 });
  });

  test.each([
    "",
    "?",
    MARK,
    `${MARK}?${MARK}`,
    `${MARK}? `,
    `${MARK}?\n`,
    `${MARK}a`,
    `${MARK}a `,
    `${MARK}a  1`,
    `${MARK}a 1 `,
    `${MARK}a 1\n`,
    `${MARK}a -1`,
    `${MARK}a 1.5`,
    `${MARK}a 1e`.toUpperCase(),
    `${MARK}a zzzzzzzzzzz`,
    `${MARK}a 1 2`,
    `${MARK}aa 1`,
    `${MARK}A`,
    `${MARK}N 0`,
    `${MARK}H2 s.k 1 1 0`,
    `${MARK}H s.k 1 1 0`,
    `${MARK}H1 s.k 1 1`,
    `${MARK}H1 s.k 1 0 0`,
    `${MARK}H1 s 1 1 0`,
    `${MARK}H1 s.k.x 1 1 0`,
    `${MARK}H1 ${"s".repeat(65)}.k 1 1 0`,
    `${MARK}H1 s/k.k 1 1 0`,
    `${MARK}H1 .k 1 1 0`,
    `${MARK}f 1`,
    `${MARK}f 1 2 3`,
    `${MARK}X e 7`,
    `${MARK}R s.k 0 0 1`,
    `${MARK}R s.k 1 0 0`,
    `${MARK}R s.k 1 0`,
    `${MARK}X`,
    `${MARK}X z`,
    `${MARK}X e `,
    `${MARK}X eu`,
    `${MARK}m 1`,
    `${MARK}__proto__ 1`,
    `${MARK}constructor`,
    `${MARK}toString 1`,
    `${MARK}${long} ${"0".repeat(100)}`,
  ])("refuses %j", (written) => {
    expect(decode(written)).toBeUndefined();
  });

  test("survives anything", () => {
    fc.assert(
      fc.property(text, (rest) => {
        const read = decode(MARK + rest);
        if (read)
          expect(encode(read).replace(/ 0+(?=[0-9a-z])/g, " ")).toBe((MARK + rest).replace(/ 0+(?=[0-9a-z])/g, " "));
      }),
    );
  });
});
