import type { Payload } from "../payload.ts";

/** The first character of a control frame; the second is no other one. */
const MARK = "\u0010";
const MARK_CODE = 0x10;
const MAX_LENGTH = 200;

/** Why a session can't be resumed: expired, unknown, out of memory, another principal. */
export type Why = "e" | "u" | "o" | "p";

/** What the two ends say to each other beside the application's messages. docs/protocol.md gives each its meaning. */
export type Frame =
  | { readonly type: "H"; readonly sid: string; readonly secret: string; readonly ttl: number; readonly win: number }
  | { readonly type: "N"; readonly win: number }
  | ReturnFrame
  | { readonly type: "A"; readonly rx: number }
  | { readonly type: "X"; readonly why: Why; readonly rx?: number | undefined }
  | { readonly type: "a" | "p" | "q"; readonly n: number }
  | { readonly type: "?" }
  | { readonly type: "m"; readonly min: number; readonly max: number };

export interface ReturnFrame {
  readonly type: "R";
  readonly sid: string;
  readonly secret: string;
  readonly gen: number;
  readonly rx: number;
  readonly win: number;
}

const ID = "([\\w-]{1,64})";
const NUMBER = "([0-9a-z]{1,10})";

/** Of each frame what follows its type, and the names of the fields. */
const SHAPES: { readonly [type in Frame["type"]]: readonly [shape: RegExp, fields: readonly string[]] } = {
  H: [shape("1 ", `${ID}\\.${ID}`, NUMBER, NUMBER), ["sid", "secret", "ttl", "win"]],
  N: [shape(" ", NUMBER), ["win"]],
  R: [shape(" ", `${ID}\\.${ID}`, NUMBER, NUMBER, NUMBER), ["sid", "secret", "gen", "rx", "win"]],
  A: [shape(" ", NUMBER), ["rx"]],
  X: [shape(" ", `([euop])(?: ${NUMBER})?`), ["why", "rx"]],
  a: [shape(" ", NUMBER), ["n"]],
  p: [shape(" ", NUMBER), ["n"]],
  q: [shape(" ", NUMBER), ["n"]],
  "?": [shape(""), []],
  m: [shape(" ", NUMBER, NUMBER), ["min", "max"]],
};
/** Fields that are text; all others are numbers. */
const TEXT = new Set(["sid", "secret", "why"]);
/** Fields that can't be 0. */
const POSITIVE = new Set(["win", "gen"]);

function shape(start: string, ...fields: string[]): RegExp {
  return new RegExp(`^${start}${fields.join(" ")}$`);
}

export function encode(frame: Frame): string {
  const { type } = frame;
  const value = (name: string) => {
    const given = (frame as unknown as Record<string, string | number | undefined>)[name];
    return typeof given === "number" ? given.toString(36) : given;
  };
  const fields = SHAPES[type][1].map(value).filter((field) => field !== undefined);
  if (type === "H" || type === "R") fields.splice(0, 2, `${fields[0]}.${fields[1]}`);
  return [MARK + type + (type === "H" ? "1" : ""), ...fields].join(" ");
}

/** What `text` says, `undefined` where that is nothing of this protocol. */
export function decode(text: string): Frame | undefined {
  const type = text[1] as Frame["type"];
  const [pattern, names] = SHAPES[type] ?? [];
  const fields = text.length <= MAX_LENGTH && isControl(text) && pattern?.exec(text.slice(2));
  if (!fields || !names) return undefined;
  const frame: Record<string, unknown> = { type };
  for (const [index, name] of names.entries()) {
    const field = fields[index + 1];
    frame[name] = TEXT.has(name) || field === undefined ? field : Number.parseInt(field, 36);
    if (frame[name] === 0 && POSITIVE.has(name)) return undefined;
  }
  return frame as unknown as Frame;
}

/** Whether `payload` is control rather than an application's message. */
export function isControl(payload: Payload): payload is string {
  return isMarked(payload) && payload.charCodeAt(1) !== MARK_CODE;
}

/** `payload` as it travels, so that no message is ever taken for control. */
export function escaped(payload: Payload): Payload {
  return isMarked(payload) ? MARK + payload : payload;
}

/** The message that travelled as `payload`. */
export function unescaped(payload: Payload): Payload {
  return isMarked(payload) ? payload.slice(1) : payload;
}

function isMarked(payload: Payload): payload is string {
  return typeof payload === "string" && payload.charCodeAt(0) === MARK_CODE;
}
