import { describe, expect, test, vi } from "vitest";
import type { WebSocket } from "ws";
import { now } from "./away.ts";
import { end, type FaultScenario, leave, startScenario } from "./fault-scenario.ts";

const MIB = 2 ** 20;
/** Short, so that what is only slow is in danger. */
const HEARTBEAT = { intervalMs: 1_500, timeoutMs: 2_000 };
const DEAD_MS = HEARTBEAT.intervalMs + HEARTBEAT.timeoutMs;
/** A line in doubt is asked, and left after this. */
const PROBE_MS = 2_000;
/** The time that a machine may add which moves 8 to 64 MiB for several programs at once. */
const SLACK_MS = 2_000;
/** A busy machine may be several times as slow as the line. */
const LIMIT_MS = 60_000;
const options = { heartbeat: HEARTBEAT, maxPayloadBytes: 64 * MIB };

const until = (look: () => void) => vi.waitFor(look, { timeout: LIMIT_MS / 2, interval: 10 });
const passed = async (ms: number) => {
  const start = now();
  await until(() => expect(now() - start).toBeGreaterThan(ms));
};

/** The dark is found in time, and the Conn is back when it has gone. */
async function isFound({ proxy, away }: FaultScenario, withinMs: number, act: () => unknown = () => {}): Promise<void> {
  proxy.blackhole();
  act();
  const start = now();
  const { at, ...lost } = await away.next("disconnected");
  expect(lost).toMatchObject({ code: 1006, wasOpen: true, willRetry: true, cause: { code: "timeout" } });
  expect(at - start).toBeLessThan(withinMs + SLACK_MS);
  await proxy.heal();
  await away.next("open", ({ reconnected }) => reconnected);
}

/** Drops whoever has not ponged since the last ping, as the documentation of `ws` has it. */
function beat(socket: WebSocket, intervalMs: number): void {
  let isAlive = true;
  socket.on("pong", () => {
    isAlive = true;
  });
  const timer = setInterval(() => {
    if (!isAlive) return socket.terminate();
    isAlive = false;
    socket.ping();
  }, intervalMs);
  socket.on("close", () => clearInterval(timer));
}

describe.concurrent("slow is not dead:", { timeout: LIMIT_MS }, () => {
  test("8 MiB that come at 1 MiB/s are waited for", async (context) => {
    const all = await startScenario(context, { options });
    const { proxy, peer, away } = all;
    await away.next("open");
    proxy.throttle(MIB);
    peer.each((socket) => socket.send(new Uint8Array(8 * MIB)));
    const start = now();
    expect(await away.next("large")).toMatchObject({ length: 8 * MIB });
    expect(now() - start).toBeGreaterThan(2 * DEAD_MS);
    expect(peer.opened).toBe(1);
    await leave(all);
  });

  test("a black hole under 8 MiB that come is found in time", async (context) => {
    const all = await startScenario(context, { options });
    const { proxy, peer, away } = all;
    await away.next("open");
    proxy.throttle(MIB);
    peer.each((socket) => socket.send(new Uint8Array(8 * MIB)));
    await passed(1_500);
    await isFound(all, DEAD_MS);
    await leave(all);
  });

  // Loopback takes some 5 MiB into its own buffers, where no program sees them move. The rate empties these buffers well within a timeout.
  test("48 MiB that leave at 8 MiB/s are waited for", async (context) => {
    const all = await startScenario(context, { options });
    const { proxy, peer, away } = all;
    await away.next("open");
    proxy.throttle(8 * MIB);
    away.tell("large", { bytes: 48 * MIB });
    const start = now();
    await until(() => expect(peer.large).toEqual([48 * MIB]));
    expect(now() - start).toBeGreaterThan(DEAD_MS + 500);
    expect(peer.opened).toBe(1);
    await leave(all);
  });

  test("a black hole under 48 MiB that leave is found in time", async (context) => {
    const all = await startScenario(context, { options });
    const { proxy, away } = all;
    await away.next("open");
    proxy.throttle(8 * MIB);
    away.tell("large", { bytes: 48 * MIB });
    await passed(700);
    await isFound(all, DEAD_MS);
    await leave(all);
  });
});

