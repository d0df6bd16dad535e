import type { Payload } from "../payload.ts";
import { acknowledged, type Flow, flow, type Kept, type Remains, type Return, remains, returned } from "./flow.ts";
import { decode, type Frame, isControl } from "./frame.ts";

/** A message of the client's that may outlive its session. */
export interface Carried extends Kept {
  /** Sent again in the next session where it is not known whether it arrived. */
  readonly resend?: boolean | undefined;
}

/** Where a socket stands: no socket, H or A awaited, a fresh session in setup, a session in use, no resume at all. */
type Phase = "away" | "greeting" | "returning" | "joining" | "bound" | "plain";

/** The key to a session. */
interface Key {
  readonly sid: string;
  readonly secret: string;
}

/** What a client remembers from socket to socket. Plain data. */
export interface Guest<T extends Carried> {
  phase: Phase;
  /** Own limit of what is unacknowledged, either way. */
  readonly window: number;
  /** The session, and the number of returns to it. */
  own: (Key & { gen: number; readonly flow: Flow<T> }) | undefined;
  /** The session that came with this socket's H. */
  fresh: (Key & { readonly win: number }) | undefined;
  /** What a lost session left to be sent, in order. */
  waiting: T[];
  /** Whether the server has ever shown that it speaks resume. */
  knows: boolean;
  /** Whether the last dial made the offer. */
  offered: boolean;
  /** Whether the next dial goes without the offer, once. */
  skips: boolean;
  /** Whether it is certain that it was the offer that failed. */
  isSure: boolean;
  /** Whether the offer is made no more. */
  gaveUp: boolean;
  /** Sockets in a row on which the server selected the name and for long said nothing. */
  silences: number;
  /** Handshakes in a row that failed. */
  declines: number;
}

/** What a message of the handshake leads to. */
export type Step<T> =
  | { readonly type: "say"; readonly frame: Frame }
  | { readonly type: "fresh"; readonly frame: Frame; readonly remains: Remains<T> | undefined }
  | { readonly type: "resumed"; readonly back: Return<T> }
  /** The server had ended the session well, and says how far it had come. */
  | { readonly type: "ended"; readonly delivered: readonly T[] }
  /** No resume here: the message is the application's. */
  | { readonly type: "plain"; readonly remains: Remains<T> | undefined }
  | { readonly type: "breach" };

const BREACH = { type: "breach" } as const;
/** Handshakes in a row that a server which once spoke resume failed, and silences, after which it may have changed. */
const MAX_DECLINES = 3;
const MAX_SILENCES = 2;

export function guest<T extends Carried>(window: number): Guest<T> {
  return {
    phase: "away",
    window,
    own: undefined,
    fresh: undefined,
    waiting: [],
    knows: false,
    offered: false,
    skips: false,
    isSure: false,
    gaveUp: false,
    silences: 0,
    declines: 0,
  };
}

/** Whether the dial that begins now makes the offer. */
export function offers(guest: Guest<Carried>): boolean {
  guest.offered = !guest.gaveUp && !guest.skips;
  guest.skips = false;
  return guest.offered;
}

/**
 * The handshake failed. Answers whether another dial at once, without the offer, is to tell if it was the offer: not each
 * time where the server spoke resume before, since it may only be down.
 */
export function declined(guest: Guest<Carried>): boolean {
  const isDoubted = !guest.knows || guest.isSure || ++guest.declines >= MAX_DECLINES;
  guest.skips = guest.offered && isDoubted;
  if (!guest.offered || isDoubted) guest.declines = 0;
  return guest.skips;
}

/**
 * The socket is open, and the server has selected the name of this protocol or not. Answers what the application gets:
 * `undefined` while the server's H is awaited, `"again"` where another dial tells more.
 */
