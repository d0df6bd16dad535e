import type { Fate, Line } from "../outbox.ts";
import type { Payload } from "../payload.ts";
import type { Rest, SessionOwner } from "../session.ts";
import { Acks } from "./acks.ts";
import { acknowledged, type Flow, isOpen, put, type Remains, type Return, remains, weigh } from "./flow.ts";
import { Flushes } from "./flushes.ts";
import { decode, encode, escaped, type Frame, isControl, unescaped } from "./frame.ts";
import type { Carried } from "./guest.ts";
import { KeptLine, type LineOwner, OpenLine } from "./line.ts";

/** A message that is kept. */
export interface Item extends Carried, Pick<Fate, "confirmed"> {
  /** `undefined` for a volatile one, which keeps its place and not its bytes. */
  readonly payload: Payload | undefined;
  /** Counts all messages of the Conn, whatever session they went in. */
  readonly ordinal: number;
}

export interface Habits {
  /** Whether what the application has taken is acknowledged, rather than what was received. */
  readonly acksTaken: boolean;
  /** The peer asks to come back over another connection, in a window of time. Only a server may. */
  readonly moved?: (minMs: number, maxMs: number) => void;
}

/** How much of its window a sender uses before it asks for an acknowledgement. */
const ASK_PART = 1 / 2;
const NO_FATE: Fate = {};

/**
 * One end of a session, in use: what it writes is kept until the peer acknowledges it, what comes in is counted and
 * acknowledged. The flow survives the lines under it.
 */
export class Endpoint implements LineOwner {
  readonly #owner: SessionOwner;
  readonly #habits: Habits;
  readonly #acks: Acks;
  readonly #flushes = new Flushes();
  #line: Line | undefined;
  #flow: Flow<Item> | undefined;
  /** What a lost session left: it goes before anything else, as far as the window lets it, and not before setup is over. */
  #first: Item[] = [];
  #isServing = false;
  #ordinal = 0;
  /** The last message whose acknowledgement somebody waits for. */
  #awaited = 0;
  #hasAsked = false;
  /** What is to be stated at the end of this turn. */
  #stating: "a" | "q" | undefined;
  /** Whether we have said goodbye, and take nothing in. */
  #isDeaf = false;
  /** Whether the peer's last word was how far it had come: it knows no more than that if it closes now. */
  #isTold = false;
  #room: { readonly promise: Promise<void>; made(): void } | undefined;

  constructor(owner: SessionOwner, habits: Habits) {
    this.#owner = owner;
    this.#habits = habits;
    const due = () => this.#stateSoon("a");
    this.#acks = new Acks({ untaken: () => owner.untaken(), due }, habits.acksTaken);
  }

