import { describe, expect, test } from "vitest";
import {
  end,
  type FaultScenario,
  type ScenarioOptions,
  SLACK_MS,
  startScenario,
  talk,
  until,
} from "./fault-scenario.ts";

/** An end that has nothing to wait for. */
const AT_ONCE_MS = 0;
const CLOSE_TIMEOUT_MS = 300;
/** Where nobody waits for it. */
const LONG_MS = 5_000;

interface Case {
  readonly name: string;
  readonly all?: ScenarioOptions;
  /** Brings the Conn where it is to be closed. */
  readonly reach: (scenario: FaultScenario) => unknown;
  readonly closed: object;
  /** The longest that close() may take. */
  readonly withinMs: number;
  /** The time that the close frame of a connection in setup may take. */
  readonly lingerMs?: number;
}

const GIVEN_BACK = { code: 1000, by: "local", clean: true, unsent: ["0", "1"] };
/** A connection in setup is left with a close frame whose answer no code awaits. */
const LEFT_IN_SETUP = { ...GIVEN_BACK, clean: false };
const CUT_SHORT = { code: 1006, by: "local", clean: false };

const cases: readonly Case[] = [
  {
    name: "the upgrade is never answered",
    all: { before: ({ proxy }) => proxy.hang() },
    reach: ({ proxy }) => until(() => expect(proxy.connectTimes).toHaveLength(1)),
    closed: GIVEN_BACK,
    withinMs: AT_ONCE_MS,
  },
  {
    name: "the url function never answers",
    all: { user: "disconnected" },
    reach: () => {},
    closed: GIVEN_BACK,
    withinMs: AT_ONCE_MS,
  },
  {
    name: "setup never ends",
    all: { user: "pensive", options: { connectTimeoutMs: 10_000 } },
    reach: ({ away }) => away.next("user", ({ setup }) => setup),
    closed: LEFT_IN_SETUP,
    withinMs: AT_ONCE_MS,
  },
  {
    name: "setup never ends, in a black hole",
    all: { user: "pensive", options: { connectTimeoutMs: 10_000 } },
    reach: async ({ away, proxy }) => {
      await away.next("user", ({ setup }) => setup);
      proxy.blackhole();
    },
    closed: LEFT_IN_SETUP,
    withinMs: AT_ONCE_MS,
    lingerMs: 1_000,
  },
  {
    name: "it waits for a server that refuses",
    all: { before: ({ proxy }) => proxy.refuse() },
    reach: ({ away }) => away.next("waiting"),
    closed: GIVEN_BACK,
    withinMs: AT_ONCE_MS,
  },
  {
    name: "the server wants it back in ten minutes",
    all: { before: ({ proxy }) => proxy.respond(429, { "Retry-After": "600" }) },
    reach: ({ away }) => away.next("waiting", ({ reason }) => reason === "server"),
    closed: GIVEN_BACK,
    withinMs: AT_ONCE_MS,
  },
  {
    name: "the peer has stopped reading",
    reach: async ({ away, peer }) => {
      await away.next("open");
      peer.each((socket) => socket.pause());
    },
    closed: { ...CUT_SHORT, unsent: [] },
    withinMs: CLOSE_TIMEOUT_MS,
  },
  {
    name: "a black hole has it",
    reach: async ({ away, proxy }) => {
      await away.next("open");
      proxy.blackhole();
    },
    closed: { ...CUT_SHORT, unsent: [] },
    withinMs: CLOSE_TIMEOUT_MS,
  },
  {
    name: "more waits than the peer takes",
    reach: async ({ away, peer }) => {
      await away.next("open");
      peer.each((socket) => socket.pause());
      away.tell("large", { bytes: 2 ** 20, count: 32 });
    },
    // The numbers are behind what the network did not take.
    closed: { ...CUT_SHORT, unsent: expect.arrayContaining(["0", "1"]) },
    withinMs: CLOSE_TIMEOUT_MS,
  },
];

// As bare `ws` has it, which writes each message at once.
test.for(["exiting", "failing"])(
  "what a turn sent has left though the process ends in it, %s",
  async (user, context) => {
    const { peer, away } = await startScenario(context, { user });
    await away.exit();
    await until(() => expect(peer.heard).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
  },
);

describe.concurrent("close() comes to its end, and lets the process go, while", () => {
  for (const { name, all, reach, closed, withinMs, lingerMs = 0 } of cases) {
    test(name, async (context) => {
      const options = {
        heartbeat: false,
        closeTimeoutMs: withinMs || LONG_MS,
        outbox: { maxBytes: 2 ** 26 },
        ...all?.options,
      };
      const place = await startScenario(context, { ...all, options });
      await reach(place);
      const { away } = place;
      away.tell("say", { count: 2 });
      away.tell("close");
      const { at } = await away.next("closing");
      const news = await away.next("closed");
      expect(news).toMatchObject(closed);
      expect(news.at - at).toBeLessThan(withinMs + SLACK_MS);
      await end(place, { lingerMs });
    });
  }

  test("the connection goes under it", async (context) => {
    const all = await startScenario(context, { options: { heartbeat: false, closeTimeoutMs: LONG_MS } });
    const { away, proxy, peer } = all;
    await talk(all);
    peer.hush();
    peer.each((socket) => socket.pause());
    away.tell("large", { bytes: 2 ** 23, count: 4 });
    away.tell("close");
    const { at } = await away.next("closing");
    proxy.reset();
    const news = await away.next("closed");
    expect(news).toMatchObject(CUT_SHORT);
    expect(news.at - at).toBeLessThan(SLACK_MS);
    await end(all);
  });

  test("the peer closes first", async (context) => {
    const all = await startScenario(context);
    const { away, peer } = all;
    await talk(all);
    peer.each((socket) => socket.close(1000, "done"));
    expect(await away.next("disconnected")).toMatchObject({
      code: 1000,
      reason: "done",
      clean: true,
      willRetry: false,
    });
    expect(await away.next("closed")).toMatchObject({ code: 1000, clean: true, by: "peer" });
    await end(all);
    expect(peer.opened).toBe(1);
  });
});