export function opened<T extends Carried>(guest: Guest<T>, selected: boolean): Step<T> | "again" | undefined {
  if (guest.offered && selected) {
    guest.phase = "greeting";
    return undefined;
  }
  if (!guest.offered) {
    // A server that spoke resume may only have been down a moment ago: the session is not given up for that.
    if (guest.knows && !guest.isSure) {
      guest.isSure = true;
      return "again";
    }
    guest.gaveUp = true;
  }
  return plain(guest);
}

/**
 * H did not come in the time that a server which speaks resume would need. Answers whether to dial without the offer:
 * one that spoke it before is believed for longer, since a session is at stake.
 */
export function unheard(guest: Guest<Carried>): boolean {
  if (guest.phase !== "greeting" || (guest.knows && ++guest.silences < MAX_SILENCES)) return false;
  guest.skips = guest.isSure = true;
  return true;
}

/** A message has come before the session is in use. */
export function heard<T extends Carried>(guest: Guest<T>, payload: Payload): Step<T> {
  const frame = isControl(payload) ? decode(payload) : undefined;
  if (guest.phase === "greeting") {
    if (frame?.type !== "H") return plain(guest);
    const { sid, secret, win } = frame;
    Object.assign(guest, { knows: true, isSure: false, silences: 0, declines: 0, fresh: { sid, secret, win } });
    return guest.own ? comeBack(guest, guest.own) : join(guest, undefined);
  }
  const { own, fresh } = guest;
  if (!own || !fresh || !frame) return BREACH;
  if (frame.type === "A") {
    const back = returned(own.flow, frame.rx);
    if (!back) return BREACH;
    own.flow.window = Math.min(fresh.win, guest.window);
    guest.phase = "bound";
    return { type: "resumed", back };
  }
  if (frame.type === "X") {
    const left = remains(own.flow, frame.rx);
    return left ? join(guest, settle(guest, left)) : BREACH;
  }
  const delivered = frame.type === "a" && acknowledged(own.flow, frame.n);
  return delivered ? { type: "ended", delivered } : BREACH;
}

/** Setup is over, and the session in use. */
export function served<T extends Carried>(guest: Guest<T>): void {
  if (guest.phase === "joining") guest.phase = "bound";
}

/** The socket is gone, or left. */
export function left(guest: Guest<Carried>): void {
  // What setup said and heard is nothing that another setup could go on from.
  if (guest.phase === "joining") guest.own = undefined;
  guest.fresh = undefined;
  guest.phase = "away";
}

function comeBack<T extends Carried>(guest: Guest<T>, own: NonNullable<Guest<T>["own"]>): Step<T> {
  own.gen++;
  guest.phase = "returning";
  const { sid, secret, gen, flow } = own;
  return { type: "say", frame: { type: "R", sid, secret, gen, rx: flow.rx, win: guest.window } };
}

/** The fresh session becomes our own: all numbers from 1. */
function join<T extends Carried>(guest: Guest<T>, remains: Remains<T> | undefined): Step<T> {
  const { sid, secret, win } = guest.fresh as NonNullable<Guest<T>["fresh"]>;
  guest.own = { sid, secret, gen: 0, flow: flow(Math.min(win, guest.window)) };
  guest.phase = "joining";
  return { type: "fresh", frame: { type: "N", win: guest.window }, remains };
}

function plain<T extends Carried>(guest: Guest<T>): Step<T> {
  const { own } = guest;
  guest.phase = "plain";
  guest.own = undefined;
  // Without a count of the peer's there is none that can't be.
  return { type: "plain", remains: own && settle(guest, remains(own.flow, undefined) as Remains<T>) };
}

/** What is certainly not delivered goes on, and what is in doubt only if that was asked for. */
function settle<T extends Carried>(guest: Guest<T>, remains: Remains<T>): Remains<T> {
  const goOn = [...remains.notDelivered, ...remains.inDoubt.filter(({ resend }) => resend)];
  guest.waiting = [...goOn.filter(({ volatile }) => !volatile), ...guest.waiting];
  return remains;
}
