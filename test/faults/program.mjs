// A program with one Conn, run by the tests in this folder: takes commands from its parent and tells what happens. It
// holds on to nothing once the Conn is closed, so it must end by itself.
import { createHook } from "node:async_hooks";
import { Conn } from "tautline";
import { users } from "./users.mjs";

/** What must not outlive the Conn, whether it holds the process or not. */
const KEPT = /^(Timeout|TCPWRAP|TCPCONNECTWRAP|GETADDRINFOREQWRAP|WRITEWRAP|SHUTDOWNWRAP)$/;
const HOLDS = /^(Timeout|TCPSocketWrap|TCPServerWrap|TLSSocketWrap|GetAddrInfoReqWrap|TCPConnectWrap)$/;
/** What is still there after this is there for good. */
const PATIENCE_MS = 3_000;

const live = new Map();
createHook({
  init: (id, type) => KEPT.test(type) && live.set(id, type),
  destroy: (id) => live.delete(id),
}).enable();

const now = () => performance.timeOrigin + performance.now();
const tell = (event, payload) => process.send?.({ event, at: now(), ...payload });
const plain = (error) =>
  error && { code: error.code, status: error.status, message: error.message, cause: error.cause?.code };

const [url, options, user] = JSON.parse(process.argv[2]);
const extra = users[user]?.(url, (about) => tell("user", about)) ?? {};
const conn = new Conn(extra.url ?? url, { backoff: () => 0, ...options, ...extra.options });

// What the tests count: numbers sent, numbers heard, and which of ours each connection took.
let sent = 0;
const heard = [];
const took = [];
let talk;
/** Whether nothing but numbers has been sent, so that the count of what was sent is theirs. */
let isCounted = true;

extra.listen?.(conn);

conn.on("open", ({ attempt, reconnected, downMs }) => {
  // What waited has been handed over by now.
  took.push([took.at(-1)?.[1] ?? 0, undefined]);
  tell("open", { attempt, reconnected, downMs, state: conn.state });
});
conn.on("lost", ({ cause, ...info }) => {
  if (info.opened) took.at(-1)[1] = conn.stats.sent;
  tell("lost", { ...info, cause: plain(cause), state: conn.state });
});
conn.on("waiting", (payload) => tell("waiting", { ...payload, state: conn.state }));
conn.on("closed", ({ code, by, clean, error, unsent }) =>
  tell("closed", {
    code,
    by,
    clean,
    error: plain(error),
    unsent: unsent.map((each) => (typeof each === "string" ? each : "bytes")),
    state: conn.state,
  }),
);
conn.on("error", (error) => tell("error", { error: plain(error) }));
conn.on("dropped", ({ why, direction }) => tell("dropped", { why: why.code, direction }));
if (!extra.pulls) {
  conn.on("message", (message) => {
    if (message.length < 20) heard.push(Number(message));
    else tell("large", { length: message.length });
  });
}
conn.closed.then(leave);
process.on("uncaughtException", (error) => tell("uncaught", { message: error.message }));

/** Tells what is left of the Conn once all that will go has gone; then nothing of ours holds the process. */
async function leave() {
  clearInterval(talk);
  if (took.length > 0) took.at(-1)[1] ??= conn.stats.sent;
  const start = now();
  while (live.size > 0 && now() - start < PATIENCE_MS) await new Promise(setImmediate);
  const left = [...live.values(), ...process.getActiveResourcesInfo().filter((name) => HOLDS.test(name))];
  process.send({ event: "left", at: now(), left, heard, took: isCounted ? took : [] }, () => process.disconnect());
}

const commands = {
  talk() {
    talk = setInterval(() => conn.send(String(sent++)), 2);
  },
  /** Stops talking, and answers when all of it has been handed over and `until` numbers have been heard. */
  async hush({ until }) {
    clearInterval(talk);
    await conn.flush();
    while ((heard.at(-1) ?? -1) < until - 1) await new Promise((resolve) => setTimeout(resolve, 5));
    tell("hushed", { sent });
  },
  say: ({ count = 1 }) => {
    for (let i = 0; i < count; i++) conn.send(String(sent++)).catch(() => {});
  },
  large: ({ bytes, count = 1 }) => {
    isCounted = false;
    for (let i = 0; i < count; i++) conn.send(new Uint8Array(bytes)).catch(() => {});
  },
  read: () => extra.read(conn, heard),
  stats: () => tell("stats", conn.stats),
  close() {
    clearInterval(talk);
    tell("closing");
    conn.close();
  },
};
process.on("message", (message) => commands[message.command](message));
