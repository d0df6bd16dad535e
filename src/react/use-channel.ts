import { useEffect, useState, useSyncExternalStore } from "react";
import { ConnError, failOption } from "../base/errors.ts";
import { describeBadOption, type OptionRules, takeOptions, timeRule } from "../base/option-rules.ts";
import { Timer } from "../base/timer.ts";
import type { Channels, SubscribeOptions, Subscription, SubscriptionState } from "../channels/index.ts";
import { useLatest } from "./use-box.ts";

/** How a component subscribes to a channel, and how it leaves. */
export interface UseChannelOptions extends SubscribeOptions {
  /** Milliseconds for which a subscription is kept after its component or name is gone, in case they return. Default 1 s. */
  readonly lingerMs?: number | undefined;
}

/** A subscription, for a component to show. */
export interface ChannelState<T> {
  /**
   * The subscription: a source for `useMessage()` and `store()`, with `publish()`. Null before the first effect, on a
   * server, and for no channel.
   */
  readonly channel: Subscription<T> | null;
  /** Whether messages flow. */
  readonly state: SubscriptionState;
  /** The position that was reached when the component rendered: messages alone do not render it. */
  readonly position: string | null;
  /** The number of gaps so far: what was shown before the last one may be incomplete. */
  readonly gaps: number;
  /** The members by id, with their info. Empty without `presence`. */
  readonly members: ReadonlyMap<string, unknown>;
  /** The number of members. */
  readonly memberCount: number;
  /** Why the subscription has ended, where it was not closed. */
  readonly error: Error | undefined;
}

/** A subscription with its state, and the time until it is closed. */
interface Kept {
  readonly live: Channels;
  readonly name: string;
  readonly timer: Timer;
  readonly onChange: (changed: () => void) => () => void;
  readonly get: () => ChannelState<unknown>;
  readonly close: () => void;
}

const RULES: OptionRules<{ lingerMs: number }> = { lingerMs: timeRule(0, 1_000) };
const NONE: ChannelState<never> = Object.freeze({
  channel: null,
  state: "attaching",
  position: null,
  gaps: 0,
  members: new Map(),
  memberCount: 0,
  error: undefined,
});
const getNone = (): ChannelState<never> => NONE;
const onNever = () => () => {};

/**
 * Subscribes to a channel while the component is shown, and renders again when its state, members or gaps change. Messages
 * do not render: give `channel` to `useMessage()` or to a store. A component that is mounted twice, hidden and shown again,
 * or edited keeps its subscription. Options are those of the render that subscribes, except `load`, which is always that of
 * the newest render.
 *
 * @throws ConnError `misuse`, `bad-option`
 *
 * @example
 * const { channel, members, gaps } = useChannel<Line>(live, `chat:${room}`, { from: { last: 50 }, presence: true });
 */
export function useChannel<T = unknown>(
  live: Channels | null | undefined,
  name: string | null,
  options: UseChannelOptions = {},
): ChannelState<T> {
  const { lingerMs: given, ...subscribing } = options;
  const { lingerMs } = takeOptions<{ lingerMs: number }>("", RULES, { lingerMs: given }, failOption);
  const latest = useLatest("useChannel", { lingerMs, subscribing });
  if (live && typeof live.subscribe !== "function") {
    throw new ConnError(
      "misuse",
      describeBadOption("The first argument of useChannel()", "what channels() returned", live),
    );
  }
  if (name !== null && typeof name !== "string") {
    throw new ConnError(
      "misuse",
      describeBadOption("The name for useChannel()", "the name of a channel or null", name),
    );
  }
  const [all] = useState(() => new Set<Kept>());
  const [current, setCurrent] = useState<Kept | null>(null);

  useEffect(() => {
    if (!live || name === null) return undefined;
    const known = [...all].find((kept) => kept.live === live && kept.name === name && kept.get().state !== "closed");
    const kept = known ?? subscribe(live, name, latest.current.subscribing, () => latest.current.subscribing.load);
    kept.timer.stop();
    all.add(kept);
    setCurrent(kept);
    return () =>
      kept.timer.start(latest.current.lingerMs, () => {
        all.delete(kept);
        setCurrent((now) => (now === kept ? null : now));
        kept.close();
      });
  }, [live, name, all, latest]);

  const shown = current && current.live === live && current.name === name ? current : null;
  return useSyncExternalStore<ChannelState<unknown>>(
    shown?.onChange ?? onNever,
    shown?.get ?? getNone,
    getNone,
  ) as ChannelState<T>;
}

function subscribe(
  live: Channels,
  name: string,
  options: SubscribeOptions,
  load: () => SubscribeOptions["load"],
): Kept {
  // Calls the `load` of the newest render, because the props that it uses may have changed.
  const loading = options.load && {
    load: (context: Parameters<NonNullable<SubscribeOptions["load"]>>[0]) => load()?.(context),
  };
  const channel = live.subscribe(name, { ...options, ...loading });
  const listeners = new Set<() => void>();
  let gaps = 0;
  let error: Error | undefined;
  let state: ChannelState<unknown>;
  const look = () => {
    const { position, members, memberCount } = channel;
    state = { channel, state: channel.state, position, gaps, members, memberCount, error };
  };
  const update = () => {
    look();
    for (const listener of [...listeners]) listener();
  };
  look();
  channel.on("state", update);
  channel.on("members", update);
  channel.on("gap", () => {
    gaps++;
    update();
  });
  channel.on("closed", (end) => {
    ({ error } = end);
    update();
  });
  return {
    live,
    name,
    timer: new Timer(),
    onChange: (changed) => {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
    get: () => state,
    close: () => channel.close(),
  };
}
