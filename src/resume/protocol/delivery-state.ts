import { MESSAGE_COST_BYTES, type Payload } from "../../base/payload.ts";
import type { DeliveryOptions } from "../../core/outbox.ts";
import type { SessionLoss } from "../../core/session.ts";
import type { Counts } from "./control.ts";

/** A message that one end keeps until the peer has acknowledged it. */
export interface SentMessage extends DeliveryOptions {
  /** `undefined` for a volatile message, which keeps its place and not its bytes. */
  readonly payload: Payload | undefined;
  /** The part of a window that the message takes: see {@link windowCost}. */
  readonly cost: number;
  /** Counts all messages of the Conn, whatever session carried them. */
  readonly ordinal: number;
  /** Whether an earlier session may have delivered the message. No later session can clear that doubt. */
  readonly isDoubtful?: boolean | undefined;
}

/**
 * The memory of one end of a session: how far each direction has come, and the messages that the peer may still need. Plain data, so
 * that it can be stored and copied. Messages are numbered from 1 by counting, never on the wire.
 */
export interface DeliveryState {
  /** Messages counted in. */
  received: number;
  /** The part of `received` that was acknowledged to the peer. */
  ackSent: number;
  /** Costs of the messages received above `ackSent`, in order, and their sum. */
  unackedCosts: number[];
  unackedCost: number;
  /** The window that this end granted: a peer that has more unacknowledged breaks the protocol. */
  readonly granted: number;
  /** Messages put on a socket. */
  sent: number;
  /** The part of `sent` that the peer had received, as it stated when the session was last resumed. */
  peerReceived: number;
  /** The part of `sent` that the peer has acknowledged. */
  ackReceived: number;
  /** The messages above `ackReceived`, in order, from index `start` on, and the sum of their costs. */
  retained: (SentMessage | undefined)[];
  start: number;
  cost: number;
  /** Messages are sent while the unacknowledged ones cost less. */
  window: number;
  /** The number of the first message that was sent again when the session was last resumed; 0 for none. */
  firstUnreceived: number;
  /** Connections in a row that answered a ping, and then ended after `firstUnreceived` was sent and before the peer counted it. */
  strikes: number;
}

/** Decides on the messages in flight when the socket is replaced. */
export interface ResumePlan {
  /** To be written again, in order. */
  readonly resend: readonly SentMessage[];
  /** Volatile messages that the peer did not count. */
  readonly stale: readonly SentMessage[];
  /** A message that is set aside, because it ended too many connections. */
  readonly poison: SentMessage | undefined;
  /** Whether `resend` begins with the same message as at the last resumption, so that it may be what ended that connection. */
  readonly isSuspect: boolean;
}

/** Connections in a row that a message may end. */
const MAX_STRIKES = 3;
/** `retained` is cut when at least so many places in front are acknowledged, and more than half of all. */
const COMPACT_AT = 256;

/** Creates the state of a session that begins, given the window that this end grants. */
export function createDeliveryState(granted: number): DeliveryState {
  return {
    received: 0,
    ackSent: 0,
    unackedCosts: [],
    unackedCost: 0,
    granted,
    sent: 0,
    peerReceived: 0,
    ackReceived: 0,
    retained: [],
    start: 0,
    cost: 0,
    window: granted,
    firstUnreceived: 0,
    strikes: 0,
  };
}

/** The largest window: the largest number of ten digits to the base of 36, which is how it travels. */
export const MAX_WINDOW_BYTES = 36 ** 10 - 1;

/** Returns the part of a window that `payload` takes: its bytes, or UTF-16 units of text, and an overhead. */
export function windowCost({ length }: Payload): number {
  return length + MESSAGE_COST_BYTES;
}

/** Whether the peer's window takes another message. */
export function hasRoom({ cost, window }: DeliveryState): boolean {
  return cost < window;
}

/** Takes the window that the peer grants. The smaller one of both ends counts. */
export function setWindow(state: DeliveryState, granted: number): void {
  state.window = Math.min(granted, state.granted);
}

/** Counts an incoming message. Returns false where the peer went beyond the window that it was granted. */
export function count(state: DeliveryState, payload: Payload): boolean {
  if (state.unackedCost >= state.granted) return false;
  const cost = windowCost(payload);
  state.received++;
  state.unackedCosts.push(cost);
  state.unackedCost += cost;
  return true;
}

