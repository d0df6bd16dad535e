import type { Fate, Line } from "../outbox.ts";
import type { Payload } from "../payload.ts";
import type { Rest, SessionOwner } from "../session.ts";
import { Timer } from "../timer.ts";
import { acknowledged, type Flow, isOpen, put, type Remains, type Return, weigh } from "./flow.ts";
import { decode, encode, escaped, type Frame, isControl, unescaped } from "./frame.ts";
import type { Carried } from "./guest.ts";

/** A message that is kept. */
export interface Item extends Carried, Pick<Fate, "confirmed"> {
  /** `undefined` for a volatile one, which keeps its place and not its bytes. */
  readonly payload: Payload | undefined;
  /** Counts all messages of the Conn, whatever session they went in. */
  readonly ordinal: number;
}

export interface Habits {
  /** Own limit of what is unacknowledged, either way. */
  readonly windowBytes: number;
  /** Whether what the application has taken is acknowledged, rather than what was received. */
  readonly acksTaken: boolean;
  /** The peer asks to come back over another connection, in a window of time. Only a server may. */
  readonly moved?: (minMs: number, maxMs: number) => void;
}

interface Waiter {
  /** The last message that is waited for. */
  readonly upTo: number;
  resolve(): void;
  reject(error: unknown): void;
}

/** When what was taken in is acknowledged, at the latest: a number of messages, a part of the window, a time. */
const ACK_MESSAGES = 128;
const ACK_PART = 1 / 4;
const ACK_MS = 2_000;
/** How much of its window a sender uses before it asks. */
const ASK_PART = 1 / 2;

/**
 * One end of a session, in use: what it writes is kept until the peer acknowledges it, what comes in is counted and
 * acknowledged. The flow survives the lines under it.
 */
export class Endpoint {
  readonly #owner: SessionOwner;
  readonly #habits: Habits;
  readonly #timer = new Timer();
  readonly #waiters = new Set<Waiter>();
  /** Whether setup is over, so that what waits may go. */
  #isServing = false;
  #line: Line | undefined;
  #flow: Flow<Item> | undefined;
  /** What goes before anything else, as far as the window lets it. */
  #first: Item[] = [];
  #ordinal = 0;
  /** Weight of what came since the last acknowledgement. */
  #unstated = 0;
  #isTiming = false;
  #isHeld = false;
  #hasAsked = false;
  #isAsked = false;
  /** Whether we have said goodbye, and take nothing in. */
  #isDeaf = false;
  /** Whether the peer's last word was how far it had come, so that it is known if the line closes on it. */
  #isTold = false;
  #roomMade: (() => void) | undefined;
  #room: Promise<void> | undefined;

  constructor(owner: SessionOwner, habits: Habits) {
    this.#owner = owner;
    this.#habits = habits;
  }

  get unacknowledged(): { messages: number; bytes: number } {
    const { sent = 0, acked = 0, weight = 0 } = this.#flow ?? {};
    return { messages: sent - acked + this.#first.length, bytes: weight };
  }

  /** The session goes on, or begins, over `line`; without a flow nothing is kept. Answers with the line to write to. */
  bind(line: Line, flow: Flow<Item> | undefined): Line {
    this.#flow = flow;
    this.#line = line;
    this.#unstated = 0;
    this.#hasAsked = this.#isTold = this.#isHeld = false;
    return flow ? new KeptLine(this, line) : new OpenLine(this, line);
  }

  /** The peer is back, and has shown what it did not count: some of it goes no further. */
  returned({ stale, poison }: Return<Item>): void {
    for (const { confirmed } of stale) {
      confirmed?.reject(this.#owner.error("not-writable", "The volatile message was lost with its connection."));
    }
    if (poison) this.#refuse(poison);
    this.#settle();
  }

  /** What the peer has not counted is written again. */
  resume({ again }: Return<Item>): void {
    for (const item of again) this.#line?.write(escaped(item.payload as Payload));
    this.#look();
    if (this.#flow) this.#consider(this.#flow);
  }

  /** The peer had ended the session, and says what it had counted until then. */
  ended(delivered: readonly Item[]): void {
    for (const { confirmed } of delivered) confirmed?.resolve();
    this.#isTold = true;
    this.#settle();
  }

  /** Setup is over: what a lost session left goes ahead of everything else. */
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
    for (const { confirmed } of delivered) confirmed?.resolve();
    const forgotten = inDoubt.filter(({ resend, volatile }) => volatile || !resend);
    for (const { confirmed, payload } of forgotten) confirmed?.reject(error(payload));
    if (forgotten.length > 0) this.#giveUp(error());
    this.#owner.lost({
      delivered: payloads(delivered),
      notDelivered: payloads(notDelivered),
      inDoubt: payloads(inDoubt),
    });
    this.#settle();
  }

