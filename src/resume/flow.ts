import type { Payload } from "../payload.ts";

/** What one end keeps of a message until the peer has acknowledged it. */
export interface Kept {
  /** What it takes of the window: see {@link weigh}. */
  readonly weight: number;
  /** Written once and never again: it keeps its place, and gives it up once the peer shows it uncounted. */
  readonly volatile?: boolean | undefined;
}

/**
 * What one end remembers of a session: how far each direction has come, and what the peer may still need. Plain data, so
 * that it can be stored and copied. Messages are numbered from 1 by counting, never on the wire.
 */
export interface Flow<T extends Kept> {
  /** Messages counted in. */
  rx: number;
  /** Of these, acknowledged to the peer. */
  stated: number;
  /** Messages put on a socket. */
  sent: number;
  /** Of these, received by the peer, as it last stated on a return. */
  reached: number;
  /** Of these, acknowledged by the peer. */
  acked: number;
  /** The messages above `acked`, in order, from index `start` on. */
  kept: (T | undefined)[];
  start: number;
  /** What they weigh together. */
  weight: number;
  /** Messages are sent while those unacknowledged weigh less. */
  window: number;
  /** The message that the last return sent first, and how many returns in a row did; 0 for none. */
  suspect: number;
  trials: number;
}

/** What becomes of the messages in flight when the socket is replaced. */
export interface Return<T> {
  /** To be written again, in order. */
  readonly again: readonly T[];
  /** Volatile ones that the peer did not count. */
  readonly stale: readonly T[];
  /** The one that ended too many sockets. */
  readonly poison: T | undefined;
}

/** What a lost session leaves behind, each in order. */
export interface Remains<T> {
  readonly delivered: readonly T[];
  readonly notDelivered: readonly T[];
  readonly inDoubt: readonly T[];
}

/** What a message weighs besides its length, so that empty ones are bounded too. */
const OVERHEAD = 64;
/** Returns in a row that may send the same message first and end before the peer counts it. */
const MAX_TRIALS = 3;
/** Acknowledged places in front of the others are given back when there are this many, and more of them than others. */
const COMPACT_AT = 256;

export function flow<T extends Kept>(window: number): Flow<T> {
  return {
    rx: 0,
    stated: 0,
    sent: 0,
    reached: 0,
    acked: 0,
    kept: [],
    start: 0,
    weight: 0,
    window,
    suspect: 0,
    trials: 0,
  };
}

/** What `payload` takes of a window, whatever its encoding: bytes, or UTF-16 units of text, and an overhead. */
export function weigh({ length }: Payload): number {
  return length + OVERHEAD;
}

export function isOpen({ weight, window }: Flow<Kept>): boolean {
  return weight < window;
}

/** Gives `item` the next number. It is kept until it is acknowledged. */
export function put<T extends Kept>(flow: Flow<T>, item: T): void {
  flow.sent++;
  flow.kept.push(item);
  flow.weight += item.weight;
}

/** The peer has acknowledged up to `n`: lets go of these and returns them; `undefined` for a count that can't be. */
export function acknowledged<T extends Kept>(flow: Flow<T>, n: number): T[] | undefined {
  if (!(n >= flow.acked && n <= flow.sent)) return undefined;
  const done = flow.kept.slice(flow.start, flow.start + n - flow.acked) as T[];
  flow.kept.fill(undefined, flow.start, flow.start + done.length);
  flow.start += done.length;
  flow.acked = n;
  for (const { weight } of done) flow.weight -= weight;
  if (flow.start >= COMPACT_AT && flow.start * 2 > flow.kept.length) {
    flow.kept = flow.kept.slice(flow.start);
    flow.start = 0;
  }
  return done;
}

/** The peer states on a return to have received `rx`: sending goes on there. `undefined` for a count that can't be. */
export function returned<T extends Kept>(flow: Flow<T>, rx: number): Return<T> | undefined {
  const parts = split(flow, rx);
  if (!parts) return undefined;
  const [received, uncounted] = parts;
  const stale = uncounted.filter((item) => item.volatile);
  const again = uncounted.filter((item) => !item.volatile);
  const first = again.length > 0 ? rx + 1 : 0;
  flow.trials = first === flow.suspect ? flow.trials + 1 : 1;
  flow.suspect = first;
  flow.reached = rx;
  let poison: T | undefined;
  if (first > 0 && flow.trials > MAX_TRIALS) {
    poison = again.shift();
    flow.trials = 1;
    if (again.length === 0) flow.suspect = 0;
  }
  // What is shown uncounted may be taken out: the next message takes its number.
  flow.kept = [...received, ...again];
  flow.start = 0;
  flow.sent = rx + again.length;
  flow.weight = 0;
  for (const { weight } of [...received, ...again]) flow.weight += weight;
  return { again, stale, poison };
}

/** The session is lost, and the peer had received `rx`, if it still knew. `undefined` for a count that can't be. */
export function remains<T extends Kept>(flow: Flow<T>, rx: number | undefined): Remains<T> | undefined {
  const parts = split(flow, rx ?? Math.max(flow.reached, flow.acked));
  if (!parts) return undefined;
  const [delivered, rest] = parts;
  return rx === undefined
    ? { delivered, notDelivered: [], inDoubt: rest }
    : { delivered, notDelivered: rest, inDoubt: [] };
}

/** What is kept, parted at the count that the peer states. */
function split<T extends Kept>({ kept, start, acked, reached, sent }: Flow<T>, rx: number): [T[], T[]] | undefined {
  if (!(rx >= acked && rx >= reached && rx <= sent)) return undefined;
  const at = start + rx - acked;
  return [kept.slice(start, at) as T[], kept.slice(at) as T[]];
}