describe.concurrent("a peer or a program that does not read:", { timeout: LIMIT_MS }, () => {
  test("a peer that reads now and then is sent all we have", async (context) => {
    const all = await startScenario(context, { options });
    const { peer, away } = all;
    await away.next("open");
    let isReading = true;
    const timer = setInterval(() => {
      isReading = !isReading;
      peer.each((socket) => (isReading ? socket.resume() : socket.pause()));
    }, 400);
    context.onTestFinished(() => clearInterval(timer));
    away.tell("large", { bytes: MIB / 4, count: 48 });
    await passed(DEAD_MS);
    away.tell("large", { bytes: MIB / 4, count: 48 });
    await until(() => expect(peer.large).toHaveLength(96));
    expect(peer.opened).toBe(1);
    clearInterval(timer);
    peer.each((socket) => socket.resume());
    await leave(all);
  });

  test("a peer that stops reading for good while we send is as good as dead, and found in time", async (context) => {
    const all = await startScenario(context, { options });
    const { peer, away } = all;
    await away.next("open");
    peer.each((socket) => socket.pause());
    away.tell("large", { bytes: MIB, count: 15 });
    const start = now();
    const { at, ...lost } = await away.next("disconnected");
    expect(lost).toMatchObject({ code: 1006, wasOpen: true, cause: { code: "timeout" } });
    expect(at - start).toBeLessThan(DEAD_MS + SLACK_MS);
    await away.next("open", ({ reconnected }) => reconnected);
    peer.each((socket) => socket.resume());
    await leave(all);
  });

  test("a black hole under a peer that has stopped reading is found in time", async (context) => {
    const all = await startScenario(context, { options });
    const { peer, away } = all;
    await away.next("open");
    peer.each((socket) => socket.pause());
    away.tell("large", { bytes: MIB, count: 15 });
    await isFound(all, DEAD_MS);
    peer.each((socket) => socket.resume());
    await leave(all);
  });

  const paused = {
    user: "slow",
    options: { heartbeat: { intervalMs: 200, timeoutMs: 400 }, inbox: { highWaterMark: 4_096 } },
  };

  test("a connection that we paused is kept, by us and by a server that drops who does not pong", async (context) => {
    const all = await startScenario(context, {
      ...paused,
      before: ({ peer }) => peer.greet((socket) => beat(socket, 700)),
    });
    const { peer, away } = all;
    await away.next("open");
    peer.talk();
    await passed(2_500);
    const spoken = peer.hush();
    away.tell("stats");
    const { inbox } = await away.next("stats");
    expect(inbox.messages, "it was paused").toBeLessThan(spoken);
    away.tell("read");
    away.tell("hush", { until: spoken });
    await away.next("hushed");
    expect(peer.opened).toBe(1);
    await leave(all);
  });

  test("a black hole under a connection that we paused is found once we read again", async (context) => {
    const all = await startScenario(context, paused);
    const { peer, away } = all;
    await away.next("open");
    peer.talk();
    await passed(1_000);
    peer.hush();
    await isFound(all, PROBE_MS, () => away.tell("read"));
    away.tell("close");
    await end(all);
  });
});

describe.concurrent("64 MiB", { timeout: LIMIT_MS }, () => {
  const large = { options: { maxPayloadBytes: 64 * MIB, heartbeat: { intervalMs: 1_000, timeoutMs: 3_000 } } };

  test("go both ways, in their place among the others", async (context) => {
    const all = await startScenario(context, large);
    const { peer, away } = all;
    await away.next("open");
    away.tell("say");
    away.tell("large", { bytes: 64 * MIB });
    away.tell("say");
    await until(() => expect([peer.heard, peer.large]).toEqual([[0, 1], [64 * MIB]]));
    peer.each((socket) => socket.send(new Uint8Array(64 * MIB)));
    expect(await away.next("large")).toMatchObject({ length: 64 * MIB });
    expect(peer.opened).toBe(1);
    away.tell("close");
    expect(await away.next("closed")).toMatchObject({ clean: true });
    await end(all);
  });

  test("torn by the network are lost, and what follows is not", async (context) => {
    const all = await startScenario(context, large);
    const { peer, proxy, away } = all;
    await away.next("open");
    proxy.cutInFrame("server");
    away.tell("large", { bytes: 64 * MIB });
    expect(await away.next("disconnected")).toMatchObject({ code: 1006, wasOpen: true, willRetry: true });
    await away.next("open");
    away.tell("large", { bytes: 10_000 });
    await until(() => expect(peer.large).toEqual([10_000]));
    away.tell("close");
    await end(all);
  });
});
