import { FENCED, RESUME_PROTOCOL_ERROR } from "../../base/close-codes.ts";
import type { Payload } from "../../base/payload.ts";
import {
  type ControlFrame,
  type Counts,
  decode,
  type ResumeFrame,
  type SessionEndReason,
} from "../protocol/control.ts";
import {
  createDeliveryState,
  type DeliveryState,
  planResume,
  type ResumePlan,
  setWindow,
} from "../protocol/delivery-state.ts";

/** The state of a session by which its client can return. Plain data, so that a store can keep it. */
export interface SessionRecord {
  readonly sid: string;
  readonly secret: string;
  /** The client's identity, from the upgrade request. Only the same principal may return. */
  readonly principal: string | undefined;
  /** The number of the latest resumption, as the client counts its tries. */
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
  /** The place in the client's offer of the application's protocol that is spoken, from 1; 0 for none. */
  readonly app: number;
  /** The application's protocol that is spoken, `""` for none. */
  readonly protocol: string;
  /** Whether a resumption was answered with X. From then on only N may follow. */
  isRefused: boolean;
}

/** The consequence of a message of the handshake. */
export type HandshakeResult =
  | { readonly type: "accepted"; readonly session: SessionRecord }
  /** Leave the session's present socket first. Then read the count of received messages and send A. */
  | { readonly type: "resumed"; readonly session: SessionRecord; readonly plan: ResumePlan }
  | { readonly type: "reply"; readonly frame: ControlFrame }
  /** The session had ended with 1000: send its final counts, and close the socket with 1000. */
  | { readonly type: "ended"; readonly frame: ControlFrame }
  /** `broken` is a session that can't continue after this. */
  | { readonly type: "refuse"; readonly code: number; readonly broken?: SessionRecord };

/** Creates a session that no client has taken yet; `window` is what the server grants. */
export function createSessionRecord(
  key: { readonly sid: string; readonly secret: string },
  principal: string | undefined,
  window: number,
): SessionRecord {
  const delivery = createDeliveryState(window);
  return { ...key, principal, generation: 0, isAccepted: false, delivery, outcome: undefined };
}

/** Returns the first frame of the server, H. */
export function greetingFrame({ issued, app }: PendingHandshake, ttlMs: number): ControlFrame {
  const { sid, secret, delivery } = issued;
  return { type: "H", sid, secret, ttl: Math.ceil(ttlMs / 1000), win: delivery.granted, app };
}

/** Decides on the client's answer to the greeting, or to X. Writes to the records of the sessions that are concerned. */
export function answerHandshake(handshake: PendingHandshake, payload: Payload, store: SessionStore): HandshakeResult {
  const frame = decode(payload);
  if (frame?.type === "N") {
    const { issued } = handshake;
    issued.isAccepted = true;
    setWindow(issued.delivery, frame.win);
    return { type: "accepted", session: issued };
  }
  if (frame?.type === "R" && !handshake.isRefused) return resumeSession(handshake, frame, store);
  return { type: "refuse", code: RESUME_PROTOCOL_ERROR };
}

function resumeSession(handshake: PendingHandshake, frame: ResumeFrame, store: SessionStore): HandshakeResult {
  const found = store.get(frame.sid);
  // A session that was issued on this very socket is taken with N.
  if (found === handshake.issued) return { type: "refuse", code: RESUME_PROTOCOL_ERROR };
  const turnAway = (why: SessionEndReason, counts?: Counts): HandshakeResult => {
    handshake.isRefused = true;
    return { type: "reply", frame: { type: "X", why, ...counts } };
  };
  if (!found || !isEqual(found.secret, frame.secret)) return turnAway("u");
  if (found.principal !== handshake.principal) return turnAway("p");
  if (frame.gen <= found.generation) return { type: "refuse", code: FENCED };
  found.generation = frame.gen;
  store.beforeResume(found);
  const { ackSent: n, received: rx } = found.delivery;
  if (found.outcome === "ended") return { type: "ended", frame: { type: "f", n, rx } };
  if (found.outcome) return turnAway(found.outcome, { n, rx });
  const plan = planResume(found.delivery, frame.rx);
  if (!plan) return { type: "refuse", code: RESUME_PROTOCOL_ERROR, broken: found };
  found.isAccepted = true;
  setWindow(found.delivery, frame.win);
  return { type: "resumed", session: found, plan };
}

/** Whether `a` equals `b`, in constant time. Not by `timingSafeEqual`, because some runtimes do not have it. */
function isEqual(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}
