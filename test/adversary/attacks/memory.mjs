// Bounds stay bounds: floods of messages that no handler takes in, and clients that take nothing in.
import { setTimeout as pause } from "node:timers/promises";
import { BINARY, frame, MARK, PING, rawClient, resumingClient } from "../raw-client.mjs";

const CLIENTS = 5;

/** Several clients that write `bytes` for as long as they may; one that is cut off comes again. */
async function flood(port, isOver, spent, { bytes, pauseMs = 0, clients = CLIENTS, join = rawClient, ...options }) {
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (!isOver()) {
        const client = await join(port, options);
        spent.connections++;
        if (!client) {
          await pause(50);
          continue;
        }
        if (join === resumingClient) await client.send(`${MARK}N zzzzzz`);
        while (!isOver() && (await client.write(bytes))) {
          spent.bytes += bytes.length;
          if (pauseMs) await pause(pauseMs);
        }
        client.socket.destroy();
      }
    }),
  );
}

const text = (size) => frame("x".repeat(size));
const many = (one, count) => Buffer.concat(Array.from({ length: count }, () => one));

export const memory = {
  "messages that nobody takes in": (port, isOver, spent) =>
    flood(port, isOver, spent, { path: "/ignore", bytes: text(60_000) }),
  "small messages that nobody takes in": (port, isOver, spent) =>
    flood(port, isOver, spent, { path: "/ignore", bytes: many(text(1), 10_000) }),
  "small binary messages in large chunks": (port, isOver, spent) =>
    flood(port, isOver, spent, { path: "/resume/ignore", bytes: many(frame("x", { opcode: BINARY }), 10_000) }),
  "more than the window that was granted": (port, isOver, spent) =>
    flood(port, isOver, spent, { path: "/resume/ignore", bytes: text(60_000), join: resumingClient }),
  "a flood during setup": (port, isOver, spent) => flood(port, isOver, spent, { path: "/setup", bytes: text(60_000) }),
  "a flood while the server authenticates": (port, isOver, spent) =>
    flood(port, isOver, spent, { path: "/login", bytes: text(60_000) }),
  "a client that reads nothing of a feed": (port, isOver, spent) =>
    flood(port, isOver, spent, { path: "/feed", bytes: frame("", { opcode: PING }), pauseMs: 100, reads: false }),
  "a client that reads nothing of a hasty ticker": (port, isOver, spent) =>
    flood(port, isOver, spent, {
      path: "/ticker",
      bytes: frame("", { opcode: PING }),
      pauseMs: 100,
      reads: false,
      clients: 2,
    }),
  "pings without end": (port, isOver, spent) =>
    flood(port, isOver, spent, {
      path: "/echo",
      bytes: many(frame("x".repeat(100), { opcode: PING }), 500),
      reads: false,
    }),
  "questions for acknowledgements without end": (port, isOver, spent) =>
    flood(port, isOver, spent, {
      path: "/resume/echo",
      bytes: many(Buffer.concat([frame(`${MARK}?`), frame(`${MARK}p 0`)]), 500),
      join: resumingClient,
      reads: true,
    }),
  "messages whose fragments never end": (port, isOver, spent) =>
    flood(port, isOver, spent, { path: "/echo", bytes: many(frame("x".repeat(1_000), { opcode: 0, fin: false }), 10) }),
};