  /** The session ends with its connection, and what was written in it is of no concern. */
  forget(): void {
    this.#flow = undefined;
    this.#settle();
  }

  /** Whether the next message can be written. */
  get isClear(): boolean {
    return this.#first.length === 0 && (this.#flow === undefined || isOpen(this.#flow));
  }

  /** Writes a message, and keeps it. `line` is the one that the writer knows. */
  write(line: Line, given: Payload, { volatile, resend, confirmed }: Fate = NO_FATE): boolean {
    if (line !== this.#line || !this.#flow) return false;
    // The caller may use its bytes again when this returns.
    const copy = typeof given === "string" || volatile ? given : new Uint8Array(given);
    if (!line.write(escaped(copy))) return false;
    const payload = volatile ? undefined : copy;
    put(this.#flow, { payload, weight: weigh(given), volatile, resend, confirmed, ordinal: ++this.#ordinal });
    this.#look();
    return true;
  }

  /** Writes a message to a peer that acknowledges nothing. */
  writePlain(line: Line, payload: Payload, { confirmed }: Fate = NO_FATE): boolean {
    if (!confirmed) return line.write(payload);
    const why = "The server does not speak resume: nothing can be confirmed, and the message was not sent.";
    const error = this.#owner.error("unsupported", why, payload);
    confirmed.reject(error);
    this.#owner.dropped(payload, error);
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
    flow.rx++;
    this.#unstated += weigh(payload);
    this.#consider(flow);
    return unescaped(payload);
  }

  /** The application may have taken messages in. */
  took(): void {
    if (this.#flow && this.#line && (this.#habits.acksTaken || this.#isHeld)) this.#consider(this.#flow);
  }

  /** While the application can't follow, only what it took in is acknowledged: the peer's window does the rest. */
  hold(on: boolean): void {
    this.#isHeld = on;
    if (!on && this.#flow && this.#line) this.#consider(this.#flow);
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
    this.#ask();
    return new Promise((resolve, reject) => this.#waiters.add({ upTo: this.#ordinal, resolve, reject }));
  }

  /** The last word before our close frame: how far we have come. */
  goodbye(): void {
    if (!this.#flow) return;
    this.#say({ type: "a", n: this.#flow.rx });
    this.#isDeaf = true;
  }

  left(): void {
    this.#timer.stop();
    this.#isTiming = this.#isServing = false;
    this.#line = undefined;
    this.#makeRoom();
  }

  /** The Conn has ended. A peer that closes says how far it had come. */
  end(error: (payload?: Payload) => Error, isByPeer: boolean): Rest {
    const { kept = [], start = 0 } = this.#flow ?? {};
    const written = kept.slice(start) as Item[];
    const first = this.#first;
    for (const { confirmed, payload } of [...written, ...first]) confirmed?.reject(error(payload));
    this.#giveUp(error());
    this.#flow = undefined;
    this.#first = [];
    return this.#isTold && isByPeer
      ? { unsent: payloads([...written, ...first]), inDoubt: [] }
      : { unsent: payloads(first), inDoubt: payloads(written) };
  }

  /** Resolves when the next message can be written to `line`, or `line` is left. */
  async drain(line: Line): Promise<void> {
    while (line === this.#line && !this.isClear) {
      this.#room ??= new Promise((resolve) => {
        this.#roomMade = resolve;
      });
      await this.#room;
    }
  }

  #control(flow: Flow<Item>, frame: Frame | undefined): void {
    switch (frame?.type) {
      case "a":
      case "p":
      case "q": {
        const done = acknowledged(flow, frame.n);
        if (!done) break;
        for (const { confirmed } of done) confirmed?.resolve();
        this.#hasAsked = false;
        if (frame.type === "a") this.#isTold = true;
        else if (frame.type === "p") this.#state("q");
        else this.#owner.ponged();
        this.#settle();
        this.#pump();
        return;
      }
      case "?":
        return this.#answer();
      case "m":
        if (!this.#habits.moved) break;
        return this.#habits.moved(frame.min, frame.max);
      default:
        break;
    }
    this.#owner.breached("The peer broke the rules of resume.v1.");
  }

  /** One answer a turn, however often the peer asked in it. */
  #answer(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    queueMicrotask(() => {
      this.#isAsked = false;
      this.#state("a");
    });
  }

  /** Whether it is time to acknowledge. */
  #consider(flow: Flow<Item>): void {
    const owed = this.#acknowledgeable(flow) - flow.stated;
    if (owed <= 0) return;
    const isMuch =
      owed >= ACK_MESSAGES || this.#unstated - this.#untaken().bytes >= this.#habits.windowBytes * ACK_PART;
    if (isMuch) this.#state("a");
    else if (!this.#isTiming) {
      this.#isTiming = true;
      this.#timer.start(ACK_MS, () => this.#state("a"), true);
    }
  }

