import { type ConnError, failOption } from "../../base/errors.ts";
import { functionRule, numberRule, type OptionRules, rule, takeOptions, timeRule } from "../../base/option-rules.ts";
import type { RedisClientLike } from "./connection.ts";

/** How an engine reaches Redis, and the bounds of what it waits for. */
export interface RedisEngineOptions {
  /**
   * A client of `@redis/client` or `redis`, version 5 or 6, or a Sentinel client. The engine makes two of it with
   * `duplicate()`, one for commands and one for feeds. The client itself need not be connected, and is never used.
   */
  readonly client: RedisClientLike;
  /**
   * The beginning of the names of all keys. Two applications on one Redis have different ones, all nodes of one application
   * the same. Letters, digits, `.`, `_`, `:` and `-`; at most 64 characters; default `tautline`.
   */
  readonly prefix?: string | undefined;
  /**
   * Milliseconds after which a call rejects with `unavailable`, and a connection that delivers nothing is replaced. At
   * least 1; default 5 seconds.
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Milliseconds for which the head of a log is remembered, at least, after its last publish or subscriber: a client that
   * returns within that time to a channel without news misses nothing. At least 1; default 10 minutes.
   */
  readonly headTtlMs?: number | undefined;
  /**
   * Milliseconds after which the lease of a node that died ends. Its members are gone a tenth of that time later. Each node
   * renews its lease three times in that time. At least 100; default 8 seconds.
   */
  readonly leaseMs?: number | undefined;
  /**
   * Milliseconds without a message after which the feed's connection is probed. The connection is replaced when two probes in a row, so
   * many milliseconds apart, do not arrive. At least 10; default 5 seconds.
   */
  readonly probeMs?: number | undefined;
  /** Calls that wait for Redis. Above it, calls reject with `unavailable` at once. At least 1; default 10,000. */
  readonly maxPending?: number | undefined;
  /**
   * Called when Redis can't be reached or refuses us, when it holds data that is not ours, and when its settings endanger
   * messages. The same failure of an attempt to connect is reported once. Default: nothing is reported.
   */
  readonly onError?: ((error: ConnError) => void) | undefined;
}

export interface ResolvedRedisOptions {
  readonly client: RedisClientLike;
  readonly prefix: string;
  readonly timeoutMs: number;
  readonly headTtlMs: number;
  readonly leaseMs: number;
  readonly probeMs: number;
  readonly maxPending: number;
  readonly onError: (error: ConnError) => void;
}

const MIN_LEASE_MS = 100;
const MIN_PROBE_MS = 10;

const hasDuplicate = (value: unknown) =>
  typeof value === "object" && value !== null && typeof (value as Partial<RedisClientLike>).duplicate === "function";

const RULES: OptionRules<ResolvedRedisOptions> = {
  client: rule("a client of @redis/client, made with createClient() or createSentinel()", hasDuplicate),
  prefix: rule(
    "1 to 64 letters, digits, dots, colons, hyphens and underscores",
    (value) => typeof value === "string" && /^[\w.:-]{1,64}$/.test(value),
    "tautline",
  ),
  timeoutMs: timeRule(1, 5_000),
  headTtlMs: timeRule(1, 600_000),
  leaseMs: timeRule(MIN_LEASE_MS, 8_000),
  probeMs: timeRule(MIN_PROBE_MS, 5_000),
  maxPending: numberRule(1, 10_000),
  onError: functionRule(() => {}),
};

/** @throws ConnError `bad-option` */
export function resolveRedisOptions(given: RedisEngineOptions): ResolvedRedisOptions {
  const options = takeOptions<ResolvedRedisOptions>("", RULES, given, failOption);
  if (options.client === undefined) throw failOption("client must be given: a client of @redis/client.");
  return options;
}
