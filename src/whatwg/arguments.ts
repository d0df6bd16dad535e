import { MAX_REASON_BYTES, NORMAL } from "../base/close-codes.ts";
import { describeBadOption } from "../base/option-rules.ts";
import { byteLength, type Payload } from "../base/payload.ts";
import { parseUrl } from "../base/url.ts";

/** The characters of a token (RFC 9110, section 5.6.2), of which a subprotocol is made (RFC 6455, section 4.1). */
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;
const MAX_UNSIGNED_SHORT = 65_535;

/** The destination of a socket, as its constructor was given it. */
export interface SocketTarget {
  /** The URL, as parsed; `""` while it is not known. */
  readonly url: string;
  readonly protocols: readonly string[];
}

/** The code and reason of a close frame; a frame without a body has no code. */
export interface CloseBody {
  readonly code: number | undefined;
  readonly reason: string;
}

/**
 * Checks the arguments of the constructor (WebSockets, section 3.1, "new WebSocket(url, protocols)").
 *
 * @throws DOMException `SyntaxError`, which quotes neither URL nor subprotocol, because both may hold a token; TypeError
 * without a URL
 */
export function parseTarget(url: unknown, protocols: unknown): SocketTarget {
  if (url === undefined) throw new TypeError("A WebSocket needs a URL.");
  const names = listProtocols(protocols);
  const bad = names.findIndex((name, i) => !TOKEN.test(name) || names.indexOf(name) < i);
  if (bad >= 0) throw domError("SyntaxError", `protocols must be tokens, each once; the one at index ${bad} is not.`);
  try {
    return { url: parseUrl(toUSVString(url)), protocols: names };
  } catch (error) {
    throw domError("SyntaxError", (error as Error).message);
  }
}

/**
 * Checks the arguments of `close()` (WebSockets, section 3.1, "close(code, reason)").
 *
 * @throws DOMException `InvalidAccessError` for a code that may not be sent, `SyntaxError` for a long reason
 */
export function parseClose(code: unknown, reason: unknown): CloseBody {
  const number = code === undefined ? undefined : clampShort(code);
  if (number !== undefined && number !== NORMAL && !(number >= 3000 && number <= 4999)) {
    throw domError("InvalidAccessError", describeBadOption("code", "1000 or 3000 to 4999", number));
  }
  const text = reason === undefined ? "" : toUSVString(reason);
  const bytes = byteLength(text);
  if (bytes > MAX_REASON_BYTES) {
    throw domError("SyntaxError", describeBadOption("reason", `at most ${MAX_REASON_BYTES} bytes of UTF-8`, bytes));
  }
  // A reason can't travel without a code.
  return { code: number ?? (text === "" ? undefined : NORMAL), reason: text };
}

/** Converts what `send()` was given, with a copy of bytes, since the caller may change them afterwards. */
export function toData(data: unknown): Payload | Blob {
  if (isTagged(data, "ArrayBuffer")) return new Uint8Array(data as ArrayBuffer).slice();
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
  if (isBlob(data)) return data;
  return toUSVString(data);
}

/** Whether `data` is a Blob, also one of another realm or of a polyfill. */
export function isBlob(data: unknown): data is Blob {
  // By its name, one of another realm; happy-dom gives its Blobs no name.
  const { Blob } = globalThis as { Blob?: new () => Blob };
  return isTagged(data, "Blob") || isTagged(data, "File") || (Blob !== undefined && data instanceof Blob);
}

/** Creates an error of DOM, or an Error of the same name where the platform has no DOMException. */
export function domError(name: string, message: string): Error {
  const { DOMException } = globalThis as { DOMException?: new (message: string, name: string) => Error };
  return DOMException ? new DOMException(message, name) : Object.assign(new Error(message), { name });
}

function listProtocols(protocols: unknown): string[] {
  if (protocols === undefined) return [];
  const isList = typeof protocols !== "string" && Symbol.iterator in Object(protocols);
  return (isList ? [...(protocols as Iterable<unknown>)] : [protocols]).map(String);
}

/** Returns the number for a `[Clamp] unsigned short`, whose halves go to the even neighbour (Web IDL, section 3.2.4.9). */
function clampShort(value: unknown): number {
  const clamped = Math.min(Math.max(Number(value) || 0, 0), MAX_UNSIGNED_SHORT);
  const rounded = Math.round(clamped);
  return rounded - clamped === 0.5 ? rounded - (rounded % 2) : rounded;
}

/** Returns the string with U+FFFD in place of each lone surrogate, as UTF-8 needs it (Web IDL, section 3.2.11). */
function toUSVString(value: unknown): string {
  return `${value}`.replace(/\p{Surrogate}/gu, "\ufffd");
}

function isTagged(value: unknown, name: string): boolean {
  return Object.prototype.toString.call(value) === `[object ${name}]`;
}
