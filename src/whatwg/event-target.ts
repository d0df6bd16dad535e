import { addAbortListener } from "../base/abort-listeners.ts";
import { throwAsync } from "../base/emitter.ts";
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
  /** Undefined for an attribute such as `onmessage`. */
  readonly isCapture?: boolean;
  readonly isOnce?: boolean | undefined;
  isRemoved?: boolean;
  /** Stops listening to the signal, which would otherwise keep the socket for as long as the signal lives. */
  leaveSignal?: () => void;
}

/**
 * Listeners in the order of their registration, handler attributes among them (DOM, sections 2.7 and 2.9; HTML, section
 * 8.1.8.1). The platform's own class can't be extended everywhere: React Native has none that an application may rely
 * on, and Firefox breaks subclasses in content scripts.
 */
export class SocketEventTarget<Events extends object> {
  #listenings: readonly Listening[] = [];

  static {
    const { prototype } = inherit(SocketEventTarget, "EventTarget");
    for (const type of ["open", "message", "error", "close"]) {
      Object.defineProperty(prototype, `on${type}`, {
        get(this: SocketEventTarget<object>) {
          return this.#find(type)?.callback ?? null;
        },
        // It keeps its place among the listeners until it is set to null.
        set(this: SocketEventTarget<object>, value: unknown) {
          const found = this.#find(type);
          if (!isObject(value)) this.#remove(found);
          else if (found) found.callback = value;
          else this.#listenings = [...this.#listenings, { type, callback: value }];
        },
        enumerable: true,
        configurable: true,
      });
    }
  }

  /** Calls `listener` on each event of this type. The same listener is added once. */
  addEventListener<Type extends keyof Events>(
    type: Type,
    listener: SocketListener<Events[Type]> | null,
    options?: SocketListenerOptions | boolean,
  ): void;
  addEventListener(type: string, listener: unknown, options?: SocketListenerOptions | boolean): void;
  addEventListener(type: string, listener: unknown, options?: SocketListenerOptions | boolean): void {
    const { capture, once: isOnce, signal } = toOptions(options);
    if (listener === null || listener === undefined || signal?.aborted) return;
    if (!isObject(listener)) throw new TypeError("addEventListener() takes a function or an object with handleEvent.");
    const isCapture = Boolean(capture);
    if (this.#find(type, isCapture, listener)) return;
    const listening: Listening = { type, callback: listener, isCapture, isOnce };
    this.#listenings = [...this.#listenings, listening];
    if (signal) listening.leaveSignal = addAbortListener(signal, () => this.#remove(listening));
  }

  /** Removes the listener that was added with the same type and `capture`. */
  removeEventListener(type: string, listener: unknown, options?: SocketListenerOptions | boolean): void {
    this.#remove(this.#find(type, Boolean(toOptions(options).capture), listener));
  }

  /** Calls the listeners of `event.type` with `event`. Returns false if a listener cancelled the event, else true. */
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

  /** Finds a listener, or without `isCapture` the handler attribute. */
  #find(type: string, isCapture?: boolean, callback?: unknown): Listening | undefined {
    return this.#listenings.find(
      (each) =>
        each.type === type && each.isCapture === isCapture && (isCapture === undefined || each.callback === callback),
    );
  }

  #remove(listening: Listening | undefined): void {
    if (!listening) return;
    listening.isRemoved = true;
    listening.leaveSignal?.();
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
        // The other listeners and the connection are not disturbed.
        throwAsync(error);
      }
      if ((event as SocketEvent).isStopped) return;
    }
  }
}

function callListener({ callback, isCapture }: Listening, target: object, event: object): void {
  if (typeof callback === "function") callback.call(target, event as never);
  else if (isCapture !== undefined) callback.handleEvent(event as never);
}

function toOptions(options: SocketListenerOptions | boolean | null | undefined): SocketListenerOptions {
  return typeof options === "boolean" ? { capture: options } : (options ?? {});
}

function isObject(value: unknown): value is SocketListener<never> {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}
