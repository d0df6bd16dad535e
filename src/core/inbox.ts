import { type Deferred, deferred } from "../base/deferred.ts";
import { aborted, ConnError, createRefusal, onAbort } from "../base/errors.ts";
import { byteLength, MESSAGE_COST_BYTES, type Payload } from "../base/payload.ts";
import { Queue } from "../base/queue.ts";

/** Bytes that a binary message counts besides its own. Measured by test/faults/memory.test.ts. */
export const BINARY_COST_BYTES = 256;

/** Bounds of the messages that wait to be received. */
export interface InboxBounds {
  /** Bytes of waiting messages from which the peer is paused, where the platform can (Node). Default 1 MiB. */
  readonly highWaterMark: number;
  /** Bytes of waiting messages, 64 more for each text and 256 for each binary one, beyond which `overflow` applies. Default 64 MiB. */
  readonly maxBytes: number;
  /**
   * The same bound while `setup` runs, when the peer may be a stranger: the smaller of the two counts. A peer that sends
   * more fails the attempt, unless `overflow` drops messages. Default 1 MiB.
   */
  readonly maxSetupBytes: number;
  /** The action at the bound: end the Conn, or drop the oldest or the new message and emit `dropped`. Default `"close"`. */
  readonly overflow: "close" | "drop-oldest" | "drop-newest";
}

/** The callbacks of an inbox. */
export interface InboxOwner {
  /** Whether a listener is attached, so that messages are pushed. */
  hasListeners(): boolean;
  deliver(payload: Payload): void;
  /** Called when the peer should be paused, or resumed. */
  onPressure(on: boolean): void;
  /** Called when a message that waited has been taken. */
  onConsumed(): void;
  onDropped(payload: Payload, error: ConnError): void;
  onOverflow(error: ConnError): void;
}

/**
 * Decides where payloads go: to a listener at once, otherwise to the first pull, otherwise they wait. Several pulls are
 * served in the order in which they came.
 */
export class Inbox {
  readonly #bounds: InboxBounds | false;
  readonly #owner: InboxOwner;
  /** Created with the first message that waits. */
  #waiting: Queue<Payload> | undefined;
  /** Created with the first pull, because a Conn with listeners never needs it. */
  #pulls: Set<(payload: Payload | ConnError) => void> | undefined;
  #end: ConnError | undefined;
  /** Whether a message was ever pulled. */
  isUsed = false;
  /** Bytes of the messages that wait, with the cost of each. */
  bytes = 0;
  /** Whether the peer should be paused: from the high-water mark on, until half of it is left. */
  isUnderPressure = false;
  /** Messages thrown away by `inbox: false`, because no pull waited for them. */
  discarded = 0;

  constructor(bounds: InboxBounds | false, owner: InboxOwner) {
    this.#bounds = bounds;
    this.#owner = owner;
  }

  get length(): number {
    return this.#waiting?.length ?? 0;
  }

  push(payload: Payload): void {
    if (this.length === 0) {
      if (this.#owner.hasListeners()) return this.#owner.deliver(payload);
      if (this.#pulls) for (const pull of this.#pulls) return pull(payload);
    }
    this.#store(payload);
  }

  /** Resolves with the next message, decoded by `decode`. Messages that wait stay readable after the end. */
  take<T>(decode: (payload: Payload) => T, signal?: AbortSignal): Promise<T> {
    this.isUsed = true;
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

  /** Called when a listener was added: rejects the pulls, which would wait for ever, and pushes waiting messages in a microtask. */
  onListenerAdded(): void {
    if (this.#pulls?.size) this.#rejectPulls(new ConnError("misuse"));
    queueMicrotask(() => {
      while (this.length > 0 && this.#owner.hasListeners()) this.#owner.deliver(this.#shift());
    });
  }

  /** Ends the inbox: pulls reject with `error` once it is empty. */
  end(error: ConnError): void {
    this.#end = error;
    this.#rejectPulls(error);
  }

  #store(payload: Payload): void {
    if (!this.#bounds) {
      this.discarded++;
      return;
    }
    const { highWaterMark, maxBytes, overflow } = this.#bounds;
    const size = costOf(payload);
    const fits = () => this.bytes + size <= maxBytes;
    while (overflow === "drop-oldest" && size <= maxBytes && !fits()) this.#drop(this.#shift());
    if (fits()) {
      this.#waiting ??= new Queue();
      this.#waiting.push(toOwnMemory(payload));
      this.bytes += size;
      if (this.bytes >= highWaterMark) this.#updatePressure(true);
    } else {
      const error = this.#drop(payload);
      if (overflow === "close") this.#owner.onOverflow(error);
    }
  }

  #drop(payload: Payload): ConnError {
    const error = createRefusal("inbox-full", { payload });
    this.#owner.onDropped(payload, error);
    return error;
  }

  #shift(): Payload {
    const payload = this.#waiting?.shift() as Payload;
    this.bytes -= costOf(payload);
    if (this.#bounds && this.bytes <= this.#bounds.highWaterMark / 2) this.#updatePressure(false);
    this.#owner.onConsumed();
    return payload;
  }

  #updatePressure(on: boolean): void {
    if (on === this.isUnderPressure) return;
    this.isUnderPressure = on;
    this.#owner.onPressure(on);
  }

  #rejectPulls(error: ConnError): void {
    if (this.#pulls) for (const pull of this.#pulls) pull(error);
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

/** Returns bytes that hold at most twice their own memory: a small message is otherwise a view of a whole network chunk. */
function toOwnMemory(payload: Payload): Payload {
  const holdsMore = typeof payload !== "string" && payload.buffer.byteLength > payload.byteLength * 2;
  return holdsMore ? new Uint8Array(payload) : payload;
}

/** Returns about what a message takes of memory. Each Uint8Array has a buffer of its own: 208 bytes, and more in malloc. */
function costOf(payload: Payload): number {
  return byteLength(payload) + (typeof payload === "string" ? MESSAGE_COST_BYTES : BINARY_COST_BYTES);
}
