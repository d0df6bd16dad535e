const shared = new WeakMap<AbortSignal, AbortListeners>();

/**
 * Calls `listener` when `signal` is aborted. Returns a function that removes the listener.
 *
 * All listeners of a signal share a native one, because a platform searches through all of them to remove one, and Node
 * prints a warning from the eleventh on. The last removal takes the native one away too.
 */
export function addAbortListener(signal: AbortSignal, listener: () => void): () => void {
  let listeners = shared.get(signal);
  if (!listeners) {
    listeners = new AbortListeners(signal);
    shared.set(signal, listeners);
  }
  return listeners.add(listener);
}

/** The listeners of one signal, until it is aborted or the last of them is removed. */
class AbortListeners {
  readonly #signal: AbortSignal;
  readonly #listeners = new Set<() => void>();

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener("abort", this.#onAbort);
  }

  add(listener: () => void): () => void {
    // The same function may be added twice, and each of the two is removed alone.
    const call = () => listener();
    this.#listeners.add(call);
    return () => {
      if (this.#listeners.delete(call) && this.#listeners.size === 0) this.#end();
    };
  }

  readonly #onAbort = (): void => {
    this.#end();
    for (const listener of this.#listeners) listener();
  };

  #end(): void {
    if (shared.get(this.#signal) === this) shared.delete(this.#signal);
    this.#signal.removeEventListener("abort", this.#onAbort);
  }
}
