import { type Deferred, deferred, noop } from "../base/deferred.ts";
import { aborted, ConnError, type ConnErrorCode, onAbort } from "../base/errors.ts";
import { byteLength, type Payload, type SendOptions } from "../base/payload.ts";
import { Timer } from "../base/timer.ts";

/** Bounds of what waits to be written. */
export interface OutboxBounds {
  /** Bytes that may wait while there is no connection to take them. At least 0; default 16 MiB. */
  readonly maxBytes: number;
  /** Messages that may wait. At least 0; default one for each 64 bytes of `maxBytes`, but 1,024 at least. */
  readonly maxMessages: number;
  /** Who gives way at the bound: the new message, or the oldest. Default `"reject"`. */
  readonly overflow: "reject" | "drop-oldest";
  /** Bytes buffered by the connection above which `send()` waits. At least 0; default 1 MiB. */
  readonly highWaterMark: number;
}

/** What matters of a message beyond its being written (resume). */
export interface DeliveryOptions extends Pick<SendOptions, "volatile" | "resend"> {
  /** Settled when the peer has counted the message, or never will. */
  readonly confirmed?: Deferred<void> | undefined;
}

/** What the outbox needs of a connection. */
export interface Transport {
  /** Bytes taken and not yet handed to the network; infinite while the peer's window is full. */
  readonly bufferedAmount: number;
  /** Takes the message, or answers false where the connection takes none any more. */
  write(payload: Payload, fate?: DeliveryOptions): boolean;
  /** Resolves when `bufferedAmount` is at most `bytes`, or the connection is left. */
  drain(bytes: number): Promise<void>;
  /** Asks for a sign of life, where a session has its own way. */
  ping?(): void;
  /** Holds the peer back, or lets it go on, where a session has its own way. */
  setPaused?(on: boolean): void;
}

export interface OutboxOwner {
  /** A message will not be sent. */
  onRefused(payload: Payload, why: ConnError): void;
  /** The connection has room again, and nothing waits. */
  onDrained(): void;
  /** What waits has grown or shrunk by so many bytes. */
  onQueueChange(bytes: number): void;
}

/** One message that waits, or that is to be confirmed. */
interface Entry extends DeliveryOptions {
  /** What the sender was given. */
  readonly call: Deferred<void>;
  readonly payload: Payload;
  readonly bytes: number;
  readonly key: string | undefined;
  /** By the clock of `performance`; undefined for never. */
  readonly expiresAt: number | undefined;
  readonly sequence: number;
  readonly expiry: Timer | undefined;
}

/** What waits in all outboxes where nothing does. */
const NOTHING_WAITS: ReadonlySet<Entry> = new Set();
/** The one promise of everything that is written at once. */
const DONE: Promise<void> = Promise.resolve();

/**
 * What happens to payloads until they are written. They wait in order while there is no connection, or while it buffers
 * more than the high-water mark; else they pass through untouched.
 */
export class Outbox {
  readonly #bounds: OutboxBounds;
  readonly #owner: OutboxOwner;
  #waiting = NOTHING_WAITS as Set<Entry>;
  /** Made with the first key. */
  #keys: Map<string, Entry> | undefined;
  #transport: Transport | undefined;
  /** Resolves when the connection is back at the high-water mark; there only while it is above. */
  #pressure: Promise<void> | undefined;
  #end: ConnError | undefined;
  #sequence = 0;
  /** The last flush, and the last message that it waits for: the next one waits for it and the messages since. */
  #flushed: { readonly done: Promise<void>; readonly upTo: number } | undefined;
  /** Bytes that wait. */
  bytes = 0;
  /** Messages written so far. */
  written = 0;

  constructor(bounds: OutboxBounds, owner: OutboxOwner) {
    this.#bounds = bounds;
    this.#owner = owner;
  }

  /** Messages that wait. */
  get length(): number {
    return this.#waiting.size;
  }

