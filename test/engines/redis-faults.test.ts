import { beforeAll, describe, expect, test } from "vitest";
import type { LogEntry, Position } from "../../src/server/engine.ts";
import {
  ALL,
  cleanUp,
  HISTORY,
  logOf,
  newPrefix,
  patternOf,
  publishAll,
  startNode,
  startProxy,
  textsOf,
} from "./redis-rig.ts";
import { clientOf, isMissing, type RedisServer, sleep, startRedis, until } from "./redis-server.ts";

/** How long Redis is away. A minute by hand: REDIS_AWAY_MS=60000. */
const AWAY_MS = Number(process.env.REDIS_AWAY_MS ?? 10_000);

describe.skipIf(isMissing)("between a node and Redis", () => {
  let redis: RedisServer;

  cleanUp();
  beforeAll(async () => {
    redis = await startRedis();
  });

  test.each([
    ["with an id is sent again, and appended once", "order-1"],
    ["without an id is never sent again, and may have been appended", undefined],
  ])("a publish whose answer is lost %s", async (_name, id) => {
    const prefix = newPrefix();
    const proxy = await startProxy(redis.port);
    const { engine } = startNode(clientOf(proxy.port), { prefix, timeoutMs: 5_000 });
    const { engine: witness } = startNode(clientOf(redis.port), { prefix });
    await publishAll(engine, "a", "1");
    proxy.blackhole("client");
    const published = engine.publish("a", "2", { history: HISTORY, id }).catch((error) => error.code);
    await until(async () => ((await logOf(witness, "a")) as unknown[]).length === 2);
    await proxy.heal();
    proxy.reset();
    const part = await witness.read("a", { last: 1 }, ALL);
    expect(await published).toBe(id === undefined ? "unavailable" : part?.head);
    await publishAll(engine, "a", "3");
    expect(await logOf(witness, "a")).toEqual(["1", "2", "3"]);
  });

  test("a feed that receives nothing any more is replaced after two probes, and the log has what it missed", async () => {
    const prefix = newPrefix();
    const proxy = await startProxy(redis.port);
    const { engine, states, errors } = startNode(
      patternOf((n) => (n === 0 ? redis.port : proxy.port)),
      { prefix, timeoutMs: 5_000 },
    );
    const { engine: other } = startNode(clientOf(redis.port), { prefix });
    const seen: LogEntry[] = [];
    const head = (await engine.subscribe("a", HISTORY, (entry) => seen.push(entry))) as Position;
    await until(() => states.at(-1) === "up");
    proxy.blackhole("client");
    await publishAll(other, "a", "missed");
    await sleep(50);
    await proxy.heal();
    await until(() => states.join() === "up,down,up");
    expect(errors.map(({ message }) => message)).toEqual([expect.stringContaining("two probes")]);
    expect(seen).toEqual([]);
    expect(textsOf((await engine.read("a", { after: head }, ALL))?.entries)).toEqual(["missed"]);
    await publishAll(other, "a", "seen");
    await until(() => seen.length > 0);
    expect(textsOf(seen)).toEqual(["seen"]);
  });

  test("Redis is away at the start: calls reject in time, and everything works once it is there", async () => {
    const late = await startRedis();
    await late.kill();
    const { engine, errors, states } = startNode(clientOf(late.port), { timeoutMs: 400 });
    const start = performance.now();
    const calls = [
      engine.publish("a", "1", { history: HISTORY }),
      engine.read("a", { last: 1 }, ALL),
      engine.subscribe("a", HISTORY, () => {}),
      engine.subscribe("b", undefined, () => {}),
      engine.heads([{ channel: "a", history: HISTORY }]),
      engine.setMember("a", "ann", ""),
      engine.members("a"),
    ];
    const codes = (await Promise.allSettled(calls)).map((it) => (it.status === "rejected" ? it.reason.code : "fine"));
    expect(codes).toEqual(calls.map(() => "unavailable"));
    expect(performance.now() - start).toBeLessThan(2_000);
    expect(errors[0]).toMatchObject({ code: "unavailable", message: expect.stringContaining("ECONNREFUSED") });
    // The same failure of each attempt is reported once.
    expect(errors.length).toBeLessThanOrEqual(2);
    await late.restart();
    await until(() => states.at(-1) === "up");
    const seen: LogEntry[] = [];
    await engine.subscribe("a", HISTORY, (entry) => seen.push(entry));
    await publishAll(engine, "a", "1");
    await until(() => seen.length === 1);
  });

  test(
    "Redis is away: a call waits no longer than its time, no more of them than the bound, and feeds come back",
    async () => {
      const own = await startRedis();
      const { engine, states } = startNode(clientOf(own.port), { maxPending: 3, timeoutMs: 500 });
      const seen: LogEntry[] = [];
      await engine.subscribe("a", HISTORY, (entry) => seen.push(entry));
      await own.kill();
      await until(() => states.at(-1) === "down");
      // The other connection may learn of it a little later.
      await sleep(100);
      const calls = Array.from({ length: 5 }, (_, i) => engine.publish("a", String(i), { history: HISTORY }));
      const messages: string[] = [];
      for (const call of calls) call.catch((error) => messages.push(`${error.code} ${error.message}`));
      await Promise.allSettled(calls.slice(3));
      // At once: the others still wait.
      expect(messages).toEqual([3, 4].map(() => expect.stringMatching(/^unavailable 3 calls wait/)));
      await Promise.allSettled(calls);
      expect(messages.slice(2)).toEqual(
        [0, 1, 2].map(() => expect.stringMatching(/^unavailable Redis can't be reached/)),
      );
      await sleep(AWAY_MS);
      await own.restart();
      await until(() => states.join() === "up,down,up");
      await publishAll(engine, "a", "back");
      await until(() => seen.length > 0);
      expect(textsOf(seen)).toEqual(["back"]);
    },
    AWAY_MS + 30_000,
  );

  test("a Redis that answers slowly keeps the order, and loses nothing", async () => {
    const proxy = await startProxy(redis.port);
    const { engine, errors } = startNode(clientOf(proxy.port), {
      prefix: newPrefix(),
      timeoutMs: 5_000,
      probeMs: 5_000,
    });
    const seen: LogEntry[] = [];
    await engine.subscribe("a", HISTORY, (entry) => seen.push(entry));
    proxy.delay(400);
    const texts = Array.from({ length: 20 }, (_, i) => String(i));
    await Promise.all(texts.map((text) => engine.publish("a", text, { history: HISTORY })));
    await until(() => seen.length >= 20);
    expect(textsOf(seen)).toEqual(texts);
    expect(errors).toEqual([]);
  });

  test("publishes keep their order when somebody flushes the scripts among them", async () => {
    const prefix = newPrefix();
    const { engine, errors } = startNode(clientOf(redis.port), { prefix });
    await publishAll(engine, "a", "begin");
    const texts = Array.from({ length: 300 }, (_, i) => String(i));
    const calls: Promise<unknown>[] = [];
    for (const [i, text] of texts.entries()) {
      if (i % 100 === 50) redis.command("SCRIPT", "FLUSH");
      calls.push(engine.publish("a", text, { history: { size: 1_000, ttlMs: 60_000 } }));
      if (i % 10 === 0) await sleep(1);
    }
    await Promise.all(calls);
    expect(await logOf(engine, "a")).toEqual(["begin", ...texts]);
    expect(errors).toEqual([]);
  });

  test.each([
    ["log", "log"],
    ["head", "head"],
  ])("a log whose %s was deleted begins anew, and its readers get a gap", async (_name, kind) => {
    const prefix = newPrefix();
    const { engine, errors } = startNode(clientOf(redis.port), { prefix });
    const seen: LogEntry[] = [];
    await engine.subscribe("a", HISTORY, (entry) => seen.push(entry));
    const [first, last] = (await publishAll(engine, "a", "1", "2")) as [Position, Position];
    const [key] = redis.command("--raw", "KEYS", `${prefix}:*:${kind}:a`).split("\n");
    expect(redis.command("DEL", key as string)).toBe("1");
    for (const after of [first, last]) expect(await engine.read("a", { after }, ALL)).toBeUndefined();
    const [head] = await engine.heads([{ channel: "a", history: HISTORY }]);
    expect(head).not.toBe(last);
    expect(await logOf(engine, "a")).toEqual([]);
    await publishAll(engine, "a", "3");
    await until(() => seen.length === 3);
    expect(seen[2]?.previous).toBe(head);
    expect(await logOf(engine, "a")).toEqual(["3"]);
    expect(errors).toEqual([]);
  });

  test("a subscriber that reads the log at its end reads no command of Redis while nothing happens", async () => {
    const own = await startRedis();
    const { engine } = startNode(clientOf(own.port), { leaseMs: 600_000, probeMs: 600_000 });
    for (let i = 0; i < 300; i++) {
      await engine.subscribe(`channel-${i}`, HISTORY, () => {});
      await engine.setMember(`channel-${i}`, "ann", "{}");
    }
    const commands = () => Number(/total_commands_processed:(\d+)/.exec(own.command("INFO", "stats"))?.[1]);
    const before = commands();
    await sleep(2_000);
    // One is the INFO before.
    expect(commands() - before).toBe(1);
  });
});
