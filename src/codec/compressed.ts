import { deflateSync, Gunzip } from "fflate";
import { failOption } from "../base/errors.ts";
import { numberRule, type OptionRules, takeOptions } from "../base/option-rules.ts";
import { byteLength, type Payload } from "../base/payload.ts";
import { Codec, type CodecLike, marshal, toText } from "./codec.ts";

/** Which messages are deflated, and the bound of an inflated one. */
export interface CompressedOptions {
  /** Messages of fewer bytes are not deflated. At least 0; default 1 KiB. */
  readonly thresholdBytes?: number | undefined;
  /**
   * A message that would inflate to more bytes than this is refused: `unmarshal`. At least 1; default the Conn's
   * `maxPayloadBytes`, and 32 MiB where the codec is used without a Conn.
   */
  readonly maxBytes?: number | undefined;
}

const MAX_BYTES = 32 * 1024 * 1024;

const RULES: OptionRules<{ thresholdBytes: number; maxBytes: number | undefined }> = {
  thresholdBytes: numberRule(0, 1024),
  maxBytes: numberRule(1),
};

/** First byte of a binary frame, which names the rest. */
const PLAIN = 0;
const DEFLATED_TEXT = 1;
const DEFLATED_BYTES = 2;

/** Deflate grows at most 1032 times, so that one slice never inflates to much more than 4 MiB. */
const SLICE_BYTES = 4096;

const CORRUPT = "The deflated message is corrupt, truncated, or followed by something else.";

// The header and trailer of a gzip file (RFC 1952, section 2.3). Zeros do, because fflate checks no sums.
const GZIP_HEADER = /* @__PURE__ */ Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff);
const GZIP_TRAILER = /* @__PURE__ */ new Uint8Array(8);

/**
 * Wraps `codec` so that long messages are deflated (RFC 1951). Both ends must use it. Text frames travel as they are. A
 * binary frame begins with one byte that names the rest: 0 bytes as they are, 1 deflated text, 2 deflated bytes. A
 * message below `thresholdBytes`, or that deflating would not make shorter, is not deflated. A message that is truncated,
 * corrupt, followed by anything, or too long is reported as `ConnError` `unmarshal`; inflating stops at `maxBytes`.
 *
 * @example
 * const codec = compressed(json<State, Command>());
 *
 * @throws ConnError `bad-option`
 */
export function compressed<In, Out = In>(codec: CodecLike<In, Out>, options: CompressedOptions = {}): Codec<In, Out> {
  const { thresholdBytes, maxBytes } = takeOptions("", RULES, options, failOption);
  return new Codec<In, Out>({
    marshal: (value) => pack(marshal(codec, value), thresholdBytes),
    unmarshal: (payload, limits) =>
      codec.unmarshal(unpack(payload, maxBytes ?? limits?.maxPayloadBytes ?? MAX_BYTES), limits),
  });
}

function pack(payload: Payload, thresholdBytes: number): Payload {
  const isText = typeof payload === "string";
  const length = byteLength(payload);
  if (length >= thresholdBytes) {
    const deflated = deflateSync(isText ? new TextEncoder().encode(payload) : payload);
    if (deflated.length < length) return prefixed(isText ? DEFLATED_TEXT : DEFLATED_BYTES, deflated);
  }
  return isText ? payload : prefixed(PLAIN, payload);
}

function unpack(payload: Payload, maxBytes: number): Payload {
  if (typeof payload === "string") return payload;
  const rest = payload.subarray(1);
  switch (payload[0]) {
    case PLAIN:
      return rest;
    case DEFLATED_TEXT:
      return toText(inflate(rest, maxBytes));
    case DEFLATED_BYTES:
      return inflate(rest, maxBytes);
    default:
      throw new TypeError(`The first byte must be 0, 1 or 2, as compressed() writes it; got ${payload[0]}.`);
  }
}

/**
 * Returns the bytes that were deflated. Presents them as a gzip file that another one follows, because fflate reports
 * only for such files where the deflated data ended.
 */
function inflate(deflated: Uint8Array, maxBytes: number): Uint8Array {
  const chunks: Uint8Array[] = [];
  let length = 0;
  let end: number | undefined;
  const gunzip = new Gunzip((chunk) => {
    length += chunk.length;
    if (length > maxBytes) throw new RangeError(`The message would inflate to more than maxBytes, ${maxBytes}.`);
    if (chunk.length > 0) chunks.push(chunk);
  });
  gunzip.onmember = (offset) => {
    end ??= offset;
  };
  try {
    gunzip.push(GZIP_HEADER);
    for (let at = 0; at < deflated.length; at += SLICE_BYTES) gunzip.push(deflated.subarray(at, at + SLICE_BYTES));
    gunzip.push(GZIP_TRAILER);
    gunzip.push(GZIP_HEADER);
  } catch (cause) {
    throw length > maxBytes ? cause : new TypeError(CORRUPT, { cause });
  }
  if (end !== GZIP_HEADER.length + deflated.length + GZIP_TRAILER.length) throw new TypeError(CORRUPT);
  return joined(chunks, length);
}

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

function prefixed(kind: number, bytes: Uint8Array): Uint8Array {
  const frame = new Uint8Array(bytes.length + 1);
  frame[0] = kind;
  frame.set(bytes, 1);
  return frame;
}