  /** Takes a message. The promise tells its fate, and is never an unhandled rejection. */
  send(payload: Payload, options: SendOptions = {}): Promise<void> {
    const { signal, key, ttlMs, volatile, confirm, resend } = options;
    const isClear = this.#transport && !this.#pressure && this.length === 0 && !signal?.aborted;
    if (isClear && !confirm && this.#write(payload, options)) return this.#pressure ?? DONE;

    const call = deferred<void>();
    const entry: Entry = {
      // The caller may use his buffer again as soon as send() returns.
      payload: typeof payload === "string" ? payload : new Uint8Array(payload),
      bytes: byteLength(payload),
      key,
      expiresAt: ttlMs === undefined ? undefined : performance.now() + ttlMs,
      sequence: ++this.#sequence,
      expiry: ttlMs === undefined ? undefined : new Timer(),
      volatile,
      resend,
      confirmed: confirm ? call : undefined,
      call,
    };
    if (signal?.aborted) this.#refuse(entry, aborted(signal));
    else if (isClear && confirm && this.#write(payload, entry)) onAbort(signal, call.promise, call.reject);
    else if (volatile) this.#refuse(entry, "not-writable");
    else if (!this.#makeRoom(entry)) this.#refuse(entry, "outbox-full");
    else {
      if (this.#waiting === NOTHING_WAITS) this.#waiting = new Set();
      this.#waiting.add(entry);
      if (key !== undefined) {
        this.#keys ??= new Map();
        this.#keys.set(key, entry);
      }
      entry.expiry?.start(ttlMs as number, () => this.#refuse(entry, "expired"), true);
      onAbort(signal, call.promise, (error) => {
        if (this.#waiting.has(entry)) this.#refuse(entry, error);
        else call.reject(error);
      });
      // Last, since it may end the Conn.
      this.#addBytes(entry.bytes);
    }
    return call.promise;
  }

  /** A connection is there: what waits is written to it, in order. */
  attach(line: Transport): void {
    this.#transport = line;
    this.#updatePressure(line);
    this.#drain();
  }

  /** The connection is gone. What it has taken counts as handed over. */
  detach(): void {
    this.#transport = undefined;
    this.#pressure = undefined;
  }

  /**
   * Resolves when all that was sent so far has left, or the connection that took it has ended. Rejects when the Conn
   * ends before.
   */
  async flush(): Promise<void> {
    if (this.length > 0) await this.#whenSettled();
    await this.#transport?.drain(0);
  }

  /** Resolves when each message that waits now has met its fate. */
  #whenSettled(): Promise<void> {
    const { done, upTo } = this.#flushed ?? { done: DONE, upTo: 0 };
    const fates: Promise<void>[] = [done];
    for (const { sequence, call } of this.#waiting) if (sequence > upTo) fates.push(call.promise);
    const settled = Promise.allSettled(fates).then((all) => {
      if (this.#end && all.some(({ status }) => status === "rejected")) throw this.#end;
    });
    settled.catch(noop);
    this.#flushed = { done: settled, upTo: this.#sequence };
    return settled;
  }

  /** The end: refuses what waits, and gives it back. */
  end(why: ConnError): Payload[] {
    this.#end = why;
    return Array.from(this.#waiting, (entry) => {
      this.#refuse(entry, new ConnError(why.code, why.message, { cause: why.cause, payload: entry.payload }));
      return entry.payload;
    });
  }

  #drain(): void {
    for (const entry of this.#waiting) {
      if (!this.#transport || this.#pressure) return;
      if (entry.expiresAt !== undefined && entry.expiresAt <= performance.now()) this.#refuse(entry, "expired");
      else if (this.#write(entry.payload, entry)) {
        this.#remove(entry);
        if (!entry.confirmed) entry.call.resolve(this.#pressure);
      }
    }
  }

  /** Whether the connection took the message. One that takes none is as good as gone: what follows waits for the next. */
  #write(payload: Payload, fate: DeliveryOptions): boolean {
    const line = this.#transport;
    if (!line?.write(payload, fate)) {
      this.detach();
      return false;
    }
    this.written++;
    this.#updatePressure(line);
    return true;
  }

  /** Above the high-water mark what follows waits. */
  #updatePressure(line: Transport): void {
    if (line.bufferedAmount <= this.#bounds.highWaterMark) return;
    this.#pressure = line.drain(this.#bounds.highWaterMark).then(() => {
      if (this.#transport !== line) return;
      this.#pressure = undefined;
      this.#drain();
      if (!this.#pressure) this.#owner.onDrained();
    });
  }

  /** Whether there is room for `entry`, once those have given way that must. */
  #makeRoom({ key, bytes }: Entry): boolean {
    const { maxBytes, maxMessages, overflow } = this.#bounds;
    const replaced = key === undefined ? undefined : this.#keys?.get(key);
    // The one that is replaced makes room, and gives way only if that is enough.
    const freed = () => (replaced && this.#waiting.has(replaced) ? 1 : 0);
    const fits = () =>
      this.bytes - freed() * (replaced?.bytes ?? 0) + bytes <= maxBytes && this.length - freed() < maxMessages;
    if (overflow === "drop-oldest" && bytes <= maxBytes) {
      for (const oldest of this.#waiting) {
        if (fits()) break;
        this.#refuse(oldest, "outbox-full");
      }
    }
    if (!fits()) return false;
    if (replaced && freed()) this.#refuse(replaced, "replaced");
    return true;
  }

  #refuse(entry: Entry, why: ConnError | ConnErrorCode): void {
    const { payload } = entry;
    const error = typeof why === "string" ? new ConnError(why, undefined, { payload }) : why;
    this.#remove(entry);
    entry.call.reject(error);
    this.#owner.onRefused(payload, error);
  }

  #addBytes(bytes: number): void {
    this.bytes += bytes;
    this.#owner.onQueueChange(bytes);
  }

  #remove(entry: Entry): void {
    entry.expiry?.stop();
    if (this.#waiting.delete(entry)) this.#addBytes(-entry.bytes);
    if (entry.key !== undefined && this.#keys?.get(entry.key) === entry) this.#keys.delete(entry.key);
  }
}
