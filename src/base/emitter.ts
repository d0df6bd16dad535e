import { EventEmitter } from "eventemitter3";
import { addAbortListener } from "./abort-listeners.ts";
import { Queue } from "./queue.ts";

/** How long a listener stays. */
export interface ListenOptions {
  /** Whether to listen to the next event only. Default false. */
  readonly once?: boolean | undefined;
  /** Removes the listener when aborted. Default none. */
  readonly signal?: AbortSignal | undefined;
}

/** The owner of an emitter. */
export interface EmitterOwner {
  /** Called when a listener throws. Default: the error is uncaught. */
  readonly onListenerError?: ((error: unknown) => void) | undefined;
}

/**
 * Listeners by event name, with one argument for an event. Events are emitted at once, or, while the emitter is paused,
 * when it is flushed. Events that arrive while others are emitted queue behind them, so that all listeners are called in
 * one order. An error that a listener throws is reported as uncaught in a microtask; the other listeners still run.
 */
export class Emitter<Events extends object> {
  /**
   * The event that is emitted now, after the events whose listeners caused it. One text, because an array for each event
   * took a tenth of the time of an incoming message (`npm run bench -- --only down`).
   */
  #causes = "";
  readonly #owner: EmitterOwner;
  /** With these methods alone: rollup.config.mjs leaves the others out of a page's build. */
  readonly #listeners: Pick<EventEmitter, "on" | "off" | "emit" | "listenerCount"> = new EventEmitter();
  readonly #queue = new Queue<() => void>();
  /** Removes each listener that has a signal. Created with the first. */
  #signalled: Set<() => void> | undefined;
  #isPaused = false;
  #isEmitting = false;

  constructor(owner: EmitterOwner = {}) {
    this.#owner = owner;
  }

  /** Calls `listener` on every `event`. Returns an unsubscribe function. */
  on<Name extends keyof Events & string>(
    event: Name,
    listener: (payload: Events[Name]) => void,
    { once = false, signal }: ListenOptions = {},
  ): () => void {
    if (signal?.aborted) return () => {};
    const subscription = new Subscription(listener, this.#owner);
    let removeListener: (() => void) | undefined;
    const off = () => {
      subscription.listener = undefined;
      this.#listeners.off(event, subscription.notify, subscription);
      this.#signalled?.delete(off);
      removeListener?.();
    };
    if (once) subscription.off = off;
    this.#listeners.on(event, subscription.notify, subscription);
    if (signal) {
      removeListener = addAbortListener(signal, off);
      this.#signalled ??= new Set();
      this.#signalled.add(off);
    }
    return off;
  }

  /** Emits an event now, or after those that are being emitted or held back. */
  emit<Name extends keyof Events & string>(event: Name, payload: Events[Name]): void {
    const causes = this.#causes;
    if (this.#isPaused || this.#isEmitting) this.enqueue(() => this.#emitNow(event, payload, causes));
    else this.#emitNow(event, payload, causes);
  }

  /**
   * Emits in a microtask, because the caller is in the middle of a change. Does nothing where `isCausedBy(event)`, because
   * the listeners would otherwise be called for ever.
   */
  emitLater<Name extends keyof Events & string>(event: Name, payload: Events[Name]): void {
    const causes = this.#causes;
    if (!this.isCausedBy(event)) this.enqueueLater(() => this.#emitNow(event, payload, causes));
  }

  /** Runs `act` after all events that are queued, in a microtask at the latest. */
  enqueueLater(act: () => void): void {
    this.enqueue(act);
    queueMicrotask(() => this.#emitQueued());
  }

  /** Runs `act` after all events that are queued. */
  enqueue(act: () => void): void {
    this.#queue.push(act);
  }

  /** Emits nothing until `flush()`. */
  pause(): void {
    this.#isPaused = true;
  }

  flush(): void {
    this.#isPaused = false;
    this.#emitQueued();
  }

  /** Removes the listeners that have a signal, which would otherwise keep all that they refer to for as long as it lives. */
  releaseSignals(): void {
    for (const off of this.#signalled ?? []) off();
  }

  hasListeners(event: keyof Events & string): boolean {
    return this.#listeners.listenerCount(event) > 0;
  }

  /** Whether a listener of `event` runs now, or one of an event that such a listener caused. No name is part of another. */
  isCausedBy(event: keyof Events & string): boolean {
    return this.#causes.includes(event);
  }

  #emitNow<Name extends keyof Events & string>(event: Name, payload: Events[Name], causes: string): void {
    const outer = this.#causes;
    this.#causes = causes + event;
    this.#listeners.emit(event, payload);
    this.#causes = outer;
  }

  #emitQueued(): void {
    if (this.#isEmitting) return;
    this.#isEmitting = true;
    for (let act = this.#queue.shift(); act; act = this.#queue.shift()) act();
    this.#isEmitting = false;
  }
}

/** One listener, for as long as it listens. */
class Subscription<T> {
  listener: ((payload: T) => void) | undefined;
  /** Removes a listener that wants one event only. */
  off: (() => void) | undefined;

  readonly #owner: EmitterOwner;

  constructor(listener: (payload: T) => void, owner: EmitterOwner) {
    this.listener = listener;
    this.#owner = owner;
  }

  notify(payload: T): void {
    const { listener } = this;
    // Checked, because eventemitter3 also calls listeners that were removed while it emits.
    if (!listener) return;
    this.off?.();
    try {
      listener(payload);
    } catch (error) {
      if (this.#owner.onListenerError) this.#owner.onListenerError(error);
      else throwAsync(error);
    }
  }
}

/** Reports `error` as uncaught, in a microtask, so that the caller is not interrupted. */
export function throwAsync(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
