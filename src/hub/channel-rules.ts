import { badOption, failOption } from "../base/errors.ts";
import { flagRule, isObject, type OptionRules, rule, takeOptions, timeRule, wordRule } from "../base/option-rules.ts";
import { isChannelName } from "../channels/protocol/names.ts";
import type { History } from "../server/engine.ts";

/**
 * The messages that a slow subscriber gets. `"all"`: every message, in order, read from the log as fast as the connection
 * takes them. `"newest"`: the newest message that it has not seen. `"fitting"`: those that the connection takes at once.
 */
export type Deliver = "all" | "newest" | "fitting";

/** Options of the channels of one pattern. */
export interface ChannelOptions {
  /**
   * How much is kept for subscribers that are away or slow: at most `size` messages, until `ttlMs` milliseconds after the
   * last one. Both at least 1. Default none: messages are delivered at most once, and have no positions.
   */
  readonly history?: History | undefined;
  /**
   * The messages that a slow subscriber gets: see {@link Deliver}. `"all"` and `"newest"` need a history. Default `"all"` with
   * a history, and `"fitting"` without one.
   */
  readonly deliver?: Deliver | undefined;
  /** Whether clients may ask for the members, and become one. Default false. */
  readonly presence?: boolean | undefined;
}

/** The options of a channel, with their defaults. */
export interface ChannelRule {
  readonly history: History | undefined;
  readonly deliver: Deliver;
  readonly presence: boolean;
}

const HISTORY_RULES: OptionRules<History> = {
  size: rule("a whole number, at least 1", (value) => Number.isSafeInteger(value) && (value as number) > 0),
  ttlMs: timeRule(1, Number.NaN),
};
const RULES: OptionRules<ChannelRule> = {
  history: rule("an object with size and ttlMs", isObject),
  deliver: wordRule("all", "newest", "fitting"),
  presence: flagRule(false),
};

/** Finds the rule of a channel: by its name, else by the longest pattern that fits. */
export class ChannelRules {
  readonly #exact = new Map<string, ChannelRule>();
  /** The longest prefix first. */
  readonly #prefixes: (readonly [prefix: string, rule: ChannelRule])[] = [];

  /** @throws ConnError `bad-option` */
  constructor(channels: { readonly [pattern: string]: ChannelOptions }) {
    for (const [pattern, options] of Object.entries(channels)) {
      const resolved = resolveRule(pattern, options);
      const star = pattern.indexOf("*");
      if (star < 0) this.#exact.set(pattern, resolved);
      else this.#prefixes.push([pattern.slice(0, star), resolved]);
      if (!isChannelName(pattern) || (star >= 0 && star < pattern.length - 1)) {
        throw badOption(
          "channels",
          "names of channels, or the beginning of names with * as the last character",
          pattern,
        );
      }
    }
    this.#prefixes.sort(([a], [b]) => b.length - a.length);
  }

  /** Returns undefined for a channel that does not exist. The star stands for one character at least. */
  find(channel: string): ChannelRule | undefined {
    if (!isChannelName(channel)) return undefined;
    const exact = this.#exact.get(channel);
    if (exact) return exact;
    return this.#prefixes.find(([prefix]) => channel.length > prefix.length && channel.startsWith(prefix))?.[1];
  }
}

function resolveRule(pattern: string, options: ChannelOptions): ChannelRule {
  const group = `channels["${pattern}"].`;
  const { history, deliver, presence } = takeOptions<ChannelRule>(group, RULES, options, failOption);
  const isGiven = options.deliver !== undefined;
  if (history) {
    const checked = takeOptions<History>(`${group}history.`, HISTORY_RULES, history, failOption);
    for (const [name, value] of Object.entries(checked)) {
      if (!(value >= 1))
        throw badOption(`${group}history.${name}`, "a number, at least 1", history[name as keyof History]);
    }
    return { history: checked, deliver: isGiven ? deliver : "all", presence };
  }
  if (isGiven && deliver !== "fitting")
    throw badOption(`${group}deliver`, '"fitting", or there must be a history', deliver);
  return { history: undefined, deliver: "fitting", presence };
}