/** Notes that everything up to message `n` is acknowledged to the peer from now on. */
export function noteAckSent(state: DeliveryState, n: number): void {
  for (const cost of state.unackedCosts.splice(0, n - state.ackSent)) state.unackedCost -= cost;
  state.ackSent = n;
}

/** Gives `message` the next number, and keeps the message until it is acknowledged. */
export function retain(state: DeliveryState, message: SentMessage): void {
  state.sent++;
  state.retained.push(message);
  state.cost += message.cost;
}

/** Releases the messages up to `n`, which the peer has acknowledged; `undefined` for a count that can't be. */
export function acknowledge(state: DeliveryState, n: number): SentMessage[] | undefined {
  if (!(n >= state.ackReceived && n <= state.sent)) return undefined;
  const done = state.retained.slice(state.start, state.start + n - state.ackReceived) as SentMessage[];
  state.retained.fill(undefined, state.start, state.start + done.length);
  state.start += done.length;
  state.ackReceived = n;
  for (const { cost } of done) state.cost -= cost;
  if (state.start >= COMPACT_AT && state.start * 2 > state.retained.length) {
    state.retained = state.retained.slice(state.start);
    state.start = 0;
  }
  return done;
}

/** Plans the resumption after message `rx`, the last one that the peer states to have received; `undefined` for a count that can't be. */
export function planResume(state: DeliveryState, rx: number): ResumePlan | undefined {
  const loss = splitLoss(state, { n: rx, rx });
  if (!loss) return undefined;
  const { delivered: received, undelivered } = loss;
  const stale = undelivered.filter(({ volatile }) => volatile);
  const resend = undelivered.filter(({ volatile }) => !volatile);
  const first = resend.length > 0 ? rx + 1 : 0;
  const isSuspect = first > 0 && first === state.firstUnreceived;
  if (!isSuspect) state.strikes = 0;
  const poison = state.strikes >= MAX_STRIKES ? resend.shift() : undefined;
  // Without the message that was set aside, the next resumption has nothing to suspect.
  state.firstUnreceived = poison ? 0 : first;
  state.peerReceived = rx;
  // Stale and poisonous messages are left out, because the peer counted none of them: later messages take their numbers.
  const retained = [...received, ...resend];
  state.retained = retained;
  state.start = state.cost = 0;
  state.sent = rx + resend.length;
  for (const { cost } of retained) state.cost += cost;
  return { resend, stale, poison, isSuspect: isSuspect && !poison };
}

/**
 * Sorts the messages that are retained when a session is lost or over, by the counts that the peer states: up to `n` they
 * are delivered, up to `rx` in doubt, above `rx` undelivered. Without counts all are in doubt. Returns `undefined` for
 * counts that can't be.
 */
export function splitLoss(
  { retained, start, ackReceived, peerReceived, sent }: DeliveryState,
  { n = ackReceived, rx = sent }: Partial<Counts> = {},
): SessionLoss<SentMessage> | undefined {
  if (!(n >= ackReceived && rx >= n && rx >= peerReceived && rx <= sent)) return undefined;
  const offset = start - ackReceived;
  const part = (from: number, to: number) => retained.slice(offset + from, offset + to) as SentMessage[];
  return { delivered: part(ackReceived, n), inDoubt: part(n, rx), undelivered: part(rx, sent) };
}

/**
 * Lists the messages that the next session sends first: those in doubt with the option `resend`, the undelivered ones, and
 * those that `earlier` sessions left. Volatile messages are left out.
 */
export function carryOver(
  { undelivered, inDoubt }: SessionLoss<SentMessage>,
  earlier: readonly SentMessage[],
): SentMessage[] {
  const doubtful = inDoubt.filter(({ resend }) => resend).map((message) => ({ ...message, isDoubtful: true }));
  return [...[...doubtful, ...undelivered].filter(({ volatile }) => !volatile), ...earlier];
}

/** Parts messages that were certainly not delivered from those that an earlier session may have delivered. */
export function partDoubtful(messages: readonly SentMessage[]): readonly [SentMessage[], SentMessage[]] {
  return [messages.filter(({ isDoubtful }) => !isDoubtful), messages.filter(({ isDoubtful }) => isDoubtful)];
}
