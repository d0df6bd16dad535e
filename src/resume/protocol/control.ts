import type { Payload } from "../../base/payload.ts";

/** The first character of a control frame, whose second character is never U+0010. An escaped message has the mark twice. */
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

/** The messages of the protocol itself. docs/internals/protocol.md gives the meaning of each. */
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

/** The shape of each frame after its type: an expression in which each word stands for a field of that name. */
const SHAPES: { readonly [type in ControlFrame["type"]]: string } = {
  H: "1 sid\\.secret ttl win app",
  N: " win",
  R: " sid\\.secret gen rx win",
  A: " rx",
  X: " why(?: n rx)?",
  a: " n",
  p: " n",
  q: " n",
  f: " n rx",
  "?": "",
  m: " min max",
};
/** The expressions of fields that are text; all others are numbers to the base of 36. */
const TEXT_FIELDS: { readonly [name in string]?: string } = {
  sid: "[\\w-]{1,64}",
  secret: "[\\w-]{1,64}",
  why: "[euop]",
};
/** Fields that can't be 0. */
const POSITIVE_FIELD = /win|gen/;

/** The expression of each frame, and its fields in order: older engines of React Native have no named groups. */
const patterns = new Map(
  Object.entries(SHAPES).map(([type, shape]) => {
    const names: string[] = [];
    const field = (name: string) => {
      names.push(name);
      return `(${TEXT_FIELDS[name] ?? `${POSITIVE_FIELD.test(name) ? "(?!0+\\b)" : ""}[0-9a-z]{1,10}`})`;
    };
    return [type, { expression: new RegExp(`^${shape.replace(/[a-z]+/g, field)}$`), names }] as const;
  }),
);

/** Returns `frame` as it travels. */
export function encode(frame: ControlFrame): string {
  const write = (name: string) => {
    const value = (frame as unknown as Record<string, string | number | undefined>)[name];
    return typeof value === "number" ? value.toString(36) : (value ?? "");
  };
  // Fields that are left out come last.
  return (MARK + frame.type + SHAPES[frame.type].replace(/[(:?)\\]/g, "").replace(/[a-z]+/g, write)).trimEnd();
}

/** Reads `payload`. Returns `undefined` for an application's message, and for control that is malformed or unknown. */
export function decode(payload: Payload): ControlFrame | undefined {
  if (!isControl(payload) || payload.length > MAX_LENGTH) return undefined;
  const type = payload[1] as string;
  const pattern = patterns.get(type);
  const match = pattern?.expression.exec(payload.slice(2));
  if (!pattern || !match) return undefined;
  const frame: Record<string, unknown> = { type };
  for (const [index, name] of pattern.names.entries()) {
    const field = match[index + 1];
    frame[name] = name in TEXT_FIELDS || field === undefined ? field : Number.parseInt(field, 36);
  }
  return frame as unknown as ControlFrame;
}

/** Whether `payload` is control, well formed or not, rather than an application's message. */
export function isControl(payload: Payload): payload is string {
  return unescaped(payload) === undefined;
}

/** Returns an application's message in the form in which it travels, so that no peer takes it for control. */
export function escaped(payload: Payload): Payload {
  return isMarked(payload) ? MARK + payload : payload;
}

/** Returns the message that travelled as `payload`; `undefined` for control. */
export function unescaped(payload: Payload): Payload | undefined {
  if (!isMarked(payload)) return payload;
  return payload.charCodeAt(1) === MARK_CODE ? payload.slice(1) : undefined;
}

function isMarked(payload: Payload): payload is string {
  return typeof payload === "string" && payload.charCodeAt(0) === MARK_CODE;
}
