import { useEffect, useMemo, useSyncExternalStore } from "react";
import { ConnError } from "../base/errors.ts";
import { describeBadOption } from "../base/option-rules.ts";
import type { Store } from "../store/observable.ts";
import { useBox } from "./use-box.ts";

const whole = (value: unknown): unknown => value;

/**
 * Returns the value of `store`, or the part of it that `select` picks, and renders again when that part changes: when
 * `isEqual` (default `Object.is`) says that it is another. `select` may be an inline function.
 *
 * @throws ConnError `misuse`
 *
 * @example
 * const last = useStore(lines, (all) => all.at(-1));
 */
export function useStore<T>(store: Store<T>): T;
export function useStore<T, S>(store: Store<T>, select: (value: T) => S, isEqual?: (a: S, b: S) => boolean): S;
export function useStore<T, S>(
  store: Store<T>,
  select = whole as (value: T) => S,
  isEqual: (a: S, b: S) => boolean = Object.is,
): S {
  const shown = useBox<{ readonly part: S } | undefined>("useStore", undefined);
  if (typeof store?.onChange !== "function") {
    throw new ConnError(
      "misuse",
      describeBadOption("The first argument of useStore()", "a store, made with store()", store),
    );
  }
  const [get, getInitial] = useMemo(() => {
    let last: { readonly value: T; readonly part: S } | undefined;
    const pick = (value: T): S => {
      if (last && Object.is(last.value, value)) return last.part;
      const before = last ?? shown.current;
      let part = select(value);
      // The part that was rendered stays, so that what depends on it does too.
      if (before && isEqual(before.part, part)) part = before.part;
      last = { value, part };
      return part;
    };
    return [() => pick(store.get()), () => pick(store.initial)];
  }, [store, select, isEqual, shown]);
  const part = useSyncExternalStore(store.onChange, get, getInitial);
  useEffect(() => {
    shown.current = { part };
  });
  return part;
}
