import fc from "./fuzz.ts";

/** Returns the text of `bytes`, or undefined where they are no UTF-8, as the platform's decoder finds. */
export function decodeStrictly(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Bytes of which some are UTF-8, some are cut, and some are a replacement character of the sender's own. */
export const nearlyUtf8: fc.Arbitrary<Buffer> = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 4 }),
      fc.string({ unit: "binary", maxLength: 8 }).map((text) => new Uint8Array(Buffer.from(text))),
      fc.constant(new Uint8Array([0xef, 0xbf, 0xbd])),
    ),
    { maxLength: 6 },
  )
  .map((pieces) => Buffer.concat(pieces));
