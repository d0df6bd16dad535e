import { failOption } from "../base/errors.ts";
import { numberRule, type OptionRules, takeOptions, timeRule } from "../base/option-rules.ts";

/** The bounds of an engine in memory. */
export interface MemoryEngineOptions {
  /**
   * Bytes of all logs together: bytes of binary messages, UTF-16 units of text, and 64 for each message. Above it the
   * entries of the log that had no publish for longest are forgotten: a subscriber that has not seen them gets a gap. At
   * least 1; default 64 MiB.
   */
  readonly maxBytes?: number | undefined;
  /** Logs. Above it the one that was not used for longest begins anew. At least 1; default 100,000. */
  readonly maxLogs?: number | undefined;
  /**
   * Milliseconds for which the head of a log is remembered, at least, after its last publish or subscriber: a client that
   * returns within that time to a channel without news misses nothing. At least 1; default 10 minutes.
   */
  readonly headTtlMs?: number | undefined;
  /** Ids of publishes that are remembered for 5 minutes. Above it the oldest is forgotten. At least 1; default 100,000. */
  readonly maxIds?: number | undefined;
  /** Members of all channels together. Above it `setMember()` rejects with `unavailable`. At least 1; default 1,000,000. */
  readonly maxMembers?: number | undefined;
}

export interface ResolvedMemoryOptions {
  readonly maxBytes: number;
  readonly maxLogs: number;
  readonly headTtlMs: number;
  readonly maxIds: number;
  readonly maxMembers: number;
}

const RULES: OptionRules<ResolvedMemoryOptions> = {
  maxBytes: numberRule(1, 64 * 2 ** 20),
  maxLogs: numberRule(1, 100_000),
  headTtlMs: timeRule(1, 600_000),
  maxIds: numberRule(1, 100_000),
  maxMembers: numberRule(1, 1_000_000),
};

export function resolveMemoryOptions(given: MemoryEngineOptions): ResolvedMemoryOptions {
  return takeOptions<ResolvedMemoryOptions>("", RULES, given, failOption);
}
