const shared = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls `listener` when `signal` is aborted. Returns a function that removes the listener.
 *
 * All listeners of a signal share a native one, because a platform searches through all of them to remove one, and Node
 * prints a warning from the eleventh on. The last removal takes the native one away too.
 */
export function addAbortListener(signal: AbortSignal, listener: () => void): () => void {
  // The same function may be added twice, and each of the two is removed alone.
  const call = () => listener();
  const calls = shared.get(signal) ?? new Set();
  if (calls.size === 0) {
    shared.set(signal, calls);
    signal.addEventListener("abort", onAbort);
  }
  calls.add(call);
  return () => {
    if (calls.delete(call) && calls.size === 0) signal.removeEventListener("abort", onAbort);
  };
}

/** Calls the listeners of the signal that was aborted. */
function onAbort(this: AbortSignal): void {
  this.removeEventListener("abort", onAbort);
  for (const call of shared.get(this) ?? []) call();
}
