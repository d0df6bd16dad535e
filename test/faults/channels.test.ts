import { describe, expect, type TestContext, test } from "vitest";
import { type Channels, channels, type Subscription } from "../../src/channels/index.ts";
import type { Conn } from "../../src/core/conn.ts";
import { type Hub, hub } from "../../src/hub/index.ts";
import { rpc } from "../../src/rpc/index.ts";
import type { FaultProxy } from "../../src/testing/fault-proxy.ts";
import { until } from "./fault-scenario.ts";
import { startProxiedConn } from "./proxied-conn.ts";

const HISTORY = { size: 10_000, ttlMs: 600_000 };

interface Line {
  readonly proxy: FaultProxy;
  readonly conn: Conn<unknown, unknown>;
  readonly live: Channels;
  /** Calls of the application beside its channels. */
  readonly echo: (n: number) => Promise<number>;
  /** The hub that serves now. */
  readonly topics: Hub;
  /** Ends the server without a word and starts another on the same port; with a hub that knows nothing of the log, or the same one. */
  restart(withLog: boolean): Promise<void>;
}

interface LineOptions {
  readonly isResumed?: boolean;
  readonly authorize?: (client: string | undefined) => boolean;
}

const makeHub = (authorize: LineOptions["authorize"] = () => true) =>
  hub({
    channels: {
      "log:*": { history: HISTORY, presence: true },
      "short:*": { history: { size: 3, ttlMs: 600_000 } },
      "newest:*": { history: HISTORY, deliver: "newest" },
      "none:*": {},
    },
    authorize: ({ client }) => authorize(client),
  });

/** A hub behind a proxy that breaks, and a client of it. */
async function makeLine(context: TestContext, options: LineOptions = {}): Promise<Line> {
  const { isResumed = false, authorize } = options;
  let topics = makeHub(authorize);
  const handlers = { echo: ({ n }: { n: number }) => n };
  const { proxy, conn, restart } = await startProxiedConn(context, isResumed, (served) =>
    topics.serve(rpc(served, { handlers }), { id: "ann" }),
  );
  const peer = rpc(conn);
  context.onTestFinished(() => topics.close());
  return {
    proxy,
    conn,
    live: channels(peer, { backoff: () => 50 }),
    echo: (n) => peer.call("echo", { n }, { retry: true }),
    get topics() {
      return topics;
    },
    restart: (withLog) =>
      restart(async () => {
        if (withLog) return;
        await topics.close();
        topics = makeHub(authorize);
      }),
  };
}

interface Recorded {
  readonly seen: number[];
  readonly gaps: unknown[];
}

