import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

const MAX_TRIES = 400;
const BETWEEN_MS = 25;

/** Waits until a program that was started takes connections at this port of 127.0.0.1. Rejects after ten seconds. */
export async function untilListening(port: number): Promise<void> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    if (await isListening(port)) return;
    await pause(BETWEEN_MS);
  }
  throw new Error(`Nothing listens on ${port}.`);
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(true));
    socket.on("error", () => resolve(false));
    socket.on("connect", () => socket.destroy());
  });
}
