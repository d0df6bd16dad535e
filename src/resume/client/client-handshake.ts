import type { Payload } from "../../base/payload.ts";
import type { SessionLoss } from "../../core/session.ts";
import { type ControlFrame, decode, isControl } from "../protocol/control.ts";
import {
  acknowledge,
  createDeliveryState,
  type DeliveryState,
  planResume,
  type ResumePlan,
  type SentMessage,
  splitLoss,
} from "../protocol/delivery-state.ts";

/** Where a socket stands: no socket, H or A awaited, a fresh session in setup, a session in use, no resume at all. */
type Phase = "away" | "greeting" | "resuming" | "starting" | "active" | "unsupported";

/** The key to a session. */
interface SessionKey {
  readonly sid: string;
  readonly secret: string;
}

/** What a client remembers from socket to socket. Plain data. */
export interface ClientHandshake {
  phase: Phase;
  /** Own limit of what is unacknowledged, either way. */
  readonly window: number;
  /** The session, and the number of returns to it. */
  session: (SessionKey & { gen: number; readonly flow: DeliveryState }) | undefined;
  /** The session that came with this socket's H. */
  offeredSession: (SessionKey & { readonly win: number }) | undefined;
  /** What a lost session left to be sent, in order. */
  carriedOver: SentMessage[];
  /** Whether the server has ever shown that it speaks resume. */
  isConfirmed: boolean;
  /** Whether the last dial made the offer. */
  offered: boolean;
  /** Whether the next dial goes without the offer, once. */
  skipsNextOffer: boolean;
  /** Whether it is certain that it was the offer that failed. */
  isSure: boolean;
  /** Whether the offer is made no more. */
  isUnsupported: boolean;
  /** Sockets in a row on which the server selected the name and for long said nothing. */
  silences: number;
  /** Handshakes in a row that failed. */
  failures: number;
}

/** What a message of the handshake leads to. */
export type ClientHandshakeStep =
  | { readonly type: "reply"; readonly frame: ControlFrame }
  | { readonly type: "started"; readonly frame: ControlFrame; readonly remains: SessionLoss<SentMessage> | undefined }
  | { readonly type: "resumed"; readonly back: ResumePlan }
  /** The server had ended the session well, and says how far it had come. */
  | { readonly type: "ended"; readonly delivered: readonly SentMessage[] }
  /** No resume here: the message is the application's. */
  | { readonly type: "unsupported"; readonly remains: SessionLoss<SentMessage> | undefined }
  | { readonly type: "protocolError" };

const PROTOCOL_ERROR = { type: "protocolError" } as const;
/** Handshakes in a row that a server which once spoke resume failed, and silences, after which it may have changed. */
const MAX_FAILURES = 3;
const MAX_SILENCES = 2;

export function createClientHandshake(window: number): ClientHandshake {
  return {
    phase: "away",
    window,
    session: undefined,
    offeredSession: undefined,
    carriedOver: [],
    isConfirmed: false,
    offered: false,
    skipsNextOffer: false,
    isSure: false,
    isUnsupported: false,
    silences: 0,
    failures: 0,
  };
}

/** Whether the dial that begins now makes the offer. */
export function prepareOffer(guest: ClientHandshake): boolean {
  guest.offered = !guest.isUnsupported && !guest.skipsNextOffer;
  guest.skipsNextOffer = false;
  return guest.offered;
}

/**
 * The handshake failed. Answers whether another dial at once, without the offer, is to tell if it was the offer: not each
 * time where the server spoke resume before, since it may only be down.
 */
export function onHandshakeFailed(guest: ClientHandshake): boolean {
  const isDoubted = !guest.isConfirmed || guest.isSure || ++guest.failures >= MAX_FAILURES;
  guest.skipsNextOffer = guest.offered && isDoubted;
  if (!guest.offered || isDoubted) guest.failures = 0;
  return guest.skipsNextOffer;
}

/**
 * The socket is open, and the server has selected the name of this protocol or not. Answers what the application gets:
 * `undefined` while the server's H is awaited, `"again"` where another dial tells more.
 */
