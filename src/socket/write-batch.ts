import { throwAsync } from "../base/emitter.ts";

/** A connection that holds its messages back until `uncork()`. */
export interface Corkable {
  uncork(): void;
}

/** Rounds of microtasks without a message, until the turn counts as over. An `await` between two messages takes one to three. */
const IDLE_MICROTASKS = 4;
const MICROTASK = Promise.resolve();

/** Connections with messages of this turn. */
let corked: Corkable[] = [];
/** Rounds of microtasks since the last message. */
let idleMicrotasks = 0;
let isExitHandled = false;

/**
 * Uncorks `socket` at the end of the turn, well before its timers and I/O, with all other connections of the turn. Also
 * uncorks on process exit, so that data written in the last turn is not lost.
 */
export function scheduleUncork(socket: Corkable): void {
  if (corked.push(socket) === 1) MICROTASK.then(countMicrotask);
  if (!isExitHandled) process.once("exit", uncorkAll);
  isExitHandled = true;
}

/** Called when a message was sent: the turn is not over. */
export function noteWrite(): void {
  idleMicrotasks = 0;
}

function countMicrotask(): void {
  if (++idleMicrotasks < IDLE_MICROTASKS) MICROTASK.then(countMicrotask);
  else uncorkAll();
}

function uncorkAll(): void {
  const all = corked;
  corked = [];
  for (const socket of all) {
    try {
      socket.uncork();
    } catch (error) {
      // Caught, so that the other connections are uncorked all the same.
      throwAsync(error);
    }
  }
}
