import type { StandardWebSocket } from "../../../../src/testing/fake/index.ts";

export const URL = "ws://fake.test/live";

/** Passes enough microtasks for a handshake, a message and a close in both directions. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await undefined;
}

/** The events of a socket, as they come. */
export function record(socket: StandardWebSocket): string[] {
  const events: string[] = [];
  socket.addEventListener("open", () => events.push("open"));
  socket.addEventListener("message", ({ data }) => events.push(`message ${data}`));
  socket.addEventListener("error", () => events.push("error"));
  socket.addEventListener("close", ({ code, wasClean }) => events.push(`close ${code} ${wasClean}`));
  return events;
}
