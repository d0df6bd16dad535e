import { vi } from "vitest";
import {
  Conn,
  type ConnEvents,
  type ConnOptions,
  type ConnOptionsWithCodec,
  exponential,
  type Payload,
  type Provider,
  type Url,
} from "../../src/index.ts";
import { type FakeNet, type FakeSocket, fakeNet } from "./fake-socket.ts";
import { advance, settleMicrotasks, useFakeTime } from "./fake-time.ts";

export { advance, settleMicrotasks, useFakeTime };

export interface TestConn<In, Out> {
  readonly net: FakeNet;
  readonly conn: Conn<In, Out>;
}

/** A Conn over a scripted network. Its backoff is the longest that jitter allows, so that waits are predictable. */
export function createConn<In = Payload, Out = In>(
  options: ConnOptions<In, Out> = {},
  url: Provider<Url> = "ws://x.test/",
): TestConn<In, Out> {
  const net = fakeNet();
  const backoff = exponential({ random: () => 1 });
  const all = { WebSocket: net.WebSocket, backoff, ...options } as ConnOptionsWithCodec<In, Out>;
  return { net, conn: new Conn<In, Out>(url, all) };
}

/** The same, open. */
export async function openConn<In = Payload, Out = In>(
  options: ConnOptions<In, Out> = {},
): Promise<TestConn<In, Out> & { readonly socket: FakeSocket }> {
  const { net, conn } = createConn(options);
  await settleMicrotasks();
  net.last.open();
  await settleMicrotasks();
  return { net, conn, socket: net.last };
}

/** Records each event `name` of `conn` from here on. */
export function record<In, Out, Name extends keyof ConnEvents<In>>(
  conn: Conn<In, Out>,
  name: Name,
): ConnEvents<In>[Name][] {
  const list: ConnEvents<In>[Name][] = [];
  conn.on(name, (payload) => list.push(payload));
  return list;
}

/** The names of the events that `conn` tells from here on; states as `from>to`. */
export function recordAll<In, Out>(conn: Conn<In, Out>): string[] {
  const list: string[] = [];
  conn.on("state", ({ from, to }) => list.push(`${from}>${to}`));
  for (const name of ["open", "disconnected", "waiting", "closed", "error", "dropped"] as const) {
    conn.on(name, () => list.push(name));
  }
  return list;
}

/** Records errors thrown in microtasks, which would be reported as uncaught. */
export function uncaught(): unknown[] {
  const list: unknown[] = [];
  const real = globalThis.queueMicrotask;
  vi.spyOn(globalThis, "queueMicrotask").mockImplementation((act) =>
    real(() => {
      try {
        act();
      } catch (error) {
        list.push(error);
      }
    }),
  );
  return list;
}

/** Returns the error that `act` throws. */
export function thrown(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  throw new Error("Nothing was thrown.");
}

/** Returns the reason that `promise` rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`Resolved with ${String(value)}.`);
}

/** Whether `promise` has settled, without waiting for time. */
export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = () => {
    settled = true;
  };
  promise.then(note, note);
  await settleMicrotasks();
  return settled;
}
