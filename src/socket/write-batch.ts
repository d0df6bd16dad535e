import { throwAsync } from "../base/emitter.ts";

/** A connection that holds its messages back until it is told. */
export interface Corkable {
  uncork(): void;
}

/** Rounds of microtasks without a message after which no more is expected: an `await` between two takes one to three. */
const IDLE_MICROTASKS = 4;
const MICROTASK = Promise.resolve();

/** Who has messages of this turn. */
let corked: Corkable[] = [];
/** Rounds since the last of them. */
let idleMicrotasks = 0;
let isExitHandled = false;

/**
 * One call for all connections of a turn, well before its timers and I/O. A process that ends in a turn has no end of the
 * turn: its last word counts.
 */
export function scheduleUncork(socket: Corkable): void {
  if (corked.push(socket) === 1) MICROTASK.then(countMicrotask);
  if (!isExitHandled) process.once("exit", uncorkAll);
  isExitHandled = true;
}

/** A message was sent: the turn is not over. */
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
      // One connection's trouble is none of the others'.
      throwAsync(error);
    }
  }
}
