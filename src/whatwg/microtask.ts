const RESOLVED = Promise.resolve();

/** Runs `act` in a microtask that fake timers do not hold back: those of jest and sinon replace `queueMicrotask`. */
export function inMicrotask(act: () => void): void {
  RESOLVED.then(act);
}
