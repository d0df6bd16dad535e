import { describe, expect, test } from "vitest";
import type { WebSocket } from "ws";
import { now } from "./away.ts";
import { hear, hush, leave, SLACK_MS, startScenario, talk, until } from "./fault-scenario.ts";

/** No wait after a failed attempt is shorter. */
const FLOOR_MS = 250;

describe.concurrent("while there is nobody to talk to", () => {
  test("tries again all 3 s of a restart, no sooner than the floor, and delivers what was queued", async (context) => {
    const all = await startScenario(context);
    const { proxy, peer, away } = all;
    await talk(all);
    await proxy.refuse();
    peer.each((socket) => socket.terminate());
    await away.next("disconnected", ({ wasOpen }) => wasOpen);
    const down = now();
    await until(() => expect(now() - down).toBeGreaterThan(3_000));
    await proxy.heal();
    const healed = now();
    const open = await away.next("open");
    expect(open.at - healed).toBeLessThan(FLOOR_MS + SLACK_MS);
    expect(open.downMs).toBeGreaterThan(3_000);
    await hear(all);
    await hush(all);

    const failed = away.history.filter(({ event, wasOpen }) => event === "disconnected" && !wasOpen);
    for (const each of failed) {
      expect(each).toMatchObject({
        code: 1006,
        clean: false,
        reason: "",
        willRetry: true,
        cause: { code: "ECONNREFUSED" },
      });
    }
    expect(failed.length).toBeGreaterThan(2);
    expect(failed.length).toBeLessThanOrEqual((3_000 + SLACK_MS) / FLOOR_MS);
    expect(open.attempt).toBe(failed.length + 1);
    await leave(all);
  });

  test("doubles its wait while connections end 200 ms after each open, and starts anew once one was stable", async (context) => {
    let flaps = 0;
    const flap = (socket: WebSocket) => {
      if (flaps++ < 4) setTimeout(() => socket.terminate(), 200);
    };
    const all = await startScenario(context, {
      user: "patient",
      options: { stableAfterMs: 700, connectTimeoutMs: 5_000 },
      before: ({ peer }) => peer.greet(flap),
    });
    const { proxy, peer, away } = all;
    away.tell("talk");
    peer.talk();
    await away.next("open", ({ attempt }) => attempt === 4);
    const gaps = proxy.connectTimes.slice(1).map((at, i) => at - (proxy.connectTimes[i] as number));
    expect(gaps).toHaveLength(4);
    for (const [i, gap] of gaps.entries()) expect(gap).toBeGreaterThan(200 + 250 * 2 ** i - 5);

    const opened = now();
    await until(() => expect(now() - opened).toBeGreaterThan(700 + 300));
    proxy.reset();
    await away.next("open", ({ attempt }) => attempt === 1);
    expect(away.history.filter(({ event }) => event === "user").map(({ n }) => n)).toEqual([1, 2, 3, 4, 1]);
    await hear(all);
    await hush(all);
    await leave(all);
  });

  test("keeps a slow connection, whose pongs are late but come", async (context) => {
    const all = await startScenario(context);
    const { proxy, peer } = all;
    await talk(all);
    proxy.delay(150);
    const start = now();
    await until(() => expect(now() - start).toBeGreaterThan(1_500));
    await hear(all);
    await hush(all);
    expect(peer.opened).toBe(1);
    await leave(all);
  });

  for (const seed of [1, 2, 3, 4, 5, 6]) {
    test(`makes nothing of garbage, of seed ${seed}`, async (context) => {
      const all = await startScenario(context, {
        seed,
        serverOptions: { maxPayload: 1_000 },
        options: { maxPayloadBytes: 1_000 },
      });
      const { proxy, peer, away } = all;
      await talk(all);
      proxy.inject(seed % 2 ? "client" : "server");
      await away.next("open", ({ reconnected }) => reconnected);
      await hear(all);
      await hush(all);
      expect(peer.opened).toBe(2);
      await leave(all);
    });
  }
});
