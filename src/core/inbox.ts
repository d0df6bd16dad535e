import { type Deferred, deferred } from "../base/deferred.ts";
import { aborted, ConnError, onAbort } from "../base/errors.ts";
import { byteLength, type Payload } from "../base/payload.ts";
import { Queue } from "../base/queue.ts";

/** Bounds of what waits to be received. */
export interface InboxBounds {
  /** Bytes of waiting messages at which the peer is held back, where the platform can (Node). Default 1 MiB. */
  readonly highWaterMark: number;
  /** Bytes of waiting messages, each with an overhead of 64, beyond which `overflow` applies. Default 64 MiB. */
  readonly maxBytes: number;
  /** What gives way at the bound: the Conn as a whole, or a message, announced as `dropped`. Default `"close"`. */
  readonly overflow: "close" | "drop-oldest" | "drop-newest";
}

/** What the inbox needs of its owner. */
export interface InboxOwner {
  /** Whether somebody listens, so that messages are pushed. */
  hasListeners(): boolean;
  deliver(payload: Payload): void;
  /** The peer should be held back, or let go on. */
  onPressure(on: boolean): void;
  /** A message that waited has been taken. */
  onConsumed(): void;
  onDropped(payload: Payload, why: ConnError): void;
  onOverflow(why: ConnError): void;
}

/** What a message weighs besides its bytes, so that empty ones are bounded too. */
const OVERHEAD_BYTES = 64;

/**
 * Which payloads are let through, and when: to a listener at once, else to whoever pulls first, else they wait. Several
 * pulls are served in the order in which they came.
 */
export class Inbox {
  readonly #bounds: InboxBounds | false;
  readonly #owner: InboxOwner;
  readonly #waiting = new Queue<Payload>();
  /** Made with the first pull: whoever listens never needs it. */
  #pulls: Set<(payload: Payload | ConnError) => void> | undefined;
  #end: ConnError | undefined;
  /** Weight of what waits. */
  bytes = 0;
  /** Whether the peer should be held back: from the high-water mark on, until half of it is left. */
  isUnderPressure = false;
  /** Messages that nobody waited for and that were thrown away, by choice of `inbox: false`. */
  discarded = 0;

  constructor(bounds: InboxBounds | false, owner: InboxOwner) {
    this.#bounds = bounds;
    this.#owner = owner;
  }

  get length(): number {
    return this.#waiting.length;
  }

  push(payload: Payload): void {
    if (this.length === 0) {
      if (this.#owner.hasListeners()) return this.#owner.deliver(payload);
      if (this.#pulls) for (const pull of this.#pulls) return pull(payload);
    }
    this.#store(payload);
  }

  /** The next message, decoded by `decode`. Messages that are here stay readable after the end. */
  take<T>(decode: (payload: Payload) => T, signal?: AbortSignal): Promise<T> {
    const call = deferred<T>();
    const pull = (given: Payload | ConnError) => {
      this.#pulls?.delete(pull);
      settleCall(call, decode, given);
    };
    if (signal?.aborted) pull(aborted(signal));
    else if (this.#owner.hasListeners()) pull(new ConnError("misuse"));
    else if (this.length > 0) pull(this.#shift());
    else if (this.#end) pull(this.#end);
    else {
      this.#pulls ??= new Set();
      this.#pulls.add(pull);
      onAbort(signal, call.promise, pull);
    }
    return call.promise;
  }

  /** Somebody listens from here on: pulls would wait for ever, and what waits is pushed, in a microtask. */
  onListenerAdded(): void {
    if (this.#pulls?.size) this.#rejectPulls(new ConnError("misuse"));
    queueMicrotask(() => {
      while (this.length > 0 && this.#owner.hasListeners()) this.#owner.deliver(this.#shift());
    });
  }

  /** Nothing more will come: pulls reject with `why` once the inbox is empty. */
  end(why: ConnError): void {
    this.#end = why;
    this.#rejectPulls(why);
  }

  #store(payload: Payload): void {
    if (!this.#bounds) {
      this.discarded++;
      return;
    }
    const { highWaterMark, maxBytes, overflow } = this.#bounds;
    const size = weightOf(payload);
    const fits = () => this.bytes + size <= maxBytes;
    while (overflow === "drop-oldest" && size <= maxBytes && !fits()) this.#drop(this.#shift());
    if (fits()) {
      this.#waiting.push(payload);
      this.bytes += size;
      if (this.bytes >= highWaterMark) this.#updatePressure(true);
    } else {
      const why = this.#drop(payload);
      if (overflow === "close") this.#owner.onOverflow(why);
    }
  }

  #drop(payload: Payload): ConnError {
    const why = new ConnError("inbox-full", undefined, { payload });
    this.#owner.onDropped(payload, why);
    return why;
  }

  #shift(): Payload {
    const payload = this.#waiting.shift() as Payload;
    this.bytes -= weightOf(payload);
    if (this.#bounds && this.bytes <= this.#bounds.highWaterMark / 2) this.#updatePressure(false);
    this.#owner.onConsumed();
    return payload;
  }

  #updatePressure(on: boolean): void {
    if (on === this.isUnderPressure) return;
    this.isUnderPressure = on;
    this.#owner.onPressure(on);
  }

  #rejectPulls(why: ConnError): void {
    if (this.#pulls) for (const pull of this.#pulls) pull(why);
  }
}

function settleCall<T>(call: Deferred<T>, decode: (payload: Payload) => T, given: Payload | ConnError): void {
  try {
    if (given instanceof ConnError) throw given;
    call.resolve(decode(given));
  } catch (error) {
    call.reject(error);
  }
}

function weightOf(payload: Payload): number {
  return byteLength(payload) + OVERHEAD_BYTES;
}
