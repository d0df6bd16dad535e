import { FLOOR_MS } from "./backoff.ts";
import type { DisconnectInfo } from "./disconnect-info.ts";

/** What a Conn has been through, as far as it bears on what comes next. */
export class ConnectionHistory {
  /** Connections that became usable. */
  opens = 0;
  /** Endings for want of authentication since the last stable connection. */
  refusals = 0;
  /** How the last connection or attempt ended. */
  previous: DisconnectInfo | undefined;
  #openedAt = 0;
  #dialedAt = Number.NEGATIVE_INFINITY;
  #downSince: number | undefined;
  #triedSince: number | undefined;

  /** What the last dial leaves of the shortest time between two, in milliseconds. */
  get floorMs(): number {
    return this.#dialedAt + FLOOR_MS - performance.now();
  }

  /** Milliseconds without a usable connection. */
  get downMs(): number {
    return elapsed(this.#downSince);
  }

  /** Of these, in which one could be had. */
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

  /** There is no connection any more, or there was none before. */
  onDisconnected(): void {
    this.#downSince ??= performance.now();
    this.#triedSince ??= performance.now();
  }

  /** A page that was cached could not try. */
  onRestored(): void {
    this.#triedSince = undefined;
  }
}

/** Milliseconds since `start`, none where it has not come. */
function elapsed(start: number | undefined): number {
  return start === undefined ? 0 : performance.now() - start;
}
