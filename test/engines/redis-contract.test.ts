import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { redisEngine } from "../../src/engines/redis.ts";
import type { Engine } from "../../src/server/engine.ts";
import { clusterCases, type EngineHarness, engineCases } from "../support/engine-cases.ts";
import { clientOf, isMissing, type RedisServer, sleep, startRedis, stopAll, until } from "./redis-server.ts";

describe.skipIf(isMissing)("an engine on Redis", () => {
  let redis: RedisServer;
  const engines: Engine[] = [];
  let prefixes = 0;

  beforeAll(async () => {
    redis = await startRedis();
  });
  afterEach(async () => {
    await Promise.all(engines.splice(0).map((engine) => engine.close()));
  });
  afterAll(stopAll);

  const harness: EngineHarness = {
    async nodes(count) {
      const prefix = `test:${prefixes++}`;
      const onError = (error: Error) => expect(error).toBeUndefined();
      const made = Array.from({ length: count }, () =>
        redisEngine({ client: clientOf(redis.port), prefix, headTtlMs: 60_000, onError }),
      );
      engines.push(...made);
      return made;
    },
    until: (isDone) => until(isDone),
    outlive: (ttlMs) => sleep(ttlMs + 100),
    pass: sleep,
  };
  test.each(Object.entries({ ...engineCases, ...clusterCases }))("%s", (_name, run) => run(harness));
});
