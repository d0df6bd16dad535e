import { EventEmitter } from "eventemitter3";

/** How long to listen. */
export interface ListenOptions {
  /** Listen to the next one only. Default false. */
  readonly once?: boolean | undefined;
  /** Stops listening when it is aborted. Default none. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Listeners by event name, one argument an event. A listener that throws is reported as uncaught, in a microtask; the
 * others still run, and whoever emitted is not disturbed.
 */
export class Emitter<Events extends object> {
  readonly #listeners = new EventEmitter();

  /** Listens to `event` and returns the undo. */
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
    this.#listeners.emit(event, payload);
  }

  hasListeners(event: keyof Events & string): boolean {
    return this.#listeners.listenerCount(event) > 0;
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
