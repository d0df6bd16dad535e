import { json } from "tautline";
import { resume } from "tautline/resume";
import { fakeServer } from "tautline/testing/fake";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { chat } from "./chat.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("joins again after a drop, and says then what was said meanwhile", async () => {
  const server = fakeServer<string>({ codec: json<string>() });
  const { conn, lines, say } = chat("ws://fake.test/", { WebSocket: server.WebSocket, backoff: () => 1_000 });
  const first = await server.next();
  first.send("welcome");
  await vi.advanceTimersByTimeAsync(0);
  expect(lines).toEqual(["welcome"]);

  first.drop();
  await vi.advanceTimersByTimeAsync(0);
  expect(conn.state).toBe("waiting");
  say("said while away");
  await vi.advanceTimersByTimeAsync(999);
  expect(server.dials).toBe(1);
  await vi.advanceTimersByTimeAsync(1);
  const second = await server.next();
  expect([await second.receive(), await second.receive()]).toEqual(["join ropes", "said while away"]);

  await conn.close();
  expect(await second.closed).toEqual({ code: 1000, reason: "", wasClean: true });
  expect(vi.getTimerCount()).toBe(0);
});

test("with resume a drop loses nothing that is underway, and there is no second join", async () => {
  const server = fakeServer<string>({ codec: json<string>(), resume: true });
  const { conn, lines, say } = chat("ws://fake.test/", {
    WebSocket: server.WebSocket,
    resume: resume(),
    backoff: () => 1_000,
  });
  const first = await server.next();
  await conn.ready();
  say("underway");
  first.send("underway too");
  first.drop();
  await vi.advanceTimersByTimeAsync(1_000);
  const second = await server.next();
  expect(second.resumed).toBe(true);
  expect(await second.receive()).toBe("underway");
  expect([first.received, lines]).toEqual([["join ropes"], ["underway too"]]);
  await conn.close();
});

test("a server that answers no dial is given up after the time that the app allows", async () => {
  const server = fakeServer<string>({ codec: json<string>() });
  server.refuse("hang", Number.POSITIVE_INFINITY);
  const { conn } = chat("ws://fake.test/", { WebSocket: server.WebSocket, giveUpAfterMs: 60_000 });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await conn.closed).toMatchObject({ by: "gave-up" });
});
