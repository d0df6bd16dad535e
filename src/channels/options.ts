import { badOption, ConnError, failOption } from "../base/errors.ts";
import {
  flagRule,
  functionRule,
  isSignal,
  numberRule,
  type OptionRules,
  rule,
  takeOptions,
  timeRule,
} from "../base/option-rules.ts";
import { isChannelName, isPublishId } from "./protocol/names.ts";

/** Where a subscription begins: with the next message, with the newest ones of the log, or after a position. */
export type From =
  | "now"
  | {
      /** How many of the newest messages come first: a whole number, at least 0. */
      readonly last: number;
    }
  | string;

/** The argument of `load`. */
export interface LoadContext {
  /** The position of the newest message when the subscription was attached; null in a channel without history. */
  readonly head: string | null;
  /** Aborted when the subscription ends. */
  readonly signal: AbortSignal;
}

/** Options of the channels of one Conn. */
export interface ChannelsOptions {
  /** Publishes that may wait or be under way; a further one rejects with `outbox-full`. At least 1; default 1,024. */
  readonly maxPublishes?: number | undefined;
  /**
   * Milliseconds for which a publish is repeated, from its first try; then it rejects with `interrupted`. At least 1;
   * default 2 minutes. Servers remember a publish for 5 minutes, so a longer time may append it twice.
   */
  readonly publishTimeoutMs?: number | undefined;
  /**
   * Returns the milliseconds before another try where the server can't decide at the moment, `load` failed, or the log
   * was too short twice in a row; `attempt` counts from 0. Default 1 s, doubled up to 30 s, half of it at random.
   */
  readonly backoff?: ((attempt: number) => number) | undefined;
}

/** Options of one subscription. */
export interface SubscribeOptions {
  /** Where it begins. Default `"now"`. Not together with `load`. */
  readonly from?: From | undefined;
  /**
   * Called first and after each gap, to fetch the state that messages change. The subscription continues after the position
   * that it returns, or after `head`. Where it fails, the Conn emits `error`, and it is called again. Default none.
   */
  readonly load?: ((context: LoadContext) => string | undefined | Promise<string | undefined>) | undefined;
  /** Whether to become a member of the channel, and to be informed of its members. Default false. */
  readonly presence?: boolean | undefined;
  /**
   * Messages that wait for a reader. At the bound further messages are left in the log, and read from there once the queue
   * is empty; without history the oldest one is dropped. At least 1; default 1,024.
   */
  readonly maxQueued?: number | undefined;
}

/** Options of one publish. */
export interface PublishOptions {
  /**
   * Names the publish: one that repeats an id of the same client within 5 minutes is appended once. 1 to 128 characters,
   * without control characters. Default a random one.
   */
  readonly id?: string | undefined;
  /** Rejects the publish with `aborted`, and stops repeating it. The message may have been appended by then. Default none. */
  readonly signal?: AbortSignal | undefined;
}

/** The options of channels with their defaults. */
export interface ResolvedChannelsOptions {
  readonly maxPublishes: number;
  readonly publishTimeoutMs: number;
  readonly backoff: (attempt: number) => number;
}

/** The options of a subscription with their defaults. */
export interface ResolvedSubscribeOptions {
  readonly from: From;
  readonly load: SubscribeOptions["load"];
  readonly presence: boolean;
  readonly maxQueued: number;
}

const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 30_000;
const PUBLISH_TIMEOUT_MS = 120_000;

const CHANNELS: OptionRules<ResolvedChannelsOptions> = {
  maxPublishes: numberRule(1, 1_024),
  publishTimeoutMs: timeRule(1, PUBLISH_TIMEOUT_MS),
  backoff: functionRule((attempt: number) => {
    const longest = Math.min(FIRST_RETRY_MS * 2 ** attempt, MAX_RETRY_MS);
    return longest * (1 - Math.random() / 2);
  }),
};

const SUBSCRIBE: OptionRules<ResolvedSubscribeOptions> = {
  from: rule('"now", { last: a whole number } or a position', isFrom, "now"),
  load: functionRule(),
  presence: flagRule(false),
  maxQueued: numberRule(1, 1_024),
};

const PUBLISH: OptionRules<PublishOptions> = {
  id: rule("1 to 128 characters without control characters", isPublishId),
  signal: rule("an AbortSignal", isSignal),
};

/** Checks the options of channels and fills them in. @throws ConnError `bad-option` */
export function resolveChannelsOptions(options: ChannelsOptions): ResolvedChannelsOptions {
  return takeOptions("", CHANNELS, options, failOption);
}

/** Checks the options of a subscription and fills them in. @throws ConnError `bad-option`, `misuse` */
export function resolveSubscribeOptions(options: SubscribeOptions): ResolvedSubscribeOptions {
  if (options.load && options.from !== undefined) {
    throw new ConnError("misuse", "Give from or load, not both: load returns the position to begin after.");
  }
  return takeOptions("", SUBSCRIBE, options, failOption);
}

/** Checks the options of a publish. @throws ConnError `bad-option` */
export function resolvePublishOptions(options: PublishOptions): PublishOptions {
  return takeOptions<PublishOptions>("", PUBLISH, options, failOption);
}

/** Refuses what can't be the name of a channel. @throws ConnError `bad-option` */
export function checkName(channel: unknown): void {
  if (!isChannelName(channel)) {
    throw badOption("channel", "a name of 1 to 200 bytes without control characters", channel);
  }
}

function isFrom(from: unknown): boolean {
  if (typeof from === "string") return from !== "";
  const { last } = (from ?? {}) as { readonly last?: unknown };
  return Number.isSafeInteger(last) && (last as number) >= 0;
}