  get unacknowledged(): { messages: number; bytes: number } {
    const { sent = 0, acked = 0, weight = 0 } = this.#flow ?? {};
    return { messages: sent - acked + this.#first.length, bytes: weight };
  }

  get isClear(): boolean {
    return this.#first.length === 0 && (this.#flow === undefined || isOpen(this.#flow));
  }

  /** The session goes on, or begins, over `line`; without a flow nothing is kept. Answers with the line to write to. */
  bind(line: Line, flow: Flow<Item> | undefined): Line {
    this.#flow = flow;
    this.#line = line;
    this.#hasAsked = this.#isTold = false;
    if (!flow) return new OpenLine(this, line);
    this.#acks.start(flow);
    return new KeptLine(this, line);
  }

  /** The peer is back, and has shown what it did not count: some of it goes no further. */
  returned({ stale, poison }: Return<Item>): void {
    confirm(this.#parts().delivered);
    this.#dropStale(stale);
    if (poison) {
      const { payload, confirmed } = poison;
      const error = this.#owner.error("poison", "The message ended the connection each time it was sent.", payload);
      confirmed?.reject(error);
      this.#owner.dropped(payload as Payload, error);
    }
    this.#settle();
  }

  /** What the peer has not counted is written again. What we acknowledged on the last line may not have arrived. */
  resume({ again }: Return<Item>): void {
    if (this.#flow?.rx) this.#state("a");
    for (const { payload } of again) this.#line?.write(escaped(payload as Payload));
    this.#look();
  }

  /** The peer had ended the session, and says what it had counted until then. */
  ended(delivered: readonly Item[]): void {
    confirm(delivered);
    this.#isTold = true;
    this.#settle();
  }

  /** Setup is over. */
  serve(): void {
    this.#isServing = true;
    this.#pump();
  }

  /** A session is lost: tells what became of its messages, and settles those that do not `goOn`. */
  lost({ delivered, notDelivered, inDoubt }: Remains<Item>, goOn: Item[]): void {
    this.#flow = undefined;
    this.#first = goOn;
    const error = (payload?: Payload) =>
      this.#owner.error("session-lost", "The session was lost before the message was acknowledged.", payload);
    confirm(delivered);
    this.#dropStale(notDelivered.filter(({ volatile }) => volatile));
    const forgotten = inDoubt.filter(({ resend, volatile }) => volatile || !resend);
    for (const { confirmed, payload } of forgotten) confirmed?.reject(error(payload));
    if (forgotten.some(({ volatile }) => !volatile)) this.#flushes.giveUp(error());
    this.#owner.lost({
      delivered: payloads(delivered),
      notDelivered: payloads(notDelivered),
      inDoubt: payloads(inDoubt),
    });
    this.#settle();
  }

  /** The session ends with its connection, and what setup wrote in it is of no concern. */
  forget(): void {
    this.#flow = undefined;
    this.#settle();
  }

  /** Writes a message, and keeps it if there is a session. `line` is the one that the writer knows. */
  write(line: Line, given: Payload, { volatile, resend, confirmed }: Fate = NO_FATE): boolean {
    if (line !== this.#line) return false;
    if (!this.#flow) return this.#writePlain(line, given, confirmed);
    // The caller may use its bytes again when this returns.
    const copy = typeof given === "string" || volatile ? given : new Uint8Array(given);
    if (!line.write(escaped(copy))) return false;
    const payload = volatile ? undefined : copy;
    put(this.#flow, { payload, weight: weigh(given), volatile, resend, confirmed, ordinal: ++this.#ordinal });
    if (confirmed) this.#awaited = this.#ordinal;
    this.#look();
    return true;
  }

  /** The message as the application sees it, `undefined` for what is ours. */
  incoming(payload: Payload): Payload | undefined {
    const flow = this.#flow;
    if (!flow || this.#isDeaf) return undefined;
    this.#isTold = false;
    if (isControl(payload)) {
      this.#control(flow, decode(payload));
      return undefined;
    }
    this.#acks.count(payload);
    return unescaped(payload);
  }

  /** The application may have taken messages in. */
  took(): void {
    this.#acks.took();
  }

  hold(on: boolean): void {
    this.#acks.hold(on);
  }

  ping(): void {
    this.#state("p");
  }

  /** Asks the peer to come back over another connection, at a moment of this window. */
  move(min: number, max: number): void {
    if (this.#flow) this.#say({ type: "m", min, max });
  }

  flush(): Promise<void> {
    if (this.#oldest() > this.#ordinal) return Promise.resolve();
    this.#awaited = this.#ordinal;
    this.#look();
    return this.#flushes.add(this.#ordinal);
  }

  /** The last word before our close frame: how far we have come. */
  goodbye(): void {
    if (!this.#flow) return;
    this.#say({ type: "a", n: this.#flow.rx });
    this.#isDeaf = true;
  }

  left(): void {
    this.#acks.stop();
    this.#isServing = false;
    this.#line = undefined;
    this.#makeRoom();
  }

  /** The Conn has ended. A peer that closes says how far it had come. */
  end(error: (payload?: Payload) => Error, isByPeer: boolean): Rest {
    const { delivered, inDoubt: written } = this.#parts();
    const first = this.#first;
    confirm(delivered);
    for (const { confirmed, payload } of [...written, ...first]) confirmed?.reject(error(payload));
    this.#flushes.giveUp(error());
    this.#flow = undefined;
    this.#first = [];
    return this.#isTold && isByPeer
      ? { unsent: payloads([...written, ...first]), inDoubt: [] }
      : { unsent: payloads(first), inDoubt: payloads(written) };
  }

  async drain(line: Line): Promise<void> {
    while (line === this.#line && !this.isClear) {
      if (!this.#room) {
        let made = () => {};
        const promise = new Promise<void>((resolve) => {
          made = resolve;
        });
        this.#room = { promise, made };
      }
      await this.#room.promise;
    }
  }

  #writePlain(line: Line, payload: Payload, confirmed: Fate["confirmed"]): boolean {
    if (!confirmed) return line.write(payload);
    const why = "The server does not speak resume: nothing can be confirmed, and the message was not sent.";
    const error = this.#owner.error("unsupported", why, payload);
    confirmed.reject(error);
    this.#owner.dropped(payload, error);
    return true;
  }

  #control(flow: Flow<Item>, frame: Frame | undefined): void {
    const { moved } = this.#habits;
    if (frame?.type === "a" || frame?.type === "p" || frame?.type === "q") {
      const done = acknowledged(flow, frame.n);
      if (done) return this.#acknowledged(done, frame.type);
    } else if (frame?.type === "?") return this.#stateSoon("a");
    else if (frame?.type === "m" && moved) return moved(frame.min, frame.max);
    this.#owner.breached("The peer broke the rules of resume.v1.");
  }

  #acknowledged(done: readonly Item[], type: "a" | "p" | "q"): void {
    confirm(done);
    // A peer that has nothing more to acknowledge is not asked again at once: it will when its application goes on.
    if (done.length > 0) this.#hasAsked = false;
    this.#isTold = type === "a";
    if (type === "p") this.#stateSoon("q");
    if (type === "q") this.#owner.ponged();
    this.#settle();
    this.#pump();
    this.#look();
  }

  /** Once a turn, however much came in it: a peer that asks and asks, and does not read, can't make us heap up answers. */
  #stateSoon(type: "a" | "q"): void {
    const before = this.#stating;
    if (before !== "q") this.#stating = type;
    if (before) return;
    queueMicrotask(() => {
      if (this.#stating) this.#state(this.#stating);
      this.#stating = undefined;
    });
  }

  /** States how far we have come. */
  #state(type: "a" | "p" | "q"): void {
    if (this.#line && this.#flow) this.#say({ type, n: this.#acks.state() });
  }

  #say(frame: Frame): void {
    this.#line?.write(encode(frame));
  }

  /** Asks for an acknowledgement when much of the window is used, or somebody waits for it. */
  #look(): void {
    const flow = this.#flow;
    if (!flow || !this.#line || this.#hasAsked) return;
    if (flow.weight < flow.window * ASK_PART && this.#awaited < this.#oldest()) return;
    this.#hasAsked = true;
    this.#say({ type: "?" });
  }

  #pump(): void {
    const flow = this.#flow;
    const line = this.#line;
    if (!line || !this.#isServing) return;
    let written = 0;
    for (const item of this.#first) {
      const payload = item.payload as Payload;
      if (flow && !isOpen(flow)) break;
      if (!(flow ? line.write(escaped(payload)) : this.#writePlain(line, payload, item.confirmed))) break;
      if (flow) put(flow, item);
      written++;
    }
    this.#first.splice(0, written);
    if (written > 0) {
      this.#settle();
      this.#look();
    }
    if (this.isClear) this.#makeRoom();
  }

  /** What is unacknowledged, parted at the count that the peer last stated. */
  #parts(): Remains<Item> {
    return (this.#flow && remains(this.#flow, undefined)) ?? { delivered: [], notDelivered: [], inDoubt: [] };
  }

  #makeRoom(): void {
    this.#room?.made();
    this.#room = undefined;
  }

  /** Volatile messages that were lost with their connection. */
  #dropStale(stale: readonly Item[]): void {
    for (const { confirmed } of stale) {
      confirmed?.reject(this.#owner.error("not-writable", "The volatile message was lost with its connection."));
    }
  }

  /** The ordinal of the oldest message that is neither acknowledged nor settled otherwise. */
  #oldest(): number {
    const { kept = [], start = 0 } = this.#flow ?? {};
    // What setup sent comes before what a lost session left, and is younger.
    const none = this.#ordinal + 1;
    return Math.min(kept[start]?.ordinal ?? none, this.#first[0]?.ordinal ?? none);
  }

  #settle(): void {
    this.#flushes.settle(this.#oldest());
  }
}

function confirm(items: readonly Item[]): void {
  for (const { confirmed } of items) confirmed?.resolve();
}

/** The bytes of those that still have them. */
function payloads(items: readonly Item[]): Payload[] {
  return items.flatMap(({ payload }) => payload ?? []);
}
