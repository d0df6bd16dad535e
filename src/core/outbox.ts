import { type Deferred, deferred } from "../base/deferred.ts";
import { aborted, type ConnError, type ConnErrorCode, createRefusal, onAbort } from "../base/errors.ts";
import { byteLength, type Payload } from "../base/payload.ts";
import type { SendOptions, SendOutcome } from "../base/send-options.ts";
import { Timer } from "../base/timer.ts";

/** Bounds of the messages that wait to be written. */
export interface OutboxBounds {
  /** Bytes that may wait while no connection takes them. At least 0; default 16 MiB. */
  readonly maxBytes: number;
  /** Messages that may wait. At least 0; default one for each 768 bytes of `maxBytes`, but 1,024 at least. */
  readonly maxMessages: number;
  /** The message that is dropped at the bound: `"reject"` the new one, `"drop-oldest"` the oldest. Default `"reject"`. */
  readonly overflow: "reject" | "drop-oldest";
  /** Bytes buffered by the connection above which `send()` waits. At least 0; default 1 MiB. */
  readonly highWaterMark: number;
}

/** Options of a message that matter after it was written (resume). */
export interface DeliveryOptions extends Pick<SendOptions, "volatile" | "resend" | "onOutcome"> {
  /** Settled when the peer has counted the message, or never will. */
  readonly confirmed?: Deferred<void> | undefined;
  /** Whether nobody changes the bytes of the message, so that they need not be copied. */
  readonly isConstant?: boolean;
}

/** The part of a connection that the outbox uses. */
export interface Transport {
  /** Bytes taken and not yet handed to the network; infinite while the peer's window is full. */
  readonly bufferedAmount: number;
  /** Takes the message, or returns false where the connection takes none any more. */
  write(payload: Payload, options?: DeliveryOptions): boolean;
  /** Resolves when `bufferedAmount` is at most `bytes`, or the connection was left. */
  drain(bytes: number): Promise<void>;
  /** Sends a ping, where a session has its own. */
  ping?(): void;
  /** Pauses the peer, or resumes it, where a session has its own way. */
  setPaused?(on: boolean): void;
}

export interface OutboxOwner {
  /** Called when a message will not be sent. */
  onRefused(payload: Payload, error: ConnError): void;
  /** Called within `send()`, when a message that has a listener was written at once. */
  onWritten(listener: SendOptions["onOutcome"]): void;
  /** Called when something becomes known of a message that has a listener for it. */
  onOutcome(listener: SendOptions["onOutcome"], outcome: SendOutcome, error?: ConnError): void;
  /** Called when the connection has room again, and nothing waits. */
  onDrained(): void;
  /** Called when the messages that wait have grown or shrunk by `bytes`. */
  onQueueChange(bytes: number): void;
}

/** One message that waits, or that is to be confirmed. Messages that wait are a linked list, oldest first. */
interface Entry extends DeliveryOptions {
  /** The promise that `send()` returned. */
  readonly call: Deferred<void>;
  readonly payload: Payload;
  readonly bytes: number;
  readonly key: string | undefined;
  /** By the clock of `performance`; undefined for never. */
  readonly expiresAt: number | undefined;
  readonly sequence: number;
  readonly expiry: Timer | undefined;
  isWaiting: boolean;
  older: Entry | undefined;
  newer: Entry | undefined;
}

/**
 * Heap that a waiting message takes besides its bytes, by which the default of `maxMessages` follows from `maxBytes`.
 * Measured by test/faults/memory.test.ts.
 */
export const QUEUED_COST_BYTES = 768;

/** The one promise of every message that is written at once. */
const DONE: Promise<void> = Promise.resolve();
const NO_OPTIONS: SendOptions = {};
/** Options of `tryWrite()`. A session keeps only the number of a volatile message, and not its bytes. */
const NOT_KEPT: DeliveryOptions = { volatile: true };

/**
 * Holds payloads until they are written. Payloads wait in order while there is no connection, or while the connection buffers
 * more than the high-water mark; otherwise they pass through.
 */
