import { useEffect, useState } from "react";
import { ConnError, failOption } from "../base/errors.ts";
import { describeBadOption, type OptionRules, takeOptions, timeRule } from "../base/option-rules.ts";
import { Timer } from "../base/timer.ts";
import { useLatest } from "./use-box.ts";

/** A Conn, or an object of yours that holds one and closes it. */
export interface ClosableConn {
  /** Where it is in its life: one that is `"closed"` is not used again. */
  readonly state?: string;
  /** Sends the messages that wait, and ends the Conn. */
  close(): unknown;
}

/** How a component leaves its Conn. */
export interface UseConnOptions {
  /** Milliseconds for which a Conn is kept after its component or key is gone, in case they return. Default 1 s. */
  readonly lingerMs?: number | undefined;
}

/** A Conn, and the time until it is closed. */
interface Kept<C> {
  readonly key: string;
  readonly conn: C;
  readonly timer: Timer;
}

const RULES: OptionRules<{ lingerMs: number }> = { lingerMs: timeRule(0, 1_000) };

/**
 * Returns the Conn that `make` creates for `key`: null before the first effect, on a server, and while `key` is null. A
 * component that is mounted twice, hidden and shown again, or edited keeps its Conn. When `key` changes, the new Conn is
 * made at once, and the old one is flushed and closed after `lingerMs`. Each component that calls the hook has a Conn of its
 * own: pass the Conn on to share it.
 *
 * @throws ConnError `misuse`, `bad-option`
 *
 * @example
 * const conn = useConn(room, (name) => new Conn(`/rooms/${encodeURIComponent(name)}`, { codec: json<Line>() }));
 */
export function useConn<C extends ClosableConn>(
  key: string | null,
  make: (key: string) => C,
  options: UseConnOptions = {},
): C | null {
  const { lingerMs } = takeOptions<{ lingerMs: number }>("", RULES, options, failOption);
  const latest = useLatest("useConn", { make, lingerMs });
  if (key !== null && typeof key !== "string") {
    throw new ConnError("misuse", describeBadOption("The key of useConn()", "a string or null", key));
  }
  if (typeof make !== "function") {
    throw new ConnError("misuse", describeBadOption("make of useConn()", "a function that creates a Conn", make));
  }
  const [all] = useState(() => new Map<string, Kept<C>>());
  const [current, setCurrent] = useState<Kept<C> | null>(null);

  useEffect(() => {
    if (key === null) return undefined;
    const known = all.get(key);
    const kept =
      known && known.conn.state !== "closed"
        ? known
        : { key, conn: made(latest.current.make, key), timer: new Timer() };
    kept.timer.stop();
    all.set(key, kept);
    setCurrent(kept);
    return () =>
      kept.timer.start(latest.current.lingerMs, () => {
        if (all.get(key) === kept) all.delete(key);
        setCurrent((now) => (now === kept ? null : now));
        kept.conn.close();
      });
  }, [key, all, latest]);

  return current && current.key === key ? current.conn : null;
}

function made<C extends ClosableConn>(make: (key: string) => C, key: string): C {
  const conn = make(key);
  if (typeof conn?.close !== "function") {
    throw new ConnError("misuse", describeBadOption("The result of make() of useConn()", "a Conn", conn));
  }
  return conn;
}
