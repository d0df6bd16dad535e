import { json } from "/package/index.mjs";
import { Ledger } from "./shared/ledger.js";

const EVERY_MS = 50;
const FLOOD = { rounds: 60, messages: 50 };
const PING = JSON.stringify({ type: "ping" });
const PONG = JSON.stringify({ type: "pong" });

/**
 * Numbers messages to the server and counts its numbered ones, at twenty a second each way: what the network loses or
 * doubles shows in the numbers, whatever the library says.
 */
export function startMeter({ connect, signal }, inspector) {
  let boot;
  let account = open(1);

  function open(number) {
    const account = { down: new Ledger(), up: new Ledger().figures, sent: 0, inDoubt: [] };
    const conn = connect("Meter", "/meter", {
      suffix: `-${number}`,
      codec: json(),
      // With resume the session has pings of its own; without it these are all that a browser can do.
      heartbeat: { ping: () => PING, isPong: (payload) => payload === PONG },
      setup: ({ send }) => send({ type: "hello", last: account.down.last }),
    });
    conn.on("session-lost", ({ inDoubt }) => account.inDoubt.push(...inDoubt));
    conn.on("message", (message) => {
      if (message.type === "welcome") welcome(message, number);
      else if (message.type === "count") {
        account.down.count(message.n);
        account.up = message.up;
        inspector.count(account.down.figures, account.up);
      }
    });
    conn.on("latency", ({ rttMs }) => inspector.roundTrip(rttMs));
    return Object.assign(account, { conn, flood: 0 });
  }

  function welcome(message, number) {
    boot ??= message.boot;
    if (boot !== message.boot) {
      // Another process, which knows no numbers of ours: both begin anew.
      boot = message.boot;
      account.conn.close();
      account = open(number + 1);
      return;
    }
    // The server has just reported its count, so that only messages after it are sent again.
    for (const payload of account.inDoubt.splice(0)) {
      const { type, n } = JSON.parse(payload);
      if (type === "count" && n > message.last) account.conn.write(payload);
    }
  }

  function send() {
    const { conn, flood } = account;
    if (conn.state === "closing" || conn.state === "closed") return;
    const messages = flood > 0 ? FLOOD.messages : 1;
    if (flood > 0) account.flood--;
    for (let n = 0; n < messages; n++) conn.send({ type: "count", n: ++account.sent });
  }

  const timer = setInterval(send, EVERY_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
  document.getElementById("flood").addEventListener(
    "click",
    () => {
      account.flood = FLOOD.rounds;
      account.conn.send({ type: "flood" });
      inspector.tell("Meter", `flood of ${FLOOD.rounds * FLOOD.messages} messages each way`);
    },
    { signal },
  );
}
