import { timingSafeEqual } from "node:crypto";
import type { Payload } from "../payload.ts";
import { type Flow, flow, type Kept, type Return, returned } from "../resume/flow.ts";
import { decode, type Frame, isControl, type ReturnFrame, type Why } from "../resume/frame.ts";

/** What must be remembered of a session for a client to return to it. Plain data, so that a store can keep it. */
export interface SessionRecord<T extends Kept> {
  readonly sid: string;
  readonly secret: string;
  /** Who the client is, as far as the upgrade request tells: only the same one may return. */
  readonly principal: string | undefined;
  /** Number of the last return. */
  gen: number;
  /** Whether a client has taken it: before that it has no Conn. */
  isTaken: boolean;
  readonly flow: Flow<T>;
  /** How it ended: well, or why it can't be resumed. What is left of it then answers those who return late. */
  over: "ended" | Why | undefined;
}

/** Where sessions are found. One that several machines share would implement this, and the protocol would not change. */
export interface SessionStore<T extends Kept> {
  get(sid: string): SessionRecord<T> | undefined;
  /** The client of `session` wants it back. One that can't be returned to now is over from here on. */
  claim(session: SessionRecord<T>): void;
}

/** A socket that has been given H and has no session in use yet. */
export interface Arrival<T extends Kept> {
  readonly issued: SessionRecord<T>;
  readonly principal: string | undefined;
  /** Own limit of what is unacknowledged, either way. */
  readonly window: number;
  /** Whether its return was answered with X: only N may follow. */
  isTurnedAway: boolean;
}

/** What a message of the handshake leads to. */
export type Answer<T extends Kept> =
  | { readonly type: "taken"; readonly session: SessionRecord<T> }
  /** First the socket that the session has is left, then the count of what came is read and stated with A. */
  | { readonly type: "resumed"; readonly session: SessionRecord<T>; readonly back: Return<T> }
  | { readonly type: "say"; readonly frame: Frame }
  /** The session had ended well: the count is stated, and the socket closed with 1000. */
  | { readonly type: "ended"; readonly frame: Frame }
  /** `over` is the session that can't go on after this. */
  | { readonly type: "refuse"; readonly code: number; readonly over?: SessionRecord<T> };

/** Told to a client that broke the protocol, and to one whose return comes too late to count. */
export const BREACH = 4400;
export const FENCED = 4409;

export function session<T extends Kept>(
  key: { readonly sid: string; readonly secret: string },
  principal: string | undefined,
): SessionRecord<T> {
  return { ...key, principal, gen: 0, isTaken: false, flow: flow(0), over: undefined };
}

/** What the server says first. */
export function greeting({ issued, window }: Arrival<Kept>, ttlMs: number): Frame {
  const { sid, secret } = issued;
  return { type: "H", sid, secret, ttl: Math.ceil(ttlMs / 1000), win: window };
}

/** The client has answered the greeting, or X. */
export function answer<T extends Kept>(arrival: Arrival<T>, payload: Payload, store: SessionStore<T>): Answer<T> {
  const frame = isControl(payload) ? decode(payload) : undefined;
  if (frame?.type === "N") {
    const { issued, window } = arrival;
    issued.isTaken = true;
    issued.flow.window = Math.min(frame.win, window);
    return { type: "taken", session: issued };
  }
  if (frame?.type === "R" && !arrival.isTurnedAway) return comeBack(arrival, frame, store);
  return { type: "refuse", code: BREACH };
}

function comeBack<T extends Kept>(arrival: Arrival<T>, frame: ReturnFrame, store: SessionStore<T>): Answer<T> {
  const found = store.get(frame.sid);
  // A session that was just issued here is taken with N.
  if (found === arrival.issued) return { type: "refuse", code: BREACH };
  const turnAway = (why: Why, rx?: number): Answer<T> => {
    arrival.isTurnedAway = true;
    return { type: "say", frame: { type: "X", why, rx } };
  };
  if (!found || !isEqual(found.secret, frame.secret)) return turnAway("u");
  if (found.principal !== arrival.principal) return turnAway("p");
  if (frame.gen <= found.gen) return { type: "refuse", code: FENCED };
  found.gen = frame.gen;
  store.claim(found);
  const { rx } = found.flow;
  if (found.over === "ended") return { type: "ended", frame: { type: "a", n: rx } };
  if (found.over) return turnAway(found.over, rx);
  const back = returned(found.flow, frame.rx);
  if (!back) return { type: "refuse", code: BREACH, over: found };
  found.isTaken = true;
  found.flow.window = Math.min(frame.win, arrival.window);
  return { type: "resumed", session: found, back };
}

/** Takes as long for the last wrong character as for the first. */
function isEqual(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}
