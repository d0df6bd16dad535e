import { inherit, type SocketEvent } from "./events.ts";

/** A listener: a function, or an object with `handleEvent` (DOM, section 2.7). */
export type SocketListener<E> =
  | ((event: E) => unknown)
  | {
      /** Called with each event. */
      handleEvent(event: E): unknown;
    };

/** How long to listen. */
export interface SocketListenerOptions {
  /** Part of a listener's identity; the order of calls does not depend on it at a target. Default false. */
  readonly capture?: boolean | undefined;
  /** Listens to the next event only. Default false. */
  readonly once?: boolean | undefined;
  /** Accepted, and without meaning here: no event of a WebSocket can be cancelled. */
  readonly passive?: boolean | undefined;
  /** Removes the listener when it is aborted. Default none. */
  readonly signal?: AbortSignal | undefined;
}

interface Listening {
  readonly type: string;
  callback: SocketListener<never>;
  readonly isCapture: boolean;
  readonly isOnce: boolean;
  /** Whether it belongs to an attribute such as `onmessage`. */
  readonly isAttribute: boolean;
  isRemoved: boolean;
}

/**
 * Listeners in the order of their registration, handler attributes among them (DOM, sections 2.7 and 2.9; HTML, section
 * 8.1.8.1). The platform's own class can't be extended everywhere: React Native has none that an application may rely
 * on, and Firefox breaks subclasses in content scripts.
 */
export class SocketEventTarget {
  #listenings: readonly Listening[] = [];

  static {
    inherit(SocketEventTarget, "EventTarget");
  }

  /** Calls `listener` on each event of this type. The same listener is added once. */
  addEventListener(type: string, listener: unknown, options?: SocketListenerOptions | boolean): void {
    const { capture, once = false, signal } = toOptions(options);
    if (listener === null || listener === undefined || signal?.aborted) return;
    if (!isObject(listener)) throw new TypeError("addEventListener() takes a function or an object with handleEvent.");
    const callback = listener as SocketListener<never>;
    const isCapture = Boolean(capture);
    if (this.#find(type, callback, isCapture)) return;
    const listening = { type, callback, isCapture, isOnce: once, isAttribute: false, isRemoved: false };
    this.#listenings = [...this.#listenings, listening];
    signal?.addEventListener("abort", () => this.#remove(listening), { once: true });
  }

  /** Removes the listener that was added with the same type and `capture`. */
  removeEventListener(type: string, listener: unknown, options?: SocketListenerOptions | boolean): void {
    const found = this.#find(type, listener, Boolean(toOptions(options).capture));
    if (found) this.#remove(found);
  }

  /** Calls the listeners of `event.type` with `event`. Returns whether nobody cancelled it. */
  dispatchEvent(event: { readonly type: string; readonly defaultPrevented?: boolean }): boolean {
    if (!isObject(event) || !("type" in event)) throw new TypeError("dispatchEvent() takes an Event.");
    this.#call(event.type, event);
    return !event.defaultPrevented;
  }

  /** Calls the listeners with an event of ours. */
  protected emit(event: SocketEvent): void {
    event.currentTarget = this;
    this.#call(event.type, event);
    event.currentTarget = null;
  }

  /** The value of a handler attribute. */
  protected handler(type: string): unknown {
    return this.#listenings.find((each) => each.isAttribute && each.type === type)?.callback ?? null;
  }

  /** Sets a handler attribute. It keeps its place among the listeners until it is set to null. */
  protected setHandler(type: string, value: unknown): void {
    const found = this.#listenings.find((each) => each.isAttribute && each.type === type);
    if (!isObject(value)) {
      if (found) this.#remove(found);
      return;
    }
    const callback = value as SocketListener<never>;
    if (found) found.callback = callback;
    else {
      const listening = { type, callback, isCapture: false, isOnce: false, isAttribute: true, isRemoved: false };
      this.#listenings = [...this.#listenings, listening];
    }
  }

  #find(type: string, callback: unknown, isCapture: boolean): Listening | undefined {
    return this.#listenings.find(
      (each) => !each.isAttribute && each.type === type && each.callback === callback && each.isCapture === isCapture,
    );
  }

  #remove(listening: Listening): void {
    listening.isRemoved = true;
    this.#listenings = this.#listenings.filter((each) => each !== listening);
  }

  #call(type: string, event: object): void {
    // A listener that is added meanwhile is not called, because the list is replaced and never changed.
    for (const listening of this.#listenings) {
      if (listening.type !== type || listening.isRemoved) continue;
      if (listening.isOnce) this.#remove(listening);
      try {
        callListener(listening, this, event);
      } catch (error) {
        reportUncaught(error);
      }
      if ((event as SocketEvent).isStopped) return;
    }
  }
}

function callListener({ callback, isAttribute }: Listening, target: object, event: object): void {
  if (typeof callback === "function") callback.call(target, event as never);
  else if (!isAttribute) callback.handleEvent(event as never);
}

function toOptions(options: SocketListenerOptions | boolean | null | undefined): SocketListenerOptions {
  return typeof options === "boolean" ? { capture: options } : (options ?? {});
}

function isObject(value: unknown): boolean {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

/** Reports what a listener throws as uncaught, so that the other listeners and the connection are not disturbed. */
function reportUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
