import { MESSAGE_COST_BYTES, type Payload } from "../../base/payload.ts";
import type { DeliveryOptions } from "../../core/outbox.ts";
import type { SessionLoss } from "../../core/session.ts";

/** A message that one end keeps until the peer has acknowledged it. */
export interface SentMessage extends Omit<DeliveryOptions, "onOutcome"> {
  /** Called with outcomes; removed once the message is acknowledged, because a resume and an acknowledgement both say so. */
  onOutcome?: DeliveryOptions["onOutcome"];
  /** `undefined` for a volatile message, which keeps its place and not its bytes. */
  readonly payload: Payload | undefined;
  /** The part of a window that the message takes: see {@link windowCost}. */
  readonly cost: number;
  /** Counts all messages of the Conn, whatever session carried them. */
  readonly ordinal: number;
}

/**
 * What one end remembers of a session: how far each direction has come, and what the peer may still need. Plain data, so
 * that it can be stored and copied. Messages are numbered from 1 by counting, never on the wire.
 */
export interface DeliveryState {
  /** Messages counted in. */
  received: number;
  /** Of these, acknowledged to the peer. */
  ackSent: number;
  /** Messages put on a socket. */
  sent: number;
  /** Of these, received by the peer, as it last stated on a return. */
  peerReceived: number;
  /** Of these, acknowledged by the peer. */
  ackReceived: number;
  /** The messages above `acked`, in order, from index `start` on. */
  retained: (SentMessage | undefined)[];
  start: number;
  /** What they weigh together. */
  cost: number;
  /** Messages are sent while those unacknowledged weigh less. */
  window: number;
  /** The message that the last return sent first, and how many returns in a row did; 0 for none. */
  firstUnreceived: number;
  redeliveries: number;
}

/** What becomes of the messages in flight when the socket is replaced. */
export interface ResumePlan {
  /** To be written again, in order. */
  readonly resend: readonly SentMessage[];
  /** Volatile ones that the peer did not count. */
  readonly stale: readonly SentMessage[];
  /** The one that ended too many sockets. */
  readonly poison: SentMessage | undefined;
}

/** Returns in a row that may send the same message first and end before the peer counts it. */
const MAX_REDELIVERIES = 3;
/** Acknowledged places in front of the others are given back when there are this many, and more of them than others. */
const COMPACT_AT = 256;

export function createDeliveryState(window: number): DeliveryState {
  return {
    received: 0,
    ackSent: 0,
    sent: 0,
    peerReceived: 0,
    ackReceived: 0,
    retained: [],
    start: 0,
    cost: 0,
    window,
    firstUnreceived: 0,
    redeliveries: 0,
  };
}

/** What `payload` takes of a window, whatever its encoding: bytes, or UTF-16 units of text, and an overhead. */
export function windowCost({ length }: Payload): number {
  return length + MESSAGE_COST_BYTES;
}

export function hasRoom({ cost, window }: DeliveryState): boolean {
  return cost < window;
}

/** Gives `item` the next number. It is kept until it is acknowledged. */
export function retain(flow: DeliveryState, item: SentMessage): void {
  flow.sent++;
  flow.retained.push(item);
  flow.cost += item.cost;
}

/** The peer has acknowledged up to `n`: lets go of these and returns them; `undefined` for a count that can't be. */
export function acknowledge(flow: DeliveryState, n: number): SentMessage[] | undefined {
  if (!(n >= flow.ackReceived && n <= flow.sent)) return undefined;
  const done = flow.retained.slice(flow.start, flow.start + n - flow.ackReceived) as SentMessage[];
  flow.retained.fill(undefined, flow.start, flow.start + done.length);
  flow.start += done.length;
  flow.ackReceived = n;
  for (const { cost } of done) flow.cost -= cost;
  if (flow.start >= COMPACT_AT && flow.start * 2 > flow.retained.length) {
    flow.retained = flow.retained.slice(flow.start);
    flow.start = 0;
  }
  return done;
}

/** The peer states on a return to have received `rx`: sending goes on there. `undefined` for a count that can't be. */
export function planResume(flow: DeliveryState, rx: number): ResumePlan | undefined {
  const parts = split(flow, rx);
  if (!parts) return undefined;
  const [received, uncounted] = parts;
  const stale = uncounted.filter((item) => item.volatile);
  const again = uncounted.filter((item) => !item.volatile);
  const first = again.length > 0 ? rx + 1 : 0;
  flow.redeliveries = first === flow.firstUnreceived ? flow.redeliveries + 1 : 1;
  flow.firstUnreceived = first;
  flow.peerReceived = rx;
  let poison: SentMessage | undefined;
  if (first > 0 && flow.redeliveries > MAX_REDELIVERIES) {
    poison = again.shift();
    flow.redeliveries = 1;
    if (again.length === 0) flow.firstUnreceived = 0;
  }
  // What is shown uncounted may be taken out: the next message takes its number.
  flow.retained = [...received, ...again];
  flow.start = 0;
  flow.sent = rx + again.length;
  flow.cost = 0;
  for (const { cost } of [...received, ...again]) flow.cost += cost;
  return { resend: again, stale, poison };
}

/** The session is lost, and the peer had received `rx`, if it still knew. `undefined` for a count that can't be. */
export function splitLoss(flow: DeliveryState, rx: number | undefined): SessionLoss<SentMessage> | undefined {
  const parts = split(flow, rx ?? Math.max(flow.peerReceived, flow.ackReceived));
  if (!parts) return undefined;
  const [delivered, rest] = parts;
  return rx === undefined
    ? { delivered, undelivered: [], inDoubt: rest }
    : { delivered, undelivered: rest, inDoubt: [] };
}

/** What is kept, parted at the count that the peer states. */
function split(
  { retained, start, ackReceived, peerReceived, sent }: DeliveryState,
  rx: number,
): [SentMessage[], SentMessage[]] | undefined {
  if (!(rx >= ackReceived && rx >= peerReceived && rx <= sent)) return undefined;
  const at = start + rx - ackReceived;
  return [retained.slice(start, at) as SentMessage[], retained.slice(at) as SentMessage[]];
}
