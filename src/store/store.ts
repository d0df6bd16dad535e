import { throwAsync } from "../base/emitter.ts";
import { ConnError, failOption, textOf } from "../base/errors.ts";
import { describeBadOption, type OptionRules, rule, signalRule, takeOptions } from "../base/option-rules.ts";
import { MAX_TIMER_MS, Timer } from "../base/timer.ts";
import type { MessageSource } from "./message-source.ts";
import { createObservable, type Store } from "./observable.ts";

/** When a store changes, and how long it follows its source. */
export interface StoreOptions {
  /**
   * How often the value may change: once for all messages of a turn of the event loop, once a frame (about every 200 ms
   * while the page is hidden and has no frames), or once in so many milliseconds, above 0. Default `"turn"`.
   */
  readonly every?: "turn" | "frame" | number | undefined;
  /** Stops following the source when aborted; the last value stays. Default none: for as long as the source lives. */
  readonly signal?: AbortSignal | undefined;
}

const RULES: OptionRules<StoreOptions> = {
  every: rule('"turn", "frame" or milliseconds above 0', isInterval, "turn"),
  signal: signalRule(),
};

/** The longest time between two frames, because a hidden page has none. */
const HIDDEN_FRAME_MS = 200;
/** The time of a frame where the platform has no `requestAnimationFrame`. */
const FRAME_MS = 16;

/**
 * Creates a store that folds each message of `source` into a value, beginning with `initial`. The store listens at once, and
 * for as long as `source` lives, so that nothing piles up in an inbox while no component is shown. A `reduce` that throws is
 * an `error` event of the source, and the value stays.
 *
 * @throws ConnError `misuse`, `bad-option`
 *
 * @example
 * const lines = store(conn, [] as readonly Line[], (now, line) => [...now, line].slice(-500));
 * lines.get();
 */
export function store<In, T>(
  source: MessageSource<In>,
  initial: T,
  reduce: (now: T, message: In) => T,
  options: StoreOptions = {},
): Store<T> {
  if (typeof source?.on !== "function") {
    throw new ConnError("misuse", describeBadOption("The source of store()", "a Conn, or an object with on()", source));
  }
  if (typeof reduce !== "function") {
    throw new ConnError("misuse", describeBadOption("The reducer of store()", "(now, message) => next", reduce));
  }
  const { every, signal } = takeOptions<StoreOptions>("", RULES, options, failOption);
  const timer = new Timer();
  let value = initial;
  let latest = initial;
  let isScheduled = false;
  let frame = 0;
  const { store, notify } = createObservable(initial, () => value);

  const publish = () => {
    if (!isScheduled) return;
    isScheduled = false;
    timer.stop();
    // A hidden page would gather one request for each change.
    if (frame) cancelAnimationFrame(frame);
    if (value === latest) return;
    value = latest;
    notify();
  };

  const schedule = () => {
    isScheduled = true;
    if (every !== "frame") return timer.start(every === "turn" ? 0 : (every as number), publish);
    const hasFrames = typeof requestAnimationFrame === "function";
    timer.start(hasFrames ? HIDDEN_FRAME_MS : FRAME_MS, publish);
    if (hasFrames) frame = requestAnimationFrame(publish);
  };

  const fold = (message: In) => {
    try {
      latest = reduce(latest, message);
    } catch (cause) {
      const error = new ConnError("provider", `A store's reducer failed, so its value stays: ${textOf(cause)}`, {
        cause,
      });
      if (source.report) source.report(error);
      else throwAsync(error);
    }
    if (!isScheduled && latest !== value) schedule();
  };

  source.on("message", fold, { signal });
  return store;
}

function isInterval(every: unknown): boolean {
  return every === "turn" || every === "frame" || (typeof every === "number" && every > 0 && every <= MAX_TIMER_MS);
}
