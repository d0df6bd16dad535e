import { expect, test } from "vitest";
import { type RedisEngineOptions, redisEngine } from "../../../src/engines/redis.ts";

const TABLE: Readonly<Record<keyof RedisEngineOptions, readonly unknown[]>> = {
  client: [undefined, null, {}, "redis://127.0.0.1", { duplicate: 1 }],
  prefix: ["", "a b", "{a}", "a*", 5, "x".repeat(65)],
  timeoutMs: ["5", 0, -1, Number.NaN, null],
  headTtlMs: ["5", 0, -1, Number.NaN, null],
  leaseMs: ["500", 99, Number.NaN, null],
  probeMs: ["500", 9, Number.NaN, null],
  maxPending: ["5", 0, Number.NaN, null],
  onError: [5, "x", {}, null],
};
const client = { duplicate: () => undefined };

test.each(Object.entries(TABLE).flatMap(([name, values]) => values.map((value) => [name, value] as const)))(
  "the option %s of redisEngine() can't be %o",
  (name, value) => {
    const options = { client, [name]: value } as unknown as RedisEngineOptions;
    expect(() => redisEngine(options)).toThrow(
      expect.objectContaining({ code: "bad-option", message: expect.stringContaining(name) }),
    );
  },
);

test("redisEngine() refuses a name that is no option", () => {
  const options = { client, prefixes: "a" } as unknown as RedisEngineOptions;
  expect(() => redisEngine(options)).toThrow(expect.objectContaining({ code: "bad-option" }));
});
