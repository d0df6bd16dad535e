import { beforeAll, describe, expect, test } from "vitest";
import { redisEngine } from "../../src/engines/redis.ts";
import { type Hub, hub } from "../../src/hub/index.ts";
import { HubClient } from "../support/hub-client.ts";
import { BRIEF, cleanUp, newPrefix, startProxy } from "./redis-rig.ts";
import { clientOf, isMissing, type RedisServer, sleep, startRedis, until } from "./redis-server.ts";

describe.skipIf(isMissing)("hubs on Redis", () => {
  let redis: RedisServer;
  const hubs: Hub[] = [];

  cleanUp();
  beforeAll(async () => {
    redis = await startRedis();
    return () => Promise.all(hubs.map((topics) => topics.close()));
  });

  function startHub(port: number, prefix: string) {
    const errors: unknown[] = [];
    const onError = (error: unknown) => errors.push(error);
    const topics = hub({
      engine: redisEngine({ ...BRIEF, timeoutMs: 500, client: clientOf(port), prefix, onError }),
      channels: { "all:*": { history: { size: 1_000, ttlMs: 60_000 } } },
      authorize: () => true,
      onError,
    });
    hubs.push(topics);
    return { topics, errors };
  }

  /** A client that is attached to the channel. */
  async function attach(topics: Hub, id: string, channel: string): Promise<HubClient> {
    const client = new HubClient(topics, { id });
    client.subscribe({ [channel]: {} });
    const isAttached = () => client.frames.some(({ method }) => method === "$/attached");
    await until(isAttached);
    client.take();
    return client;
  }

  test("a right that is revoked on one node ends on another within a second", async () => {
    const prefix = newPrefix();
    const [here, there] = [startHub(redis.port, prefix), startHub(redis.port, prefix)];
    const [ann, bob] = [await attach(there.topics, "ann", "all:a"), await attach(there.topics, "bob", "all:a")];
    const start = performance.now();
    await here.topics.revoke({ client: "ann", channel: "all:a" });
    await until(() => ann.frames.length > 0);
    expect(performance.now() - start).toBeLessThan(1_000);
    await here.topics.publish("all:a", 1);
    await until(() => bob.frames.length > 0);
    expect(bob.takeData()).toEqual([1]);
    expect(ann.take()).toEqual([["refused", "all:a", "revoked"]]);
  });

  test("a right that is revoked while its node is cut off ends before anything else is delivered", async () => {
    const prefix = newPrefix();
    const proxy = await startProxy(redis.port);
    const [here, there] = [startHub(redis.port, prefix), startHub(proxy.port, prefix)];
    const [ann, bob] = [await attach(there.topics, "ann", "all:a"), await attach(there.topics, "bob", "all:a")];
    proxy.blackhole();
    await here.topics.publish("all:a", 1);
    await here.topics.revoke({ client: "ann" });
    await here.topics.publish("all:a", 2);
    await sleep(200);
    await proxy.heal();
    proxy.reset();
    await until(() => bob.frames.length === 2);
    expect(bob.takeData()).toEqual([1, 2]);
    expect(ann.take()).toEqual([["refused", "all:a", "revoked"]]);
  });

  test("Redis is away at the start: channels are unavailable, calls are answered, and all goes on once it is there", async () => {
    const late = await startRedis();
    await late.kill();
    const { topics } = startHub(late.port, newPrefix());
    const ann = new HubClient(topics, { id: "ann" });
    ann.subscribe({ "all:a": {} });
    const call = ann.request("an unknown method", {});
    await until(() => ann.answerTo(call) !== undefined);
    expect(ann.answerTo(call)).toEqual([-32601, undefined]);
    await until(() => ann.frames.some(({ method }) => method === "$/refused"));
    expect(ann.take()).toEqual([["refused", "all:a", "unavailable"]]);
    await expect(topics.publish("all:a", 1)).rejects.toMatchObject({ code: "unavailable" });
    await late.restart();
    await until(async () => (await topics.publish("all:a", 2, { id: "two" }).catch(() => undefined)) !== undefined);
    ann.subscribe({ "all:a": { last: 10 } });
    const data: unknown[] = [];
    await until(() => {
      for (const frame of ann.take()) {
        if (frame[0] === "message") data.push(frame[4]);
        // The connection of feeds may be made a little later than the other. A client asks again as well.
        if (frame[0] === "refused") ann.subscribe({ "all:a": { last: 10 } });
      }
      return data.length > 0;
    });
    expect(data).toEqual([2]);
  });

  test("Redis cuts a node that reads its feed too slowly, and the node's subscribers miss nothing", async () => {
    const own = await startRedis("--client-output-buffer-limit", "pubsub 8kb 0 0");
    const prefix = newPrefix();
    const [here, there] = [startHub(own.port, prefix), startHub(own.port, prefix)];
    const ann = await attach(there.topics, "ann", "all:a");
    const numbers = Array.from({ length: 20 }, (_, n) => n);
    // Each is more than Redis keeps for a connection, as many are for a node that does not read.
    await Promise.all(numbers.map((n) => here.topics.publish("all:a", { n, rest: "x".repeat(40_000) })));
    await until(() => there.errors.length > 0);
    await until(() => ann.frames.length >= numbers.length, 20_000);
    expect(ann.takeData().map((data) => (data as { n: number }).n)).toEqual(numbers);
    expect(there.errors[0]).toMatchObject({ code: "unavailable", message: expect.stringContaining("failed") });
  });

  test("a log that Redis evicts for want of memory is a gap for its subscriber, and publishes go on", async () => {
    const own = await startRedis("--maxmemory-policy", "allkeys-random");
    const prefix = newPrefix();
    const { topics, errors } = startHub(own.port, prefix);
    const ann = await attach(topics, "ann", "all:a");
    await topics.publish("all:a", 1);
    await until(() => ann.frames.length === 1);
    expect(ann.takeData()).toEqual([1]);
    own.command("CONFIG", "SET", "maxmemory", "1");
    await until(() => own.command("DBSIZE") === "0" || own.command("SET", "more", "x").startsWith("OOM"));
    own.command("CONFIG", "SET", "maxmemory", "0");
    expect(own.command("--raw", "KEYS", `${prefix}:*:log:all:a`)).toBe("");
    await topics.publish("all:a", 2);
    await until(() => ann.frames.length > 0);
    await topics.publish("all:a", 3);
    await until(() => ann.frames.length > 1);
    const [[method, , , , isGap] = [], [, , , , data] = []] = ann.take();
    expect([method, isGap, data]).toEqual(["attached", true, 3]);
    expect(errors.filter((error) => !String(error).includes("allkeys-random"))).toEqual([]);
  });
});
