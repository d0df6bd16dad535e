import type { WebSocketConstructor } from "../../../src/index.ts";
import { type FakeServer, fakeServer, type StandardWebSocket } from "../../../src/testing/fake/index.ts";

export const URL = "ws://fake.test/live";
export const WAIT_MS = 1_000;

/** A fake server, and the options of a Conn that dials it and waits a second for each retry. */
export function serve(resume = false): {
  server: FakeServer;
  options: { WebSocket: WebSocketConstructor; backoff(): number };
} {
  const server = fakeServer({ resume });
  return { server, options: { WebSocket: server.WebSocket, backoff: () => WAIT_MS } };
}

/** The events of a socket as they come, with the state in which each found it. */
export function record(socket: StandardWebSocket | WebSocket): string[] {
  const events: string[] = [];
  const add = (text: string) => events.push(`${text} in ${socket.readyState}`);
  const { addEventListener } = socket as StandardWebSocket;
  const on = addEventListener.bind(socket) as StandardWebSocket["addEventListener"];
  on("open", () => add("open"));
  on("message", ({ data }) => add(`message ${data}`));
  on("error", ({ message = "" }) => add(`error ${message}`.trim()));
  on("close", ({ code, wasClean }) => add(`close ${code} ${wasClean}`));
  return events;
}
