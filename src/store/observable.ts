import { Emitter } from "../base/emitter.ts";

declare global {
  interface SymbolConstructor {
    /** The key under which RxJS, Redux and others look for what can be observed. */
    readonly observable: symbol;
  }
}

/** A value that changes, in the shapes that front ends read: React, Vue and signals, Svelte, Solid, Angular, RxJS. */
export interface Store<T> {
  /** The value before the first change: rendered by a server, and by the page that takes over its HTML. */
  readonly initial: T;
  /** Returns the value: the same reference until it changes. */
  get(this: void): T;
  /** Calls `changed` after each change and returns an unsubscribe function. */
  onChange(this: void, changed: () => void): () => void;
  /** Calls `run`, or its `next`, with the value at once and after each change. Returns an unsubscribe function. */
  subscribe(
    this: void,
    run: ((value: T) => void) | { next?(value: T): void },
  ): (() => void) & {
    /** Ends the subscription, as a call of the function does. */
    unsubscribe(): void;
  };
  /** Returns the store, for `from()` of RxJS. */
  [Symbol.observable](): Store<T>;
}

/** RxJS reads this name where no polyfill defines the symbol. */
const OBSERVABLE = (Symbol.observable ?? "@@observable") as unknown as typeof Symbol.observable;

/** A store, and the function that calls its listeners. */
export interface Observable<T> {
  readonly store: Store<T>;
  notify(this: void): void;
}

/** Creates a store of what `get` returns. A listener that throws is reported as uncaught, and the others still run. */
export function createObservable<T>(initial: T, get: () => T): Observable<T> {
  const emitter = new Emitter<{ change: undefined }>();
  const onChange = (changed: () => void) => emitter.on("change", changed);
  const store = {
    initial,
    get,
    onChange,
    subscribe(run: ((value: T) => void) | { next?(value: T): void }) {
      const push = () => (typeof run === "function" ? run(get()) : run.next?.(get()));
      const unsubscribe = onChange(push);
      push();
      return Object.assign(unsubscribe, { unsubscribe });
    },
    [OBSERVABLE]: (): Store<T> => store,
  } as unknown as Store<T>;
  return { store, notify: () => emitter.emit("change", undefined) };
}
