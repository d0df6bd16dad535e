import { describe, expect, test } from "vitest";
import { now } from "./away.ts";
import { hear, hush, leave, SLACK_MS, startScenario, talk } from "./fault-scenario.ts";
import { faults } from "./faults.ts";

// Every test here counts: both sides send numbers all the time, before, during and after the fault.

describe.concurrent("comes back, and loses nothing but what was on its way, after", () => {
  for (const { name, act, lost, withinMs } of faults) {
    test(name, async (context) => {
      const all = await startScenario(context);
      const { proxy, peer, away } = all;
      await talk(all);
      const start = now();
      await act(all);
      const news = await away.next("disconnected");
      expect(news).toMatchObject({ ...lost, wasOpen: true, willRetry: true, state: "waiting" });
      expect(news.at - start).toBeLessThan(withinMs + SLACK_MS);
      await proxy.heal();
      expect(await away.next("open")).toMatchObject({ reconnected: true });
      peer.talk();
      await hear(all);
      await hush(all);
      await leave(all);
    });
  }
});
