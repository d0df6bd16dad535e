import { report } from "./emitter.ts";

/** A connection that holds its messages back until it is told. */
export interface Corked {
  uncork(): void;
}

/** Rounds of microtasks without a message after which no more is expected: an `await` between two takes one to three. */
const QUIET_ROUNDS = 4;
const ROUND = Promise.resolve();

/** Who has messages of this turn. */
let corked: Corked[] = [];
/** Rounds since the last of them. */
let quiet = 0;
let heedsExit = false;

/**
 * One call for all connections of a turn, well before its timers and I/O. A process that ends in a turn has no end of the
 * turn: its last word counts.
 */
export function uncorkLater(socket: Corked): void {
  if (corked.push(socket) === 1) ROUND.then(look);
  if (!heedsExit) process.once("exit", uncork);
  heedsExit = true;
}

/** A message was sent: the turn is not over. */
export function stillSending(): void {
  quiet = 0;
}

function look(): void {
  if (++quiet < QUIET_ROUNDS) ROUND.then(look);
  else uncork();
}

function uncork(): void {
  const all = corked;
  corked = [];
  for (const socket of all) {
    try {
      socket.uncork();
    } catch (error) {
      // One connection's trouble is none of the others'.
      report(error);
    }
  }
}
