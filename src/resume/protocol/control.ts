import type { Payload } from "../../base/payload.ts";

/** The first character of a control frame. The second character of one is never U+0010. */
const MARK = "\u0010";
const MARK_CODE = 0x10;
const MAX_LENGTH = 200;

/** Why a session can't be resumed: expired, unknown, out of memory, another principal. */
export type SessionEndReason = "e" | "u" | "o" | "p";

/** How far the sender of a frame has come in a session: messages acknowledged, and messages received. */
export interface Counts {
  readonly n: number;
  readonly rx: number;
}

/** The messages of the protocol itself. docs/protocol.md gives the meaning of each. */
export type ControlFrame =
  | GreetingFrame
  | { readonly type: "N"; readonly win: number }
  | ResumeFrame
  | { readonly type: "A"; readonly rx: number }
  | ({ readonly type: "X"; readonly why: SessionEndReason } & Partial<Counts>)
  | { readonly type: "a" | "p" | "q"; readonly n: number }
  | ({ readonly type: "f" } & Counts)
  | { readonly type: "?" }
  | { readonly type: "m"; readonly min: number; readonly max: number };

export interface GreetingFrame {
  readonly type: "H";
  readonly sid: string;
  readonly secret: string;
  readonly ttl: number;
  readonly win: number;
  /** The place in the offer of the application's protocol that the server speaks, from 1; 0 for none. */
  readonly app: number;
}

export interface ResumeFrame {
  readonly type: "R";
  readonly sid: string;
  readonly secret: string;
  readonly gen: number;
  readonly rx: number;
  readonly win: number;
}

const ID = "([\\w-]{1,64})";
const NUMBER = "([0-9a-z]{1,10})";

/** For each type of frame: what follows the type, and the names of the fields. */
const PATTERNS: { readonly [type in ControlFrame["type"]]: readonly [shape: RegExp, fields: readonly string[]] } = {
  H: [pattern("1 ", `${ID}\\.${ID}`, NUMBER, NUMBER, NUMBER), ["sid", "secret", "ttl", "win", "app"]],
  N: [pattern(" ", NUMBER), ["win"]],
  R: [pattern(" ", `${ID}\\.${ID}`, NUMBER, NUMBER, NUMBER), ["sid", "secret", "gen", "rx", "win"]],
  A: [pattern(" ", NUMBER), ["rx"]],
  X: [pattern(" ", `([euop])(?: ${NUMBER} ${NUMBER})?`), ["why", "n", "rx"]],
  a: [pattern(" ", NUMBER), ["n"]],
  p: [pattern(" ", NUMBER), ["n"]],
  q: [pattern(" ", NUMBER), ["n"]],
  f: [pattern(" ", NUMBER, NUMBER), ["n", "rx"]],
  "?": [pattern(""), []],
  m: [pattern(" ", NUMBER, NUMBER), ["min", "max"]],
};
/** Fields that are text; all others are numbers. */
const TEXT_FIELDS = new Set(["sid", "secret", "why"]);
/** Fields that can't be 0. */
const POSITIVE_FIELDS = new Set(["win", "gen"]);

function pattern(start: string, ...fields: string[]): RegExp {
  return new RegExp(`^${start}${fields.join(" ")}$`);
}

/** Writes `frame` as it travels. */
export function encode(frame: ControlFrame): string {
  const { type } = frame;
  const value = (name: string) => {
    const given = (frame as unknown as Record<string, string | number | undefined>)[name];
    return typeof given === "number" ? given.toString(36) : given;
  };
  const fields = PATTERNS[type][1].map(value).filter((field) => field !== undefined);
  if (type === "H" || type === "R") fields.splice(0, 2, `${fields[0]}.${fields[1]}`);
  return [MARK + type + (type === "H" ? "1" : ""), ...fields].join(" ");
}

/** Reads `text`; `undefined` for anything malformed or unknown. */
export function decode(text: string): ControlFrame | undefined {
  const type = text[1] as ControlFrame["type"];
  const [pattern, names] = PATTERNS[type] ?? [];
  const fields = text.length <= MAX_LENGTH && isControl(text) && pattern?.exec(text.slice(2));
  if (!fields || !names) return undefined;
  const frame: Record<string, unknown> = { type };
  for (const [index, name] of names.entries()) {
    const field = fields[index + 1];
    frame[name] = TEXT_FIELDS.has(name) || field === undefined ? field : Number.parseInt(field, 36);
    if (frame[name] === 0 && POSITIVE_FIELDS.has(name)) return undefined;
  }
  return frame as unknown as ControlFrame;
}

/** Whether `payload` is control, well formed or not, rather than an application's message. */
export function isControl(payload: Payload): payload is string {
  return isMarked(payload) && payload.charCodeAt(1) !== MARK_CODE;
}

/** Gives an application's message the form in which it travels, so that no peer takes it for control. */
export function escaped(payload: Payload): Payload {
  return isMarked(payload) ? MARK + payload : payload;
}

/** Gives back the message that travelled as `payload`. */
export function unescaped(payload: Payload): Payload {
  return isMarked(payload) ? payload.slice(1) : payload;
}

function isMarked(payload: Payload): payload is string {
  return typeof payload === "string" && payload.charCodeAt(0) === MARK_CODE;
}
