import { EventEmitter } from "eventemitter3";
import { Queue } from "./queue.ts";

/** How long a listener stays. */
export interface ListenOptions {
  /** Listen to the next one only. Default false. */
  readonly once?: boolean | undefined;
  /** Stops listening when it is aborted. Default none. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Listeners by event name, one argument an event, and when events are emitted: at once, or, while the emitter is paused,
 * when it is flushed. Events that come while others are emitted queue behind them, so that every listener is called in
 * one order. An error that a listener throws is reported as uncaught in a microtask; the other listeners still run.
 */
export class Emitter<Events extends object> {
  readonly #listeners = new EventEmitter();
  readonly #queue = new Queue<() => void>();
  #isPaused = false;
  #isEmitting = false;

  /** Calls `listener` on every `event`. Returns an unsubscribe function. */
  on<Name extends keyof Events & string>(
    event: Name,
    listener: (payload: Events[Name]) => void,
    { once = false, signal }: ListenOptions = {},
  ): () => void {
    const listening = new Subscription(listener);
    const off = () => {
      listening.listener = undefined;
      this.#listeners.off(event, listening.notify, listening);
      signal?.removeEventListener("abort", off);
    };
    if (signal?.aborted) return off;
    if (once) listening.off = off;
    this.#listeners.on(event, listening.notify, listening);
    signal?.addEventListener("abort", off);
    return off;
  }

  emit<Name extends keyof Events & string>(event: Name, payload: Events[Name]): void {
    if (this.#isPaused || this.#isEmitting) this.enqueue(() => this.#listeners.emit(event, payload));
    else this.#listeners.emit(event, payload);
  }

  /** Emits in a microtask, because the caller is in the middle of a change. */
  emitLater<Name extends keyof Events & string>(event: Name, payload: Events[Name]): void {
    this.enqueue(() => this.#listeners.emit(event, payload));
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

  hasListeners(event: keyof Events & string): boolean {
    return this.#listeners.listenerCount(event) > 0;
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
  /** What ends it after the first event, where one is enough. */
  off: (() => void) | undefined;

  constructor(listener: (payload: T) => void) {
    this.listener = listener;
  }

  notify(payload: T): void {
    const { listener } = this;
    // eventemitter3 goes on through those that were there when it began.
    if (!listener) return;
    this.off?.();
    try {
      listener(payload);
    } catch (error) {
      throwAsync(error);
    }
  }
}

/** Reports `error` as uncaught, and disturbs nobody with it. */
export function throwAsync(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
