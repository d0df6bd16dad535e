import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { cutReason } from "../../../src/base/close-codes.ts";

describe("cutReason", () => {
  test("leaves a reason of 123 bytes as it is, and cuts the next character whole", () => {
    expect(cutReason("a".repeat(123))).toBe("a".repeat(123));
    expect(cutReason("a".repeat(124))).toBe("a".repeat(123));
    expect(cutReason(`${"a".repeat(122)}ü`)).toBe("a".repeat(122));
    expect(cutReason(`${"a".repeat(120)}😀`)).toBe("a".repeat(120));
    expect(cutReason(`${"a".repeat(122)}😀`)).toBe("a".repeat(122));
    expect(cutReason(`${"a".repeat(119)}😀`)).toBe(`${"a".repeat(119)}😀`);
  });

  test("gives the longest start that has 123 bytes of UTF-8 at most", () => {
    const bytes = (text: string) => new TextEncoder().encode(text).length;
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 80 }), (reason) => {
        const cut = cutReason(reason);
        const next = [...reason.slice(cut.length)][0] ?? "";
        expect(reason.startsWith(cut)).toBe(true);
        expect(bytes(cut)).toBeLessThanOrEqual(123);
        if (next) expect(bytes(cut + next)).toBeGreaterThan(123);
      }),
    );
  });

  test("needs no TextEncoder, which jsdom and older engines lack", () => {
    vi.stubGlobal("TextEncoder", undefined);
    expect(cutReason("ü".repeat(100))).toBe("ü".repeat(61));
  });
});
