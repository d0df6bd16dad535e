import { Timer } from "../base/timer.ts";
import type { Engine, History, LogEntry, Position } from "../server/engine.ts";

/** The reader of a feed. */
export interface FollowerOwner {
  /** Called with each entry, in order and once. In a channel without history, as the feed brings it. */
  onEntry(entry: LogEntry): void;
  /** Called when entries were missed for good: the next one follows `head`. */
  onGap(head: Position): void;
  /** Whether the entry of this position has come before, as far as it is known. */
  isKnown(position: Position): boolean;
}

/** The most that one read of a log brings. */
const READ_LIMIT = { messages: 256, bytes: 2 ** 18 };
/** Entries that are kept while the log is read. With more, the log is read again instead. */
const MAX_EARLY = 256;
/** Milliseconds until a read that failed is repeated. */
const RETRY_MS = 1_000;

/**
 * Follows one log from its head on. A feed may lose, repeat and reorder entries, but each of them names its predecessor:
 * where that is not the last entry, the log is read.
 */
export class LogFollower {
  readonly #engine: Engine;
  readonly #channel: string;
  readonly #history: History | undefined;
  readonly #owner: FollowerOwner;
  /** The position of the last entry. Null before `start()` has resolved, and in a channel without history. */
  head: Position | null = null;
  /** Whether something came from the feed since this was last set to false. */
  isActive = false;
  #state: "new" | "starting" | "idle" | "reading" | "stopped" = "new";
  /** Whether entries of the feed are left out, because the engine is away. `check()` reads what was missed. */
  #isHeld = false;
  #starting: Promise<void> | undefined;
  /** Entries that came too early to be placed. */
  #early: LogEntry[] = [];
  #mustReadAgain = false;
  #reading: Promise<void> | undefined;
  readonly #retry = new Timer();

  constructor(engine: Engine, channel: string, history: History | undefined, owner: FollowerOwner) {
    this.#engine = engine;
    this.#channel = channel;
    this.#history = history;
    this.#owner = owner;
  }

  /** Attaches the feed, and resolves once each later entry comes. Rejects as `engine.subscribe()`, and may be repeated. */
  start(): Promise<void> {
    this.#starting ??= this.#attach();
    return this.#starting;
  }

  stop(): void {
    const isAttached = this.#state !== "new" && !this.#isStopped;
    this.#state = "stopped";
    this.#retry.stop();
    this.#early = [];
    if (isAttached) this.#engine.unsubscribe(this.#channel);
  }

  /** Leaves out what the feed brings, until `check()`. */
  hold(): void {
    this.#isHeld = true;
  }

  /** Reads what was missed if the log's head is another one than the last entry. Resolves with whether that was done. */
  async check(head: Position): Promise<boolean> {
    this.#isHeld = false;
    if (head !== this.head || this.#mustReadAgain) await this.catchUp();
    return !this.#mustReadAgain;
  }

  /** Whether the last read brought all that was missed, as far as is known. */
  get isComplete(): boolean {
    return !this.#mustReadAgain;
  }

  /** Takes entries from the feed again, in a channel without history. */
  release(): void {
    this.#isHeld = false;
  }

  /** Reads all entries after the last one. Resolves when they were passed on, or could not be read. */
  catchUp(): Promise<void> {
    this.#mustReadAgain = true;
    if (this.#state === "idle") {
      this.#state = "reading";
      this.#reading = this.#readAll();
    }
    return this.#reading ?? Promise.resolve();
  }

  async #attach(): Promise<void> {
    this.#state = "starting";
    try {
      const head = await this.#engine.subscribe(this.#channel, this.#history, (entry) => this.#receive(entry));
      if (this.#isStopped) return;
      this.head = head;
      this.#state = "idle";
    } catch (error) {
      this.#starting = undefined;
      if (!this.#isStopped) this.#state = "new";
      throw error;
    }
    this.#placeEarly();
    if (this.#mustReadAgain) this.catchUp();
  }

  /** A getter, because the state changes while a method awaits. */
  get #isStopped(): boolean {
    return this.#state === "stopped";
  }

  #receive(entry: LogEntry): void {
    this.isActive = true;
    if (this.#isStopped || this.#isHeld) return;
    if (entry.position === null || entry.previous === null) return this.#owner.onEntry(entry);
    if (this.#state !== "idle") this.#keepEarly(entry);
    else if (entry.previous === this.head) this.#pass(entry);
    else if (entry.position !== this.head && !this.#owner.isKnown(entry.position)) this.catchUp();
  }

  #keepEarly(entry: LogEntry): void {
    if (this.#early.length < MAX_EARLY) this.#early.push(entry);
    else this.#mustReadAgain = true;
  }

  #pass(entry: LogEntry): void {
    this.head = entry.position;
    this.#owner.onEntry(entry);
  }

  /** Passes on the entries that follow, and reads again if one of the others may be news. */
  #placeEarly(): void {
    for (const entry of this.#early.splice(0)) {
      const position = entry.position as Position;
      if (entry.previous === this.head) this.#pass(entry);
      else if (position !== this.head && !this.#owner.isKnown(position)) this.#mustReadAgain = true;
    }
  }

  async #readAll(): Promise<void> {
    this.#retry.stop();
    try {
      while (this.#mustReadAgain && !this.#isHeld && !this.#isStopped) {
        this.#mustReadAgain = false;
        await this.#readOnce();
      }
    } catch {
      this.#mustReadAgain = true;
      // By a timer too, because the engine may be back before its state says so.
      this.#retry.start(RETRY_MS, () => this.catchUp(), true);
    }
    // No await since the conditions were checked, so that no request to read again is missed.
    this.#reading = undefined;
    if (this.#isStopped) this.#retry.stop();
    else this.#state = "idle";
  }

  async #readOnce(): Promise<void> {
    const before = this.head as Position;
    const part = await this.#engine.read(this.#channel, { after: before }, READ_LIMIT);
    if (this.#isStopped) return;
    if (this.#isHeld) {
      this.#mustReadAgain = true;
      return;
    }
    if (!part) return this.#skipToHead();
    for (const entry of part.entries) if (entry.previous === this.head) this.#pass(entry);
    if (this.head !== before && this.head !== part.head) this.#mustReadAgain = true;
    this.#placeEarly();
  }

  async #skipToHead(): Promise<void> {
    const [head] = await this.#engine.heads([{ channel: this.#channel, history: this.#history as History }]);
    if (this.#isStopped || head === undefined) return;
    if (head !== this.head) {
      this.head = head;
      this.#owner.onGap(head);
    }
    this.#placeEarly();
  }
}
