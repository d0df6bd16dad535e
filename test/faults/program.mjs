// A program with one Conn, run by the tests in this folder: takes commands, and tells what happens. It runs as a process and as a page. The two differ in how commands and events travel, and in the resources of a Conn.
import { users } from "./users.mjs";

const now = () => performance.timeOrigin + performance.now();
const plain = (error) =>
  error && { code: error.code, status: error.status, message: error.message, cause: error.cause?.code };

/**
 * Starts the Conn, and answers how commands reach it, and what nobody caught.
 *
 * @param way brings the class, `tell`, and `left`, which names what is left of a Conn once all that will go has gone
 */
export function run([url, options, user], way) {
  const tell = (event, payload) => way.tell({ event, at: now(), ...payload });
  const extra = users[user]?.(url, (about) => tell("user", about)) ?? {};
  const conn = new way.Conn(extra.url ?? url, { backoff: () => 0, ...options, ...extra.options });

  // The figures that the tests compare: numbers sent, numbers heard, and which of ours each connection took.
  let sent = 0;
  const heard = [];
  const took = [];
  let talk;
  /** Whether nothing but numbers has been sent, so that the count of what was sent is theirs. */
  let isCounted = true;

  extra.listen?.(conn);
  conn.on("open", ({ attempt, reconnected, downMs }) => {
    // Waiting messages have been delivered by now.
    took.push([took.at(-1)?.[1] ?? 0, undefined]);
    tell("open", { attempt, reconnected, downMs, state: conn.state });
  });
  conn.on("disconnected", ({ cause, ...info }) => {
    if (info.wasOpen) took.at(-1)[1] = conn.stats.sent;
    tell("disconnected", { ...info, cause: plain(cause), state: conn.state });
  });
  conn.on("waiting", (payload) => tell("waiting", { ...payload, state: conn.state }));
  conn.on("closed", ({ code, by, clean, error, unsent }) => {
    const given = unsent.map((each) => (typeof each === "string" ? each : "bytes"));
    tell("closed", { code, by, clean, error: plain(error), unsent: given, state: conn.state });
  });
  conn.on("error", (error) => tell("error", { error: plain(error) }));
  conn.on("dropped", ({ error, direction }) => tell("dropped", { why: error.code, direction }));
  if (!extra.pulls) {
    conn.on("message", (message) => {
      if (message.length < 20) heard.push(Number(message));
      else tell("large", { length: message.length });
    });
  }
  conn.closed.then(async () => {
    clearInterval(talk);
    if (took.length > 0) took.at(-1)[1] ??= conn.stats.sent;
    const left = await way.left();
    tell("left", { left, heard, took: isCounted ? took : [] });
  });

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
    say({ count = 1 }) {
      for (let i = 0; i < count; i++) conn.send(String(sent++)).catch(() => {});
    },
    large({ bytes, count = 1 }) {
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
  return {
    obey: ({ command, ...details }) => void commands[command](details),
    uncaught: (error) => tell("uncaught", { message: error?.message }),
  };
}
