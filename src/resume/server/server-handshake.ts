import { FENCED, RESUME_PROTOCOL_ERROR } from "../../base/close-codes.ts";
import type { Payload } from "../../base/payload.ts";
import { type ControlFrame, decode, isControl, type ReturnFrame, type SessionEndReason } from "../protocol/control.ts";
import { createDeliveryState, type DeliveryState, planResume, type ResumePlan } from "../protocol/delivery-state.ts";

/** The state of a session by which its client can return. Plain data, so that a store can keep it. */
export interface SessionRecord {
  readonly sid: string;
  readonly secret: string;
  /** The client's identity, from the upgrade request. Only the same principal may return. */
  readonly principal: string | undefined;
  /** Number of the last return. */
  generation: number;
  /** Whether a client has taken the session. Until then the session has no Conn. */
  isAccepted: boolean;
  readonly delivery: DeliveryState;
  /** How the session ended. The record then answers clients that return late. */
  outcome: "ended" | SessionEndReason | undefined;
}

/** Where sessions are found. A store that several machines share would implement this with the same protocol. */
export interface SessionStore {
  get(sid: string): SessionRecord | undefined;
  /** Called when the client of `session` returns. A session that can't be resumed now has to end in this call. */
  beforeResume(session: SessionRecord): void;
}

/** A socket that has been sent H and has no session in use yet. */
export interface PendingHandshake {
  readonly issued: SessionRecord;
  readonly principal: string | undefined;
  /** Own limit of what is unacknowledged, in either direction. */
  readonly window: number;
  /** Whether a return was answered with X. From then on only N may follow. */
  isRefused: boolean;
}

/** The consequence of a message of the handshake. */
export type HandshakeResult =
  | { readonly type: "accepted"; readonly session: SessionRecord }
  /** Leave the session's present socket first. Then read the count of received messages and send A. */
  | { readonly type: "resumed"; readonly session: SessionRecord; readonly plan: ResumePlan }
  | { readonly type: "reply"; readonly frame: ControlFrame }
  /** The session had ended well: send the count, and close the socket with 1000. */
  | { readonly type: "ended"; readonly frame: ControlFrame }
  /** `broken` is a session that can't continue after this. */
  | { readonly type: "refuse"; readonly code: number; readonly broken?: SessionRecord };

export function createSessionRecord(
  key: { readonly sid: string; readonly secret: string },
  principal: string | undefined,
): SessionRecord {
  return { ...key, principal, generation: 0, isAccepted: false, delivery: createDeliveryState(0), outcome: undefined };
}

/** Returns the first frame of the server, H. */
export function greetingFrame({ issued, window }: PendingHandshake, ttlMs: number): ControlFrame {
  const { sid, secret } = issued;
  return { type: "H", sid, secret, ttl: Math.ceil(ttlMs / 1000), win: window };
}

/** Decides on the client's answer to the greeting, or to X. Writes to the records of the sessions that are concerned. */
export function answerHandshake(handshake: PendingHandshake, payload: Payload, store: SessionStore): HandshakeResult {
  const frame = isControl(payload) ? decode(payload) : undefined;
  if (frame?.type === "N") {
    const { issued, window } = handshake;
    issued.isAccepted = true;
    issued.delivery.window = Math.min(frame.win, window);
    return { type: "accepted", session: issued };
  }
  if (frame?.type === "R" && !handshake.isRefused) return resumeSession(handshake, frame, store);
  return { type: "refuse", code: RESUME_PROTOCOL_ERROR };
}

function resumeSession(handshake: PendingHandshake, frame: ReturnFrame, store: SessionStore): HandshakeResult {
  const found = store.get(frame.sid);
  // A session that was issued on this very socket is taken with N.
  if (found === handshake.issued) return { type: "refuse", code: RESUME_PROTOCOL_ERROR };
  const turnAway = (why: SessionEndReason, rx?: number): HandshakeResult => {
    handshake.isRefused = true;
    return { type: "reply", frame: { type: "X", why, rx } };
  };
  if (!found || !isEqual(found.secret, frame.secret)) return turnAway("u");
  if (found.principal !== handshake.principal) return turnAway("p");
  if (frame.gen <= found.generation) return { type: "refuse", code: FENCED };
  found.generation = frame.gen;
  store.beforeResume(found);
  const { received } = found.delivery;
  if (found.outcome === "ended") return { type: "ended", frame: { type: "a", n: received } };
  if (found.outcome) return turnAway(found.outcome, received);
  const plan = planResume(found.delivery, frame.rx);
  if (!plan) return { type: "refuse", code: RESUME_PROTOCOL_ERROR, broken: found };
  found.isAccepted = true;
  found.delivery.window = Math.min(frame.win, handshake.window);
  return { type: "resumed", session: found, plan };
}

/** Compares in the same time wherever the first difference is, in runtimes without `timingSafeEqual` too. */
function isEqual(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}
