// The program in a page: commands come through the global `command`, and news go to the global `tell`.
import { run } from "./program.mjs";

/** Anything that remains after this time remains for good. */
const PATIENCE_MS = 3_000;

const { setTimeout: later, clearTimeout: never, WebSocket: Native } = globalThis;
const timers = new Set();
const sockets = new Set();
globalThis.setTimeout = (act, ms, ...rest) => {
  const id = later(() => {
    timers.delete(id);
    act(...rest);
  }, ms);
  timers.add(id);
  return id;
};
globalThis.clearTimeout = (id) => {
  timers.delete(id);
  never(id);
};
globalThis.WebSocket = class extends Native {
  constructor(...args) {
    super(...args);
    sockets.add(this);
  }
};
// One that is closing is left to Chromium, which waits long for an answer out of the dark: a page cannot drop it.
const live = () => [...sockets].filter(({ readyState }) => readyState < Native.CLOSING);
const names = () => [...live().map(() => "WebSocket"), ...[...timers].map(() => "Timeout")];

async function left() {
  const start = performance.now();
  while (names().length > 0 && performance.now() - start < PATIENCE_MS)
    await new Promise((resolve) => later(resolve, 5));
  return names();
}

/** Pongs are text messages, because a page sees no others. */
globalThis.start = ([url, { heartbeat, ...options }, user]) => {
  const pings = { ping: () => "ping", isPong: (message) => message === "pong" };
  const given = { ...options, heartbeat: heartbeat && { ...heartbeat, ...pings } };
  const { Conn } = globalThis.Tautline;
  const { obey, uncaught } = run([url, given, user], { Conn, tell: (news) => globalThis.tell(news), left });
  globalThis.command = obey;
  addEventListener("error", ({ error }) => uncaught(error));
};
