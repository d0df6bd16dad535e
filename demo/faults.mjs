// @ts-check
import { faultProxy } from "tautline/testing";

/** The delay of a healthy line each way, so that a message is always under way, as in a real network. */
const LINE_MS = 40;
const LASTS_MS = 6_000;
const SLOW_MS = 400;
const SLOW_BYTES_PER_SECOND = 4_096;
const RETRY_AFTER_S = 3;

/**
 * The line between the page and the WebSockets of the server, and what can be done to it by name.
 *
 * @param {number} port Where the WebSockets are served.
 * @param {() => Promise<void>} restart Ends them and all their sessions, and serves them again.
 * @param {Record<string, () => Promise<void>>} [more] Faults of the processes that serve them, by name.
 */
export async function createFaults(port, restart, more = {}) {
  const proxy = await faultProxy(port);
  proxy.delay(LINE_MS);
  /** @type {NodeJS.Timeout | undefined} */
  let healing;

  async function heal() {
    clearTimeout(healing);
    await proxy.heal();
    proxy.delay(LINE_MS);
  }

  /** Faults that last do so for a while: the buttons of a demo must not leave it broken. @param {() => void} act */
  const lasting = (act) => () => {
    act();
    clearTimeout(healing);
    healing = setTimeout(heal, LASTS_MS);
    return LASTS_MS;
  };

  /** Each answers, or resolves, with how many milliseconds it lasts. @type {Map<string, () => unknown>} */
  const faults = new Map(
    Object.entries({
      cut: () => proxy.cut(),
      reset: () => proxy.reset(),
      black: lasting(() => proxy.blackhole()),
      "half-open": lasting(() => proxy.halfOpen("server")),
      slow: lasting(() => {
        proxy.delay(SLOW_MS);
        proxy.throttle(SLOW_BYTES_PER_SECOND);
      }),
      refuse: lasting(() => {
        proxy.refuse();
        proxy.cut();
      }),
      busy() {
        // Each that is thrown out is turned away once.
        proxy.respond(503, { "Retry-After": String(RETRY_AFTER_S) }, Math.max(1, proxy.connections));
        proxy.reset();
      },
      ...more,
      restart,
      heal,
    }),
  );

  return {
    proxy,
    /**
     * Does what is asked by name, and answers with how long it will last; undefined for a name that is none.
     *
     * @param {unknown} name
     */
    async cause(name) {
      const fault = faults.get(String(name));
      return fault && { lastsMs: Number((await fault()) ?? 0), connections: proxy.connections };
    },
    async close() {
      clearTimeout(healing);
      await proxy.close();
    },
  };
}