/** Records the numbers that a subscription delivers, and its gaps. */
function record(room: Subscription<number>): Recorded {
  const seen: number[] = [];
  const gaps: unknown[] = [];
  room.on("message", ({ data }) => seen.push(data));
  room.on("gap", (gap) => gaps.push(gap));
  return { seen, gaps };
}

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** Publishes 1, 2, 3 and so on, a few in each turn, until it is stopped; returns how many. */
function publishOn(line: Line, channel: string): () => Promise<number> {
  let count = 0;
  let isOn = true;
  const done = (async () => {
    while (isOn) {
      for (let i = 0; i < 5; i++) await line.topics.publish(channel, ++count);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  return async () => {
    isOn = false;
    await done;
    return count;
  };
}

const untilDropped = ({ conn }: Line) => until(() => expect(conn.state).not.toBe("open"));

const faults: Readonly<Record<string, (line: Line) => unknown>> = {
  "a FIN": ({ proxy }) => proxy.cut(),
  "a FIN in a frame": ({ proxy }) => proxy.cutInFrame("client"),
  "an RST": ({ proxy }) => proxy.reset(),
  "a black hole": ({ proxy }) => proxy.blackhole(),
  "a black hole towards the client": ({ proxy }) => proxy.blackhole("client"),
  "a black hole towards the server": ({ proxy }) => proxy.blackhole("server"),
  "a line of which the server's end is gone": ({ proxy }) => proxy.halfOpen("server"),
  "a line of which the client's end is gone": ({ proxy }) => proxy.halfOpen("client"),
  "a server that restarts over the same log": ({ restart }) => restart(true),
};

describe.for([false, true])("with resume: %s", (isResumed) => {
  test.concurrent.for(Object.entries(faults))(
    "messages arrive in order and once over %s, to three subscriptions, and publishes are appended once",
    async ([, breakLine], context) => {
      const line = await makeLine(context, { isResumed });
      const room = line.live.subscribe<number>("log:a");
      const other = line.live.subscribe<number>("log:a", { from: { last: 0 } });
      const own = line.live.subscribe<number>("log:own");
      const [first, second, mine] = [record(room), record(other), record(own)];
      await Promise.all([room.ready, other.ready, own.ready]);
      const stop = publishOn(line, "log:a");
      for (let round = 0; round < 2; round++) {
        await until(() => expect(first.seen.length).toBeGreaterThan(50 * (round + 1)));
        const published = numbers(1 + 50 * round, 50 + 50 * round).map((n) => own.publish(n));
        await breakLine(line);
        await untilDropped(line);
        await line.proxy.heal();
        // Every position is another one, so that none was appended twice.
        expect(new Set(await Promise.all(published)).size).toBe(50);
      }
      const count = await stop();
      await until(() => expect(first.seen.at(-1)).toBe(count));
      await until(() => expect([second.seen.length, mine.seen.length]).toEqual([count, 100]));
      expect(first.seen).toEqual(numbers(1, count));
      expect(second.seen).toEqual(numbers(1, count));
      expect(mine.seen).toEqual(numbers(1, 100));
      expect([first.gaps, second.gaps, mine.gaps]).toEqual([[], [], []]);
    },
  );

  test.concurrent("a server that restarts without its log is a gap, and the subscription goes on", async (context) => {
    const line = await makeLine(context, { isResumed });
    const room = line.live.subscribe<number>("log:a");
    const { seen, gaps } = record(room);
    await room.ready;
    await line.topics.publish("log:a", 1);
    await until(() => expect(seen).toEqual([1]));
    const last = room.position;
    await line.restart(false);
    await until(() => expect(gaps).toEqual([{ after: last, position: expect.any(String) }]));
    await line.topics.publish("log:a", 2);
    await until(() => expect(seen).toEqual([1, 2]));
    expect(gaps.length).toBe(1);
  });

  test.concurrent("case 5: subscriptions that join while messages are published miss none and get none twice", async (context) => {
    const line = await makeLine(context, { isResumed });
    const stop = publishOn(line, "log:a");
    const start = line.live.subscribe<number>("log:a");
    const from = record(start);
    await until(() => expect(from.seen.length).toBeGreaterThan(10));
    const position = start.position as string;
    const at = from.seen.at(-1) as number;
    const joined: Recorded[] = [];
    for (let n = 0; n < 30; n++) {
      joined.push(record(line.live.subscribe<number>("log:a", n % 2 ? { from: position } : {})));
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
    // A subscription that is attached after the last message would see none.
    await until(() => expect(joined.filter(({ seen }) => seen.length === 0)).toEqual([]));
    const count = await stop();
    await until(() => expect(joined.map(({ seen }) => seen.at(-1))).toEqual(joined.map(() => count)));
    for (const [n, { seen, gaps }] of joined.entries()) {
      expect(seen).toEqual(numbers(n % 2 ? at + 1 : (seen[0] as number), count));
      expect(gaps).toEqual([]);
    }
  });

  test.concurrent("case 6: returns before the first message, and several without one, keep the position", async (context) => {
    const line = await makeLine(context, { isResumed });
    const room = line.live.subscribe<number>("log:a");
    const { seen, gaps } = record(room);
    await room.ready;
    for (let n = 0; n < 3; n++) {
      const opens = line.conn.stats.opens;
      line.proxy.reset();
      await until(() => expect([line.conn.stats.opens > opens, room.state]).toEqual([true, "attached"]));
    }
    await line.topics.publish("log:a", 1);
    await until(() => expect(seen).toEqual([1]));
    expect(gaps).toEqual([]);
  });

  test.concurrent("case 13: a position that is unknown, trimmed or malformed is a gap, and load is not called in a loop", async (context) => {
    const line = await makeLine(context, { isResumed });
    const trimmed = await line.topics.publish("short:a", 0);
    for (let n = 1; n <= 10; n++) await line.topics.publish("short:a", n);
    for (const position of [trimmed as string, "zz-zzzz", "no position at all", "\u0000"]) {
      const room = line.live.subscribe<number>("short:a", { from: position });
      const { seen, gaps } = record(room);
      await room.ready;
      await until(() => expect(gaps).toEqual([{ after: position, position: expect.any(String) }]));
      expect(seen).toEqual([]);
      room.close();
    }
    let loads = 0;
    const room = line.live.subscribe<number>("short:a", {
      load: () => {
        loads++;
        return "zz-zzzz";
      },
    });
    await room.ready;
    await new Promise((resolve) => setTimeout(resolve, 500));
    // Twice at once, and then every 50 ms at most.
    expect(loads).toBeGreaterThan(1);
    expect(loads).toBeLessThanOrEqual(12);
  });

  test.concurrent("case 15: a reader that does not follow keeps its bound, and reads on from the log", async (context) => {
    const line = await makeLine(context, { isResumed });
    const slow = line.live.subscribe<number>("log:a", { maxQueued: 16 });
    const fast = line.live.subscribe<number>("log:b");
    const other = record(fast);
    await Promise.all([slow.ready, fast.ready]);
    for (let n = 1; n <= 2_000; n++) await line.topics.publish("log:a", n);
    await line.topics.publish("log:b", 1);
    await until(() => expect(other.seen).toEqual([1]));
    const seen: number[] = [];
    for await (const { data } of slow) {
      seen.push(data);
      if (data === 2_000) break;
    }
    expect(seen).toEqual(numbers(1, 2_000));
  });

  test.concurrent("case 17: a right that is taken away ends the subscription within a second, and stays away", async (context) => {
    let isAllowed = true;
    const line = await makeLine(context, { isResumed, authorize: () => isAllowed });
    const room = line.live.subscribe<number>("log:a");
    const { seen } = record(room);
    await room.ready;
    isAllowed = false;
    const revokedAt = performance.now();
    await line.topics.revoke({ client: "ann" });
    await until(() => expect(room.state).toBe("closed"));
    expect(performance.now() - revokedAt).toBeLessThan(1_000);
    await line.topics.publish("log:a", 1);
    await expect(line.live.subscribe("log:a").ready).rejects.toMatchObject({ code: "denied" });
    await expect(room.publish(2)).rejects.toMatchObject({ code: "denied" });
    expect(seen).toEqual([]);
  });

  test.concurrent("case 18: a message that is published as soon as a subscription is ready arrives", async (context) => {
    const line = await makeLine(context, { isResumed });
    for (const kind of ["log", "newest", "none"]) {
      for (let n = 0; n < 50; n++) {
        const room = line.live.subscribe<number>(`${kind}:${n}`);
        const { seen } = record(room);
        await room.ready;
        await room.publish(n);
        await until(() => expect(seen).toEqual([n]));
        room.close();
      }
    }
  });

  test.concurrent("case 20: a publish in flight over drops, aborts and a deadline settles once, and nothing is kept", async (context) => {
    const line = await makeLine(context, { isResumed });
    const room = line.live.subscribe<number>("log:a");
    const { seen } = record(room);
    await room.ready;
    const controller = new AbortController();
    const outcomes: string[] = [];
    const note = (call: Promise<unknown>) =>
      call.then(
        () => outcomes.push("appended"),
        ({ code }) => outcomes.push(code),
      );
    line.proxy.blackhole();
    const calls = numbers(1, 40).map((n) => note(room.publish(n, n % 2 ? {} : { signal: controller.signal })));
    await untilDropped(line);
    controller.abort();
    await line.proxy.heal();
    await Promise.all(calls);
    expect(outcomes.sort()).toEqual([...Array(20).fill("aborted"), ...Array(20).fill("appended")]);
    await until(() => expect(seen.filter((n) => n % 2)).toEqual(numbers(0, 19).map((n) => 2 * n + 1)));
    await room.publish(99);
    await until(() => expect(seen.at(-1)).toBe(99));
  });

  test.concurrent("members stay over a drop, and nobody leaves or joins", async (context) => {
    const line = await makeLine(context, { isResumed });
    const room = line.live.subscribe<number>("log:a", { presence: true });
    const changes: unknown[] = [];
    room.on("members", (change) => changes.push(change));
    await until(() => expect([...room.members.keys()]).toEqual(["ann"]));
    line.proxy.reset();
    await untilDropped(line);
    await until(() => expect(room.state).toBe("attached"));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect([...room.members.keys()]).toEqual(["ann"]);
    expect(changes).toEqual([{ joined: [["ann", null]], left: [], count: 1 }]);
  });
});

test("case 19: channels beside calls of a session disturb no count of the session", async (context) => {
  const line = await makeLine(context, { isResumed: true });
  const losses: unknown[] = [];
  line.conn.on("session-lost", (loss) => losses.push(loss));
  const room = line.live.subscribe<number>("log:a");
  const { seen, gaps } = record(room);
  await room.ready;
  const stop = publishOn(line, "log:a");
  const answers: Promise<number>[] = [];
  for (let round = 0; round < 5; round++) {
    for (let n = 0; n < 100; n++) answers.push(line.echo(round * 100 + n));
    if (round % 2) line.proxy.reset();
    else line.proxy.cutInFrame("server");
    await untilDropped(line);
    await until(() => expect(line.conn.state).toBe("open"));
  }
  expect(await Promise.all(answers)).toEqual(numbers(0, 499));
  const count = await stop();
  await until(() => expect(seen).toEqual(numbers(1, count)));
  await until(() => expect(line.conn.stats.unacknowledged.messages).toBe(0));
  expect([gaps, losses]).toEqual([[], []]);
});
