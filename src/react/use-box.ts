import { useInsertionEffect, useRef } from "react";
import { ConnError } from "../base/errors.ts";

/** A value that outlives a render. */
export interface Box<T> {
  current: T;
}

/**
 * Returns the same box at each render of a component. Each of our hooks calls this one before any other, so that a call
 * outside a component fails with a clear error.
 *
 * @throws ConnError `misuse`
 */
export function useBox<T>(hook: string, initial: T): Box<T> {
  try {
    // biome-ignore lint/correctness/useHookAtTopLevel: it is called at each render, and a failure ends the render
    return useRef(initial);
  } catch (cause) {
    throw new ConnError("misuse", `${hook}() is a hook: call it while a component renders.`, { cause });
  }
}

/** Returns a box with `value` as of the newest commit, for callbacks that outlive a render. */
export function useLatest<T>(hook: string, value: T): Readonly<Box<T>> {
  const box = useBox(hook, value);
  // An insertion effect runs before all others, which may call back, and is silent on a server.
  useInsertionEffect(() => {
    box.current = value;
  });
  return box;
}
