import type { Payload } from "../../base/payload.ts";
import { formatPosition, parsePosition, randomTag } from "../../base/position.ts";
import type { LogEntry, LogPart, Position } from "../../server/engine.ts";

/** Counter and tag of an entry, as Redis orders them: both decimal. Digits that a position has too. */
const ID = /^(\d{1,16})-(\d{1,10})$/;
const MESSAGE_HEAD = /^1([tb])(?:(\d+-\d+) (\d+-\d+))?$/;
/** Nothing that we publish has a longer head. */
const MAX_HEAD_BYTES = 64;
const LINE_FEED = 10;
const RADIX = 36;
const TAG_DIGITS = 6;
/** Elements of a reply for each entry. */
const ENTRY_SIZE = 5;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

/** "t" for text and "b" for bytes. */
export type Kind = "t" | "b";

export function kindOf(data: Payload): Kind {
  return typeof data === "string" ? "t" : "b";
}

/** Returns a random tag as a number, which Redis takes in the id of an entry. */
export function randomIdTag(): string {
  return String(Number.parseInt(randomTag(), RADIX));
}

/** Returns the id in Redis of a position, and undefined for a position that this engine did not make. */
export function idOf(position: Position): string | undefined {
  const parts = parsePosition(position);
  return parts?.tag.length === TAG_DIGITS ? `${parts.counter}-${Number.parseInt(parts.tag, RADIX)}` : undefined;
}

/** Returns the position of an id in Redis, and undefined for anything that is none. */
export function positionOf(id: unknown): Position | undefined {
  const [, counter, tag] = ID.exec(textOf(id) ?? "") ?? [];
  if (counter === undefined || tag === undefined) return undefined;
  const digits = Number(tag).toString(RADIX).padStart(TAG_DIGITS, "0");
  const position = formatPosition(Number(counter), digits);
  return idOf(position) === `${counter}-${tag}` ? position : undefined;
}

/** Returns the entry of a published message, and undefined for a message that is not ours. */
export function parseMessage(message: Uint8Array): LogEntry | undefined {
  const end = message.subarray(0, MAX_HEAD_BYTES).indexOf(LINE_FEED);
  const [, kind, id, before] = MESSAGE_HEAD.exec(textOf(message.subarray(0, Math.max(0, end))) ?? "") ?? [];
  const data = kind === undefined ? undefined : decode(kind, message.subarray(end + 1));
  if (data === undefined) return undefined;
  if (id === undefined) return { position: null, previous: null, data };
  const position = positionOf(id);
  const previous = positionOf(before);
  return position === undefined || previous === undefined ? undefined : { position, previous, data };
}

/** A part of a log as Redis replied, from the first entry of an unbroken chain to the last. */
export interface ParsedLog extends LogPart {
  /** Whether there were entries that are not ours, or that do not name the entry before them. */
  readonly isBroken: boolean;
}

/** Returns the part of the log in the reply of the script, and undefined for a reply that is not one. */
export function parseLog(reply: unknown): ParsedLog | undefined {
  if (!Array.isArray(reply)) return undefined;
  const head = positionOf(reply[0]);
  if (head === undefined) return undefined;
  let entries: LogEntry[] = [];
  let isBroken = false;
  for (let at = 1; at + ENTRY_SIZE <= reply.length; at += ENTRY_SIZE) {
    const entry = parseEntry(reply.slice(at, at + ENTRY_SIZE));
    const last = entries.at(-1);
    if (entry === undefined || (last && entry.previous !== last.position)) {
      isBroken = true;
      entries = [];
    }
    if (entry) entries.push(entry);
  }
  return { entries, head, isBroken };
}

function parseEntry([id, kind, value, name, before]: readonly unknown[]): LogEntry | undefined {
  const position = positionOf(id);
  const previous = positionOf(before);
  if (position === undefined || previous === undefined || textOf(name) !== "p") return undefined;
  const [, letter] = /^1([tb])$/.exec(textOf(kind) ?? "") ?? [];
  if (letter === undefined || !(value instanceof Uint8Array)) return undefined;
  const data = decode(letter, value);
  return data === undefined ? undefined : { position, previous, data };
}

/** Returns undefined for text that is not UTF-8. Bytes are copied, because the client's chunk is larger. */
function decode(kind: string, value: Uint8Array): Payload | undefined {
  if (kind === "b") return new Uint8Array(value);
  try {
    return utf8.decode(value);
  } catch {
    return undefined;
  }
}

/** Returns the text of a reply, which is a Buffer or a string. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  return value instanceof Uint8Array ? lenient.decode(value) : undefined;
}