export function onOpen(guest: ClientHandshake, selected: boolean): ClientHandshakeStep | "again" | undefined {
  if (guest.offered && selected) {
    guest.phase = "greeting";
    return undefined;
  }
  if (!guest.offered) {
    // A server that spoke resume may only have been down a moment ago: the session is not given up for that.
    if (guest.isConfirmed && !guest.isSure) {
      guest.isSure = true;
      return "again";
    }
    guest.isUnsupported = true;
  }
  return withoutSession(guest);
}

/**
 * H did not come in the time that a server which speaks resume would need. Answers whether to dial without the offer:
 * one that spoke it before is believed for longer, since a session is at stake.
 */
export function onGreetingTimeout(guest: ClientHandshake): boolean {
  if (guest.phase !== "greeting" || (guest.isConfirmed && ++guest.silences < MAX_SILENCES)) return false;
  guest.skipsNextOffer = guest.isSure = true;
  return true;
}

/** A message has come before the session is in use. */
export function onMessage(guest: ClientHandshake, payload: Payload): ClientHandshakeStep {
  const frame = isControl(payload) ? decode(payload) : undefined;
  if (guest.phase === "greeting") {
    if (frame?.type !== "H") return withoutSession(guest);
    const { sid, secret, win } = frame;
    Object.assign(guest, {
      isConfirmed: true,
      isSure: false,
      silences: 0,
      failures: 0,
      offeredSession: { sid, secret, win },
    });
    return guest.session ? resumeSession(guest, guest.session) : startSession(guest, undefined);
  }
  const { session, offeredSession } = guest;
  if (!session || !offeredSession || !frame) return PROTOCOL_ERROR;
  if (frame.type === "A") {
    const back = planResume(session.flow, frame.rx);
    if (!back) return PROTOCOL_ERROR;
    session.flow.window = Math.min(offeredSession.win, guest.window);
    guest.phase = "active";
    return { type: "resumed", back };
  }
  if (frame.type === "X") {
    const onDisconnected = splitLoss(session.flow, frame.rx);
    return onDisconnected ? startSession(guest, carryOver(guest, onDisconnected)) : PROTOCOL_ERROR;
  }
  const delivered = frame.type === "a" && acknowledge(session.flow, frame.n);
  return delivered ? { type: "ended", delivered } : PROTOCOL_ERROR;
}

/** Setup is over, and the session in use. */
export function onActivated(guest: ClientHandshake): void {
  if (guest.phase === "starting") guest.phase = "active";
}

/** The socket is gone, or left. */
export function onDisconnected(guest: ClientHandshake): void {
  // What setup said and heard is nothing that another setup could go on from.
  if (guest.phase === "starting") guest.session = undefined;
  guest.offeredSession = undefined;
  guest.phase = "away";
}

function resumeSession(guest: ClientHandshake, own: NonNullable<ClientHandshake["session"]>): ClientHandshakeStep {
  own.gen++;
  guest.phase = "resuming";
  const { sid, secret, gen, flow } = own;
  return { type: "reply", frame: { type: "R", sid, secret, gen, rx: flow.received, win: guest.window } };
}

/** The fresh session becomes our own: all numbers from 1. */
function startSession(guest: ClientHandshake, remains: SessionLoss<SentMessage> | undefined): ClientHandshakeStep {
  const { sid, secret, win } = guest.offeredSession as NonNullable<ClientHandshake["offeredSession"]>;
  guest.session = { sid, secret, gen: 0, flow: createDeliveryState(Math.min(win, guest.window)) };
  guest.phase = "starting";
  return { type: "started", frame: { type: "N", win: guest.window }, remains };
}

function withoutSession(guest: ClientHandshake): ClientHandshakeStep {
  const { session } = guest;
  guest.phase = "unsupported";
  guest.session = undefined;
  // Without a count of the peer's there is none that can't be.
  return {
    type: "unsupported",
    remains: session && carryOver(guest, splitLoss(session.flow, undefined) as SessionLoss<SentMessage>),
  };
}

/** What is certainly not delivered goes on, and what is in doubt only if that was asked for. */
function carryOver(guest: ClientHandshake, remains: SessionLoss<SentMessage>): SessionLoss<SentMessage> {
  const goOn = [...remains.undelivered, ...remains.inDoubt.filter(({ resend }) => resend)];
  guest.carriedOver = [...goOn.filter(({ volatile }) => !volatile), ...guest.carriedOver];
  return remains;
}
