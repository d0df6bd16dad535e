import { createHook } from "node:async_hooks";

/** Every timer of this process that runs, by the milliseconds that it was started with. */
const live = new Map<number, { readonly _idleTimeout: number }>();
createHook({
  init(id, type, _trigger, resource) {
    if (type === "Timeout") live.set(id, resource as { readonly _idleTimeout: number });
  },
  destroy: (id) => live.delete(id),
}).enable();

/** Counts the timers that run and were started for more than `from` and up to `to` milliseconds. */
export function liveTimers(from: number, to: number): number {
  return [...live.values()].filter(({ _idleTimeout: ms }) => ms > from && ms <= to).length;
}
