import { failOption } from "../base/errors.ts";
import {
  functionRule,
  isFunction,
  isObject,
  numberRule,
  type OptionRules,
  rule,
  takeOptions,
  timeRule,
} from "../base/option-rules.ts";
import { type CodecLike, json } from "../codec/codec.ts";
import type { Engine } from "../server/engine.ts";
import type { Authorize } from "./authorizer.ts";
import type { ChannelOptions } from "./channel-rules.ts";

/** Options of a hub. Each option is checked once: `bad-option` names it and its range. */
export interface HubOptions {
  /**
   * The channels that exist, by name, or by a pattern: the beginning of names and `*` for the rest. A name takes precedence,
   * then the longest pattern that fits. Every hub on one engine has the same.
   *
   * @example { "chat:*": { history: { size: 500, ttlMs: 600_000 }, presence: true }, prices: {} }
   */
  readonly channels: { readonly [pattern: string]: ChannelOptions };
  /**
   * Decides what a client may do: asked on each subscribe, each publish of a client, and each request to be a member. Called
   * only for channels that exist. A function that throws, or takes longer than `authorizeTimeoutMs`, refuses with
   * `unavailable`, and the client tries again.
   *
   * @example ({ client, channel, action }) => action !== "publish" && rooms.get(channel)?.has(client) === true
   */
  readonly authorize: Authorize;
  /** Where logs, feeds and members are. The hub closes it. Default `memoryEngine()`: this process. */
  readonly engine?: Engine | undefined;
  /** How data is kept in the log. Every hub on one engine has the same. Default `json()`. */
  readonly codec?: CodecLike<unknown, unknown> | undefined;
  /**
   * Bytes that may be buffered for a client. Above it the client gets nothing further of any channel, and later continues
   * as `deliver` says. At least 0; default 64 KiB.
   */
  readonly markBytes?: number | undefined;
  /** Channels that a client may have; a further one is refused with `too-many`. At least 1; default 128. */
  readonly maxChannels?: number | undefined;
  /** Publishes of one client that may be under way; a further one is answered with -32001. At least 1; default 64. */
  readonly maxPublishes?: number | undefined;
  /** The newest messages of each channel that the node keeps, for subscribers that are a little behind. At least 1; default 512. */
  readonly maxRecentMessages?: number | undefined;
  /** Bytes of these messages, of each channel. The newest one is kept in any case. At least 0; default 256 KiB. */
  readonly maxRecentBytes?: number | undefined;
  /** Milliseconds for `authorize`. At least 1; default 5 s. */
  readonly authorizeTimeoutMs?: number | undefined;
  /** Milliseconds from the end of a client's last connection until it stops being a member. At least 0; default 5 s. */
  readonly graceMs?: number | undefined;
  /**
   * Changes of the members of one channel that the engine keeps, so that a node which missed some need not read the whole
   * list. Beyond it the list is read. Every hub on one engine has the same. At least 1; default 256.
   */
  readonly maxMemberChanges?: number | undefined;
  /**
   * Revocations that the engine keeps for nodes which were cut off. A node that missed more asks `authorize` again for each
   * subscription before it delivers anything. Every hub on one engine has the same. At least 1; default 10,000.
   */
  readonly maxRevocations?: number | undefined;
  /**
   * Milliseconds from the last revocation for which revocations are kept: a node that was cut off for longer asks
   * `authorize` again. Every hub on one engine has the same. At least 1; default 24 h.
   */
  readonly revocationTtlMs?: number | undefined;
  /** Milliseconds after which a feed that has stalled is found at the latest. At least 1; default 25 s. */
  readonly checkMs?: number | undefined;
  /** Called when `authorize` throws, or a message can't be sent to a client. Default `console.error`. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** The options with their defaults. */
export interface ResolvedHubOptions {
  readonly channels: HubOptions["channels"];
  readonly authorize: Authorize;
  readonly engine: Engine | undefined;
  readonly codec: CodecLike<unknown, unknown>;
  readonly markBytes: number;
  readonly maxChannels: number;
  readonly maxPublishes: number;
  readonly maxRecentMessages: number;
  readonly maxRecentBytes: number;
  readonly authorizeTimeoutMs: number;
  readonly graceMs: number;
  readonly maxMemberChanges: number;
  readonly maxRevocations: number;
  readonly revocationTtlMs: number;
  readonly checkMs: number;
  readonly onError: (error: unknown) => void;
}

const RULES: OptionRules<ResolvedHubOptions> = {
  channels: rule("an object with the options of channels by name or pattern", isObject),
  authorize: functionRule(),
  engine: rule("an engine", (value) => isObject(value) && isFunction((value as Partial<Engine>).subscribe)),
  codec: rule("a codec", (value) => isObject(value) && isFunction((value as { marshal?: unknown }).marshal), json()),
  markBytes: numberRule(0, 2 ** 16),
  maxChannels: numberRule(1, 128),
  maxPublishes: numberRule(1, 64),
  maxRecentMessages: numberRule(1, 512),
  maxRecentBytes: numberRule(0, 2 ** 18),
  authorizeTimeoutMs: timeRule(1, 5_000),
  graceMs: timeRule(0, 5_000),
  maxMemberChanges: numberRule(1, 256),
  maxRevocations: numberRule(1, 10_000),
  revocationTtlMs: timeRule(1, 86_400_000),
  checkMs: timeRule(1, 25_000),
  // Looked up late, so that a console which is replaced later is used.
  onError: functionRule((error: unknown) => console.error(error)),
};

/** Checks the options and fills them in. @throws ConnError `bad-option` */
export function resolveHubOptions(options: HubOptions): ResolvedHubOptions {
  const resolved = takeOptions<ResolvedHubOptions>("", RULES, options, failOption);
  for (const name of ["channels", "authorize"] as const) {
    if (resolved[name] === undefined) throw failOption(`${name} must be ${RULES[name][0]}; it is missing.`);
  }
  return resolved;
}