export class Outbox {
  readonly #bounds: OutboxBounds;
  readonly #owner: OutboxOwner;
  /**
   * The ends of the list. Not a Set, because its search for the oldest entry walks over all deleted places, which made
   * `drop-oldest` ten times slower than `reject`.
   */
  #oldest: Entry | undefined;
  #newest: Entry | undefined;
  /** The message that waits of each key. Created with the first key. */
  #keys: Map<string | undefined, Entry> | undefined;
  #transport: Transport | undefined;
  /** Resolves when the connection is back at the high-water mark; present only while it is above. */
  #pressure: Promise<void> | undefined;
  #end: ConnError | undefined;
  #sequence = 0;
  /** Messages that wait. */
  length = 0;
  /** Bytes that wait. */
  bytes = 0;
  /** Messages written so far. */
  written = 0;

  constructor(bounds: OutboxBounds, owner: OutboxOwner) {
    this.#bounds = bounds;
    this.#owner = owner;
  }

  /** Takes a message. The promise settles with its outcome, and is never an unhandled rejection. */
  send(payload: Payload, options: SendOptions = NO_OPTIONS): Promise<void> {
    const isAborted = options.signal?.aborted === true;
    const canWrite = !isAborted && this.#canWrite;
    if (canWrite && !options.confirm && this.#write(payload, options)) {
      if (options.onOutcome) this.#owner.onWritten(options.onOutcome);
      return this.#pressure ?? DONE;
    }
    const entry = this.#createEntry(payload, options);
    const { signal } = options;
    if (isAborted) this.#reject(entry, aborted(signal as AbortSignal));
    else if (canWrite && options.confirm && this.#write(payload, entry))
      onAbort(signal, entry.call.promise, entry.call.reject);
    else if (options.volatile) this.#reject(entry, "not-writable");
    else this.#enqueue(entry, options);
    return entry.call.promise;
  }

  /** Writes a message at once, without keeping it, and returns true; or returns false. */
  tryWrite(payload: Payload): boolean {
    return this.#canWrite && this.#write(payload, NOT_KEPT);
  }

  /** Whether a message can be written at once. */
  get #canWrite(): boolean {
    return this.#transport !== undefined && !this.#pressure && this.length === 0;
  }

  /** Uses a connection from now on, and writes the messages that wait, in order. */
  attach(transport: Transport): void {
    this.#transport = transport;
    this.#updatePressure(transport);
    this.#drain();
  }

  /** Leaves the connection. The messages that it has taken count as sent. */
  detach(): void {
    this.#transport = this.#pressure = undefined;
  }

