import { ModernFakeTimers } from "@jest/fake-timers";
import { install } from "@sinonjs/fake-timers";
import { afterEach, expect, test, vi } from "vitest";
import { Conn, json } from "../../../../src/index.ts";
import { resume } from "../../../../src/resume/client/index.ts";
import { fakeServer } from "../../../../src/testing/fake/index.ts";
import { URL } from "./sockets.ts";

/** One library's fake timers, in use. */
interface Clock {
  advance(ms: number): Promise<unknown>;
  count(): number;
  restore(): void;
}

const CLOCKS: Readonly<Record<string, () => Clock>> = {
  vitest() {
    vi.useFakeTimers();
    return {
      advance: (ms) => vi.advanceTimersByTimeAsync(ms),
      count: () => vi.getTimerCount(),
      restore: () => vi.useRealTimers(),
    };
  },
  jest() {
    const config = { fakeTimers: {}, rootDir: "/" } as ConstructorParameters<typeof ModernFakeTimers>[0]["config"];
    const timers = new ModernFakeTimers({ config, global: globalThis });
    timers.useFakeTimers();
    return {
      advance: (ms) => timers.advanceTimersByTimeAsync(ms),
      count: () => timers.getTimerCount(),
      restore: () => timers.useRealTimers(),
    };
  },
  sinon() {
    const clock = install();
    return { advance: (ms) => clock.tickAsync(ms), count: () => clock.countTimers(), restore: () => clock.uninstall() };
  },
};

let clock: Clock;
afterEach(() => clock.restore());

const WAIT_MS = 60_000;

test.each(Object.keys(CLOCKS))("a drop, a wait and a resumed session pass in the fake time of %s", async (name) => {
  clock = (CLOCKS[name] as () => Clock)();
  const server = fakeServer<string>({ codec: json<string>(), resume: true });
  const { WebSocket } = server;
  const conn = new Conn<string>(URL, { WebSocket, codec: json(), resume: resume(), backoff: () => WAIT_MS });
  // Those of jest and sinon hold back `queueMicrotask`, with which a Conn begins.
  await clock.advance(0);
  const first = await server.next();
  await clock.advance(0);
  expect(conn.state).toBe("open");
  first.drop();
  await clock.advance(0);
  conn.send("while away");
  await clock.advance(WAIT_MS - 1);
  expect([conn.state, server.dials]).toEqual(["waiting", 1]);
  await clock.advance(1);
  expect(await (await server.next()).receive()).toBe("while away");
  const closed = conn.close();
  await clock.advance(0);
  await closed;
  expect(clock.count()).toBe(0);
});

test.each(Object.keys(CLOCKS))("without resume the fake server sets no timer of %s", async (name) => {
  clock = (CLOCKS[name] as () => Clock)();
  const server = fakeServer();
  const socket = new server.WebSocket(URL);
  const connection = await server.next();
  connection.send("hello");
  const data = await new Promise((resolve) => {
    socket.onmessage = (event) => resolve(event.data);
  });
  expect(data).toBe("hello");
  connection.blackhole();
  connection.heal();
  socket.close();
  await connection.closed;
  expect(clock.count()).toBe(0);
});
