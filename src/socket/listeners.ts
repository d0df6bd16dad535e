/** The part of an emitter that is relied on. */
interface EventSource {
  // biome-ignore lint/suspicious/noExplicitAny: each event has arguments of its own
  on(event: string, listener: (this: any, ...given: any[]) => void): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  removeListener(event: string, listener: (this: any, ...given: any[]) => void): unknown;
}

/** The functions of an adapter for the events of its socket, shared by all sockets. */
export type ListenerTable = readonly (readonly [
  event: string,
  listener: (this: Adapted, first?: never, second?: never) => void,
])[];

/** A socket that has an adapter. Only {@link attachAdapter} makes one. */
interface Adapted {
  readonly [ADAPTER]: unknown;
}

const ADAPTER = Symbol("adapter");

/** Gives `socket` its adapter, which the listeners of {@link listen} are called with. */
export function attachAdapter(socket: object, adapter: unknown): void {
  Object.defineProperty(socket, ADAPTER, { value: adapter });
}

/** Creates a table from functions that take the adapter, and the arguments of their event. */
export function createListeners<Adapter>(
  // biome-ignore lint/suspicious/noExplicitAny: each event has arguments of its own, and none has more than two
  functions: Readonly<Record<string, (adapter: Adapter, first: any, second: any) => void>>,
): ListenerTable {
  return Object.entries(functions).map(([event, call]) => [
    event,
    function (this: Adapted, first?: never, second?: never) {
      call(this[ADAPTER] as Adapter, first, second);
    },
  ]);
}

/**
 * Lets `table` listen to `socket`, in place of the table before.
 *
 * The functions are shared, and find their adapter through a symbol on the socket, because a closure for each event
 * costs 64 bytes and more on each connection. All functions of `previous` go first, because an emitter frees its table
 * only when the last listener is removed. Measure both with `npm run bench -- --only memory`.
 */
export function listen(socket: EventSource, table: ListenerTable, previous: ListenerTable = []): void {
  for (const [event, listener] of previous) socket.removeListener(event, listener);
  for (const [event, listener] of table) socket.on(event, listener);
}