  /**
   * Resolves when all that was sent so far has left, or the connection that took it has ended. Rejects when the Conn
   * ends before.
   */
  async flush(): Promise<void> {
    const upTo = this.#sequence;
    const rethrow = () => {
      if (this.#end) throw this.#end;
    };
    // The newest is written last, so that it alone is awaited unless it is dropped.
    for (let entry = this.#newest; entry && entry.sequence <= upTo; entry = this.#oldest)
      await entry.call.promise.catch(rethrow);
    await this.#transport?.drain(0);
  }

  /** Ends the outbox: rejects the messages that wait, and returns them. */
  end(error: ConnError): Payload[] {
    this.#end = error;
    const unsent: Payload[] = [];
    for (let entry = this.#oldest; entry; entry = this.#oldest) {
      const { payload } = entry;
      unsent.push(payload);
      this.#reject(entry, createRefusal(error.code, { cause: error.cause, payload }, error.message));
    }
    return unsent;
  }

  #createEntry(payload: Payload, options: SendOptions): Entry {
    const { key, ttlMs, volatile, confirm, resend, onOutcome } = options;
    const call = deferred<void>();
    return {
      // A copy, because the caller may use their buffer again as soon as send() returns.
      payload: typeof payload === "string" ? payload : new Uint8Array(payload),
      bytes: byteLength(payload),
      key,
      expiresAt: ttlMs === undefined ? undefined : performance.now() + ttlMs,
      sequence: ++this.#sequence,
      expiry: ttlMs === undefined ? undefined : new Timer(),
      volatile,
      resend,
      onOutcome,
      confirmed: confirm ? call : undefined,
      call,
      isWaiting: false,
      older: undefined,
      newer: undefined,
    };
  }

  /** Lets `entry` wait, if there is room for it. */
  #enqueue(entry: Entry, { signal, ttlMs }: SendOptions): void {
    if (!this.#makeRoom(entry)) return this.#reject(entry, "outbox-full");
    entry.isWaiting = true;
    entry.older = this.#newest;
    if (this.#newest) this.#newest.newer = entry;
    else this.#oldest = entry;
    this.#newest = entry;
    if (entry.key !== undefined) {
      this.#keys ??= new Map();
      this.#keys.set(entry.key, entry);
    }
    entry.expiry?.start(ttlMs as number, () => this.#reject(entry, "expired"), true);
    onAbort(signal, entry.call.promise, (error) => {
      if (entry.isWaiting) this.#reject(entry, error);
      else entry.call.reject(error);
    });
    // Last, because the owner may end the Conn when it is called.
    this.#count(1, entry.bytes);
  }

  #reject(entry: Entry, reason: ConnError | ConnErrorCode): void {
    const { payload } = entry;
    const error = typeof reason === "string" ? createRefusal(reason, { payload }) : reason;
    this.#remove(entry);
    entry.call.reject(error);
    this.#owner.onRefused(payload, error);
    this.#owner.onOutcome(entry.onOutcome, "refused", error);
  }

  #remove(entry: Entry): void {
    const { older, newer, key } = entry;
    entry.expiry?.stop();
    if (!entry.isWaiting) return;
    entry.isWaiting = false;
    if (older) older.newer = newer;
    else this.#oldest = newer;
    if (newer) newer.older = older;
    else this.#newest = older;
    entry.older = entry.newer = undefined;
    this.#keys?.delete(key);
    this.#count(-1, -entry.bytes);
  }

  #count(messages: number, bytes: number): void {
    this.length += messages;
    this.bytes += bytes;
    this.#owner.onQueueChange(bytes + messages * QUEUED_COST_BYTES);
  }

  #drain(): void {
    for (let entry = this.#oldest; entry; entry = this.#oldest) {
      if (!this.#transport || this.#pressure) return;
      if (entry.expiresAt !== undefined && entry.expiresAt <= performance.now()) this.#reject(entry, "expired");
      else if (this.#write(entry.payload, entry)) {
        this.#remove(entry);
        if (entry.confirmed) continue;
        entry.call.resolve(this.#pressure);
        this.#owner.onOutcome(entry.onOutcome, "written");
      }
    }
  }

  /** Returns whether the connection took the message. Detaches a connection that does not, because it is about to end. */
  #write(payload: Payload, options: DeliveryOptions): boolean {
    const transport = this.#transport;
    if (!transport?.write(payload, options)) {
      this.detach();
      return false;
    }
    this.written++;
    this.#updatePressure(transport);
    return true;
  }

  /** Lets later messages wait while the connection is above the high-water mark. */
  #updatePressure(transport: Transport): void {
    if (transport.bufferedAmount > this.#bounds.highWaterMark) this.#pressure = this.#waitForRoom(transport);
  }

  /** Drains when the connection has room. Apart, because V8 makes a scope for each call of a function that holds another. */
  async #waitForRoom(transport: Transport): Promise<void> {
    await transport.drain(this.#bounds.highWaterMark);
    if (this.#transport !== transport) return;
    this.#pressure = undefined;
    this.#drain();
    if (!this.#pressure) this.#owner.onDrained();
  }

  /** Returns whether there is room for `entry`, and drops the messages that have to make it. */
  #makeRoom({ key, bytes }: Entry): boolean {
    const { maxBytes, maxMessages, overflow } = this.#bounds;
    const replaced = () => this.#keys?.get(key);
    // The message of the same key makes room as well, and is dropped only if that is enough.
    const fits = (old = replaced()) =>
      this.bytes - (old?.bytes ?? 0) + bytes <= maxBytes && this.length - (old ? 1 : 0) < maxMessages;
    while (overflow === "drop-oldest" && bytes <= maxBytes && this.#oldest && !fits()) {
      this.#reject(this.#oldest, "outbox-full");
    }
    if (!fits()) return false;
    const old = replaced();
    if (old) this.#reject(old, "replaced");
    return true;
  }
}
