import type { Dialer } from "../attempt.ts";
import { ConnError } from "../errors.ts";
import type { Line } from "../outbox.ts";
import type { Payload } from "../payload.ts";
import { Endpoint, type Habits, type Item } from "../resume/endpoint.ts";
import type { Return } from "../resume/flow.ts";
import { encode, type Why } from "../resume/frame.ts";
import { withoutResume } from "../resume/name.ts";
import type { Beginning, Resume, Session } from "../session.ts";
import { BREACH, FENCED, type SessionRecord } from "./host.ts";
import type { Visit } from "./visit.ts";

/** What a seat tells whoever keeps the sessions. */
export interface SeatOwner {
  /** The client is gone for now, or back. */
  away(seat: Seat, isAway: boolean): void;
  /** What waits for the client has grown or shrunk by so many bytes. */
  queued(seat: Seat, bytes: number): void;
  /** The Conn has ended. */
  over(seat: Seat): void;
}

const NORMAL = 1000;
const GOING_AWAY = 1001;

/** One session in use: what stands between its Conn and the sockets on which its client comes and goes. */
export class Seat {
  readonly record: SessionRecord<Item>;
  /** Why the session was ended against its client's will. */
  why: Why | undefined;
  /** Whether the Conn is in use: before that, in setup, nobody can return to it. */
  isServed = false;
  /** Whether it was ended well. */
  isDone = false;
  readonly #owner: SeatOwner;
  readonly #habits: Habits;
  /** The socket of the client, and the one that the Conn is to take over. */
  #visit: Visit | undefined;
  #next: Visit | undefined;
  #back: Return<Item> | undefined;
  #endpoint: Endpoint | undefined;
  #dial: () => void = () => {};

  /** @param back what a client that never learned of its session is owed: it returns to one that was only issued */
  constructor(
    record: SessionRecord<Item>,
    visit: Visit,
    back: Return<Item> | undefined,
    habits: Habits,
    owner: SeatOwner,
  ) {
    this.record = record;
    this.#back = back;
    this.#visit = this.#next = visit;
    this.#habits = habits;
    this.#owner = owner;
  }

  /** What is kept for the client and not acknowledged, in bytes. */
  get bytes(): number {
    return this.record.flow.weight;
  }

  /** The client is back on `visit`, to be told how far we have come once nothing of the last socket can count any more. */
  resume(visit: Visit, back: Return<Item>): void {
    this.#visit?.leave(FENCED);
    this.#visit = this.#next = visit;
    this.#back = back;
    this.#endpoint?.returned(back);
    this.#dial();
  }

  /** Ends the session: its client will be told why when it returns. */
  end(why: Why): void {
    this.why = why;
    this.#visit?.leave(BREACH);
    this.#dial();
  }

  move(minMs: number, maxMs: number): void {
    this.#endpoint?.move(minMs, maxMs);
  }

  readonly dialer: Dialer = ((seat) => ({
    get redials() {
      return seat.why === undefined && ("peer" as const);
    },
    open(_target, _options, owner) {
      const visit = seat.#next;
      seat.#next = undefined;
      if (visit && !seat.why) return visit.seat(owner);
      // Nobody came back in time.
      seat.why ??= "e";
      throw new ConnError(
        "session-lost",
        "The session is over: its client did not return, or there was no room for it.",
      );
    },
    awaits(dial) {
      seat.#dial = dial;
    },
    queued: (bytes) => seat.#owner.queued(seat, bytes),
  }))(this) satisfies Dialer;

  readonly session: Resume = (owner): Session => {
    const endpoint = new Endpoint(owner, this.#habits);
    this.#endpoint = endpoint;
    return {
      offer: (protocols) => protocols,
      declined: () => false,
      begin: (line, protocol) => this.#begin(endpoint, line, withoutResume(protocol)),
      serve: () => {
        this.isServed = true;
        this.#owner.away(this, false);
        endpoint.serve();
      },
      incoming: (payload: Payload) => endpoint.incoming(payload),
      took: () => endpoint.took(),
      left: () => {
        endpoint.left();
        // Whoever is about to take over is not away, and whoever is forgotten has no place there.
        if (this.isServed && !this.#next && !this.why) this.#owner.away(this, true);
      },
      flush: () => endpoint.flush(),
      goodbye: (code) => {
        this.isDone = code === NORMAL;
        endpoint.goodbye();
      },
      end: (error, isByPeer, code) => {
        this.isDone ||= code === NORMAL;
        const rest = endpoint.end(error, isByPeer);
        this.#visit?.leave(GOING_AWAY);
        this.#owner.over(this);
        return rest;
      },
      get unacknowledged() {
        return endpoint.unacknowledged;
      },
    };
  };

  #begin(endpoint: Endpoint, line: Line, protocol: string): Beginning {
    const { flow } = this.record;
    const back = this.#back;
    this.#back = undefined;
    if (back) line.write(encode({ type: "A", rx: flow.rx }));
    const kept = endpoint.bind(line, flow);
    if (back) endpoint.resume(back);
    return { line: kept, protocol, resumed: this.isServed };
  }
}
