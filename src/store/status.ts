import { ConnError } from "../base/errors.ts";
import { describeBadOption } from "../base/option-rules.ts";
import type { StateName } from "../core/state-machine.ts";
import { createObservable, type Store } from "./observable.ts";

/** The state of a connection, for a page to show. */
export interface Status {
  /** Where the Conn is in its life. */
  readonly state: StateName;
  /** The number of the retry that is waited for or being made; 0 for none. */
  readonly attempt: number;
  /** When the Conn dials again, in milliseconds of `Date.now()`; undefined unless it waits, and for a wait without end. */
  readonly retryAt: number | undefined;
  /**
   * Since when the Conn has been open or, in any other state, has not been: milliseconds of `Date.now()`. Where that was
   * before `status()` was first called, the time of the call. 0 in the initial value.
   */
  readonly since: number;
  /**
   * Whether the connection continues the session of the one before it, so that nothing was lost (resume). Undefined
   * unless open, and where it was open before `status()` was first called.
   */
  readonly resumed: boolean | undefined;
}

/** A Conn, or anything that has these members of it. */
export interface StatusSource {
  /** As `conn.state`. */
  readonly state: StateName;
  /** As `conn.waiting`. */
  readonly waiting: {
    /** The number of the retry that comes next. */
    readonly attempt: number;
    /** The time of the next dial, in milliseconds of `Date.now()`. */
    readonly retryAt: number;
  } | null;
  /** As `conn.on()`. */
  on(event: "state" | "waiting", listener: () => void): () => void;
  /** As `conn.on()`. */
  on(event: "open", listener: (open: { readonly resumed: boolean }) => void): () => void;
}

const INITIAL: Status = Object.freeze({ state: "idle", attempt: 0, retryAt: undefined, since: 0, resumed: undefined });

/** One store for each source, so that a component may call `status()` each time it renders. */
const stores = new WeakMap<StatusSource, Store<Status>>();

/**
 * Returns the store of the state of `conn`: the same store each time. The store changes at once, and not at the end of a turn. Its
 * initial value is that of an idle Conn, in any state, so that it matches HTML that a server rendered.
 *
 * @throws ConnError `misuse`
 *
 * @example
 * ```ts
 * status(conn).subscribe(({ state, retryAt }) => showState(state, retryAt));
 * ```
 */
export function status(conn: StatusSource): Store<Status> {
  if (typeof conn?.on !== "function")
    throw new ConnError("misuse", describeBadOption("The argument of status()", "a Conn", conn));
  const known = stores.get(conn);
  if (known) return known;

  let now: Status = { ...INITIAL, since: Date.now() };
  let shown = now;
  let resumed: boolean | undefined;

  const get = (): Status => {
    const { state } = conn;
    const isOpen = state === "open";
    // `resumed` belongs to one connection, and the event `open` sets it after that has begun.
    if (!isOpen) resumed = undefined;
    // A dial has the number of the wait before it.
    const dialing = { attempt: state === "connecting" ? now.attempt : 0, retryAt: undefined };
    const { attempt, retryAt } = conn.waiting ?? dialing;
    const next: Status = {
      state,
      attempt,
      retryAt: Number.isFinite(retryAt) ? retryAt : undefined,
      since: isOpen === (now.state === "open") ? now.since : Date.now(),
      resumed,
    };
    if ((Object.keys(next) as (keyof Status)[]).some((name) => next[name] !== now[name])) now = next;
    return now;
  };
  const { store, notify } = createObservable(INITIAL, get);

  const update = () => {
    // Compared with what listeners were shown, because `get()` may have been called since.
    if (get() === shown) return;
    shown = now;
    notify();
  };
  get();
  shown = now;
  conn.on("state", update);
  conn.on("open", (open) => {
    ({ resumed } = open);
    update();
  });
  conn.on("waiting", update);
  stores.set(conn, store);
  return store;
}
