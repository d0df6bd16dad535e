// The program of program.mjs in a page: there is one Conn, commands come through `command`, and news go to `tell`.
import { users } from "./users.mjs";

/** What is still there after this is there for good. */
const PATIENCE_MS = 3_000;

const { setTimeout: later, clearTimeout: never, WebSocket: Native } = globalThis;
const timers = new Set();
const sockets = new Set();
/** Messages that a socket took, but for pings. */
let handed = 0;
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

  send(data) {
    if (data !== "ping") handed++;
    super.send(data);
  }
};
// One that is closing is left to Chromium, which waits long for an answer out of the dark: a page cannot drop it.
const live = () => [...sockets].filter(({ readyState }) => readyState < Native.CLOSING);
const left = () => [...live().map(() => "WebSocket"), ...[...timers].map(() => "Timeout")];

const now = () => performance.timeOrigin + performance.now();
const tell = (event, payload) => globalThis.tell({ event, at: now(), ...payload });
const plain = (error) => error && { code: error.code, message: error.message, cause: error.cause?.code };

/** Starts the Conn. What answers a ping is text, for a page sees no others. */
globalThis.start = ([url, { heartbeat, ...options }, user]) => {
  const extra = users[user]?.(url, (about) => tell("user", about)) ?? {};
  const conn = new globalThis.Tautline.Conn(extra.url ?? url, {
    backoff: () => 0,
    heartbeat: heartbeat && { ...heartbeat, ping: () => "ping", isPong: (message) => message === "pong" },
    ...options,
    ...extra.options,
  });
  let sent = 0;
  const heard = [];
  const took = [];
  let talk;
  let isCounted = true;

  extra.listen?.(conn);
  conn.on("open", ({ attempt, reconnected, downMs }) => {
    took.push([took.at(-1)?.[1] ?? 0, undefined]);
    tell("open", { attempt, reconnected, downMs, state: conn.state });
  });
  conn.on("lost", ({ cause, ...info }) => {
    if (info.opened) took.at(-1)[1] = handed;
    tell("lost", { ...info, cause: plain(cause), state: conn.state });
  });
  conn.on("waiting", (payload) => tell("waiting", { ...payload, state: conn.state }));
  conn.on("closed", ({ code, by, clean, error, unsent }) => {
    const given = unsent.map((each) => (typeof each === "string" ? each : "bytes"));
    tell("closed", { code, by, clean, error: plain(error), unsent: given, state: conn.state });
  });
  conn.on("error", (error) => tell("error", { error: plain(error) }));
  conn.on("message", (message) => {
    if (message.length < 20) heard.push(Number(message));
    else tell("large", { length: message.length });
  });
  conn.closed.then(leave);

  async function leave() {
    clearInterval(talk);
    if (took.length > 0) took.at(-1)[1] ??= handed;
    const start = now();
    while (left().length > 0 && now() - start < PATIENCE_MS) await new Promise((resolve) => later(resolve, 5));
    tell("left", { left: left(), heard, took: isCounted ? took : [] });
  }

  const commands = {
    talk() {
      talk = setInterval(() => conn.send(String(sent++)), 2);
    },
    async hush({ until }) {
      clearInterval(talk);
      await conn.flush();
      while ((heard.at(-1) ?? -1) < until - 1) await new Promise((resolve) => later(resolve, 5));
      tell("hushed", { sent });
    },
    say({ count = 1 }) {
      for (let i = 0; i < count; i++) conn.send(String(sent++)).catch(() => {});
    },
    large({ bytes, count = 1 }) {
      isCounted = false;
      for (let i = 0; i < count; i++) conn.send(new Uint8Array(bytes)).catch(() => {});
    },
    close() {
      clearInterval(talk);
      tell("closing");
      conn.close();
    },
  };
  globalThis.command = ({ command, ...details }) => void commands[command](details);
};
addEventListener("error", (event) => tell("uncaught", { message: event.error?.message }));
