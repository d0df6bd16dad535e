import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/**
 * Where programs of tests listen that must be given a port. The kernel hands out ports from 32768 on (Linux) to whatever
 * listens at 0 or dials, so that a port of its range that is free now may be taken a moment later. Lower ones are not.
 */
const FIRST = 20_000;
const LAST = 32_000;
const MAX_TRIES = 100;

/** Finds a port of 127.0.0.1 that is free, and that nothing takes which does not ask for this very number. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const port = randomInt(FIRST, LAST);
    if (await isFree(port)) return port;
  }
  throw new Error(`No free port between ${FIRST} and ${LAST}.`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
