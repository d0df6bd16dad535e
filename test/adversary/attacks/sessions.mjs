// A server's memory of clients that are away is bounded, and a stranger's session never displaces an owner's.
import { setTimeout as pause } from "node:timers/promises";
import { frame, MARK, rawClient, resumingClient } from "../raw-client.mjs";

/** Many clients one after another, some at a time. */
async function crowd(isOver, spent, atOnce, act) {
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (!isOver()) {
        spent.connections++;
        await act();
      }
    }),
  );
}

export const sessions = {
  "clients that fill their session and go": (port, isOver, spent) =>
    crowd(isOver, spent, 5, async () => {
      const client = await resumingClient(port, { path: "/resume/ignore" });
      if (!client) return pause(20);
      await client.send(`${MARK}N zzzzzz`);
      const bytes = frame("x".repeat(60_000));
      for (let n = 0; n < 17 && (await client.write(bytes)); n++) spent.bytes += bytes.length;
      client.socket.destroy();
    }),
  "clients whose ticker goes on while they are away": (port, isOver, spent) =>
    crowd(isOver, spent, 2, async () => {
      const client = await resumingClient(port, { path: "/resume/ticker" });
      if (!client) return pause(20);
      await client.send(`${MARK}N zzzzzz`);
      await pause(50);
      client.socket.destroy();
      await pause(100);
    }),
  "sessions that are issued and never taken": (port, isOver, spent) =>
    crowd(isOver, spent, 20, async () => {
      const client = await resumingClient(port, { path: "/resume/echo", headers: { "X-Filler": "x".repeat(10_000) } });
      client?.socket.destroy();
    }),
  "greetings that are never answered": (port, isOver, spent) =>
    crowd(isOver, spent, 20, async () => {
      const client = await rawClient(port, { path: "/resume/echo", protocol: "resume.v1" });
      spent.bytes += 500;
      await pause(500);
      client.socket.destroy();
    }),
  "returns to sessions that are guessed": (port, isOver, spent) =>
    crowd(isOver, spent, 10, async () => {
      const client = await resumingClient(port, { path: "/resume/echo" });
      if (!client) return pause(20);
      const sid = Math.random().toString(36).slice(2, 18).padEnd(16, "x");
      await client.send(`${MARK}R ${sid}.${"s".repeat(32)} 1 0 zzzz`);
      await client.next();
      client.socket.destroy();
    }),
  "returns with counts that can't be": (port, isOver, spent) =>
    crowd(isOver, spent, 10, async () => {
      const first = await resumingClient(port, { path: "/resume/echo" });
      if (!first) return pause(20);
      await first.send(`${MARK}N zzzz`);
      await first.send('"one"');
      await first.next();
      const second = await resumingClient(port, { path: "/resume/echo" });
      await second?.send(`${MARK}R ${first.sid}.${first.secret} 1 ${(36 ** 9).toString(36)} zzzz`);
      await second?.next();
      first.socket.destroy();
      second?.socket.destroy();
    }),
};
