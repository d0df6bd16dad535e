import { FLOOR_MS } from "./backoff.ts";
import type { DisconnectInfo, PreviousEnd } from "./disconnect-info.ts";

/** How many failures of providers are kept. */
const MAX_FAILURES = 10;

/** The earlier connections and attempts of a Conn, as far as decisions depend on them. */
export class ConnectionHistory {
  /** Connections that became usable. */
  opens = 0;
  /** Endings for want of authentication since the last stable connection. */
  refusals = 0;
  /** How the last connection, or the last dial, ended. */
  previous: PreviousEnd | undefined;
  /** The last ending, also of an attempt that never dialed. */
  lastEnd: DisconnectInfo | undefined;
  #openedAt = 0;
  #dialedAt = Number.NEGATIVE_INFINITY;
  #downSince: number | undefined;
  #triedSince: number | undefined;

  /** Time left of the minimum interval since the last dial, in milliseconds. */
  get floorMs(): number {
    return this.#dialedAt + FLOOR_MS - performance.now();
  }

  /** Milliseconds without a usable connection. */
  get downMs(): number {
    return elapsed(this.#downSince);
  }

  /** The part of {@link downMs} during which connecting was possible. */
  get triedMs(): number {
    return elapsed(this.#triedSince);
  }

  /** Milliseconds since the last connection became usable. */
  get openMs(): number {
    return elapsed(this.#openedAt);
  }

  onDial(): void {
    this.#dialedAt = performance.now();
  }

  onOpen(): void {
    this.opens++;
    this.#openedAt = performance.now();
    this.#downSince = this.#triedSince = undefined;
  }

  /** Called when a connection or an attempt has ended. An attempt that never dialed failed by one of its providers. */
  onEnd(info: DisconnectInfo, hasDialed: boolean): void {
    const { previous } = this;
    this.lastEnd = info;
    if (hasDialed) this.previous = { ...info, failures: [] };
    else if (previous) {
      this.previous = { ...previous, failures: [...previous.failures, info.cause].slice(-MAX_FAILURES) };
    }
  }

  /** Called when there is no connection any more, or when the first one is dialed. */
  onDisconnected(): void {
    this.#downSince ??= performance.now();
    this.#triedSince ??= performance.now();
  }

  /** Called when a page is back from the cache, because such a page could not connect. */
  onRestored(): void {
    this.#triedSince = undefined;
  }
}

/** Returns the milliseconds since `start`, 0 where there was none. */
function elapsed(start: number | undefined): number {
  return start === undefined ? 0 : performance.now() - start;
}
