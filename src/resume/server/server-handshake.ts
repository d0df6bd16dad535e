import { FENCED, RESUME_PROTOCOL_ERROR } from "../../base/close-codes.ts";
import type { Payload } from "../../base/payload.ts";
import { type ControlFrame, decode, isControl, type ReturnFrame, type SessionEndReason } from "../protocol/control.ts";
import { createDeliveryState, type DeliveryState, planResume, type ResumePlan } from "../protocol/delivery-state.ts";

/** What must be remembered of a session for a client to return to it. Plain data, so that a store can keep it. */
export interface SessionRecord {
  readonly sid: string;
  readonly secret: string;
  /** Who the client is, as far as the upgrade request tells: only the same one may return. */
  readonly principal: string | undefined;
  /** Number of the last return. */
  generation: number;
  /** Whether a client has taken it: before that it has no Conn. */
  isAccepted: boolean;
  readonly delivery: DeliveryState;
  /** How it ended: well, or why it can't be resumed. What is left of it then answers those who return late. */
  outcome: "ended" | SessionEndReason | undefined;
}

/** Where sessions are found. One that several machines share would implement this, and the protocol would not change. */
export interface SessionStore {
  get(sid: string): SessionRecord | undefined;
  /** The client of `session` wants it back. One that can't be returned to now is over from here on. */
  beforeResume(session: SessionRecord): void;
}

/** A socket that has been given H and has no session in use yet. */
export interface PendingHandshake {
  readonly issued: SessionRecord;
  readonly principal: string | undefined;
  /** Own limit of what is unacknowledged, either way. */
  readonly window: number;
  /** Whether its return was answered with X: only N may follow. */
  isRefused: boolean;
}

/** What a message of the handshake leads to. */
export type HandshakeResult =
  | { readonly type: "accepted"; readonly session: SessionRecord }
  /** First the socket that the session has is left, then the count of what came is read and stated with A. */
  | { readonly type: "resumed"; readonly session: SessionRecord; readonly back: ResumePlan }
  | { readonly type: "reply"; readonly frame: ControlFrame }
  /** The session had ended well: the count is stated, and the socket closed with 1000. */
  | { readonly type: "ended"; readonly frame: ControlFrame }
  /** `over` is the session that can't go on after this. */
  | { readonly type: "refuse"; readonly code: number; readonly over?: SessionRecord };

/** Told to a client that broke the protocol, and to one whose return comes too late to count. */

export function createSessionRecord(
  key: { readonly sid: string; readonly secret: string },
  principal: string | undefined,
): SessionRecord {
  return { ...key, principal, generation: 0, isAccepted: false, delivery: createDeliveryState(0), outcome: undefined };
}

/** What the server says first. */
export function greetingFrame({ issued, window }: PendingHandshake, ttlMs: number): ControlFrame {
  const { sid, secret } = issued;
  return { type: "H", sid, secret, ttl: Math.ceil(ttlMs / 1000), win: window };
}

/** The client has answered the greeting, or X. */
export function answerHandshake(arrival: PendingHandshake, payload: Payload, store: SessionStore): HandshakeResult {
  const frame = isControl(payload) ? decode(payload) : undefined;
  if (frame?.type === "N") {
    const { issued, window } = arrival;
    issued.isAccepted = true;
    issued.delivery.window = Math.min(frame.win, window);
    return { type: "accepted", session: issued };
  }
  if (frame?.type === "R" && !arrival.isRefused) return resumeSession(arrival, frame, store);
  return { type: "refuse", code: RESUME_PROTOCOL_ERROR };
}

function resumeSession(arrival: PendingHandshake, frame: ReturnFrame, store: SessionStore): HandshakeResult {
  const found = store.get(frame.sid);
  // A session that was just issued here is taken with N.
  if (found === arrival.issued) return { type: "refuse", code: RESUME_PROTOCOL_ERROR };
  const turnAway = (why: SessionEndReason, rx?: number): HandshakeResult => {
    arrival.isRefused = true;
    return { type: "reply", frame: { type: "X", why, rx } };
  };
  if (!found || !isEqual(found.secret, frame.secret)) return turnAway("u");
  if (found.principal !== arrival.principal) return turnAway("p");
  if (frame.gen <= found.generation) return { type: "refuse", code: FENCED };
  found.generation = frame.gen;
  store.beforeResume(found);
  const { received } = found.delivery;
  if (found.outcome === "ended") return { type: "ended", frame: { type: "a", n: received } };
  if (found.outcome) return turnAway(found.outcome, received);
  const back = planResume(found.delivery, frame.rx);
  if (!back) return { type: "refuse", code: RESUME_PROTOCOL_ERROR, over: found };
  found.isAccepted = true;
  found.delivery.window = Math.min(frame.win, arrival.window);
  return { type: "resumed", session: found, back };
}

/** Takes as long for the last wrong character as for the first, in runtimes without `timingSafeEqual` too. */
function isEqual(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}