  #acknowledgeable({ rx, stated }: Flow<Item>): number {
    return Math.max(stated, rx - this.#untaken().messages);
  }

  /** What the application has not taken in, where that matters. */
  #untaken(): { messages: number; bytes: number } {
    return this.#habits.acksTaken || this.#isHeld ? this.#owner.untaken() : NOTHING;
  }

  /** States how far we have come. */
  #state(type: "a" | "p" | "q"): void {
    const flow = this.#flow;
    if (!flow) return;
    this.#timer.stop();
    this.#isTiming = false;
    flow.stated = this.#acknowledgeable(flow);
    this.#unstated = this.#untaken().bytes;
    this.#say({ type, n: flow.stated });
  }

  #say(frame: Frame): void {
    this.#line?.write(encode(frame));
  }

  /** Asks for an acknowledgement when much of the window is used. */
  #look(): void {
    const { weight = 0, window = 0 } = this.#flow ?? {};
    if (weight >= window * ASK_PART) this.#ask();
  }

  #ask(): void {
    if (this.#hasAsked || !this.#flow) return;
    this.#hasAsked = true;
    this.#say({ type: "?" });
  }

  #pump(): void {
    const line = this.#line;
    const flow = this.#flow;
    if (!line || !this.#isServing) return;
    let written = 0;
    for (const item of this.#first) {
      const payload = item.payload as Payload;
      if (flow) {
        if (!isOpen(flow) || !line.write(escaped(payload))) break;
        put(flow, item);
      } else if (!this.writePlain(line, payload, item)) break;
      written++;
    }
    this.#first.splice(0, written);
    if (written > 0) {
      this.#look();
      this.#settle();
    }
    if (this.isClear) this.#makeRoom();
  }

  #makeRoom(): void {
    this.#roomMade?.();
    this.#room = undefined;
  }

  #refuse({ payload, confirmed }: Item): void {
    const error = this.#owner.error("poison", "The message ended the connection each time it was sent.", payload);
    confirmed?.reject(error);
    this.#owner.dropped(payload as Payload, error);
  }

  /** The ordinal of the oldest message that is neither acknowledged nor settled otherwise. */
  #oldest(): number {
    const { kept = [], start = 0 } = this.#flow ?? {};
    // What setup sent comes before what a lost session left, and is younger.
    const none = this.#ordinal + 1;
    return Math.min(kept[start]?.ordinal ?? none, this.#first[0]?.ordinal ?? none);
  }

  #settle(): void {
    const oldest = this.#oldest();
    for (const waiter of this.#waiters) {
      if (waiter.upTo >= oldest) return;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  #giveUp(error: Error): void {
    for (const { reject } of this.#waiters) reject(error);
    this.#waiters.clear();
  }
}

/** A connection as the outbox sees it: full while something goes ahead of what it has. */
class OpenLine implements Line {
  protected readonly endpoint: Endpoint;
  protected readonly line: Line;

  constructor(endpoint: Endpoint, line: Line) {
    this.endpoint = endpoint;
    this.line = line;
  }

  get bufferedAmount(): number {
    return this.endpoint.isClear ? this.line.bufferedAmount : Number.POSITIVE_INFINITY;
  }

  write(payload: Payload, fate?: Fate): boolean {
    return this.endpoint.writePlain(this.line, payload, fate);
  }

  async drain(bytes: number): Promise<void> {
    await this.endpoint.drain(this.line);
    await this.line.drain(bytes);
  }
}

/** The same while a session is on it: full when the peer's window is, too. */
class KeptLine extends OpenLine {
  override write(payload: Payload, fate?: Fate): boolean {
    return this.endpoint.write(this.line, payload, fate);
  }

  ping(): void {
    this.endpoint.ping();
  }

  hold(on: boolean): void {
    this.endpoint.hold(on);
  }
}

const NOTHING = { messages: 0, bytes: 0 };
const NO_FATE: Fate = {};

/** The bytes of those that still have them. */
function payloads(items: readonly Item[]): Payload[] {
  return items.flatMap(({ payload }) => payload ?? []);
}
