import { channels } from "/package/channels.mjs";
import { json } from "/package/index.mjs";
import { rpc } from "/package/rpc.mjs";
import { Ledger } from "./shared/ledger.js";

const EVERY_MS = 50;
const FLOOD = { rounds: 60, messages: 50 };
/** Calls that may be under way: others wait here. */
const MAX_CALLS = 100;
/** Longer than any fault of the demo. */
const CALL_MS = 120_000;
const RETRY_MS = 500;
const BEAT = "beat";
const PING = JSON.stringify({ jsonrpc: "2.0", method: "ping", id: BEAT });
const NONE = { received: 0, lost: 0, doubled: 0 };

/**
 * The meter where there are several nodes: calls with a number, twenty times a second, and counts the numbers as they come
 * back by a channel. Any node takes a number and any node delivers it, so that the account goes on when one is killed.
 */
export function startNumbers({ connect, clientId, signal }, inspector) {
  const account = new Ledger();
  const sentAt = new Map();
  let [last, due, underWay, flood] = [0, 0, 0, 0];

  const suffix = "-1";
  // With resume the session has pings of its own.
  const heartbeat = { ping: () => PING, isPong: (payload) => JSON.parse(payload).id === BEAT };
  const conn = connect("Meter", "/numbers", { suffix, codec: json(), heartbeat });
  const peer = rpc(conn);
  const numbers = channels(peer).subscribe(`numbers:${clientId(suffix)}`, { from: { last: MAX_CALLS } });
  numbers.on("message", ({ data: n }) => {
    account.count(n);
    if (sentAt.has(n)) inspector.roundTrip(performance.now() - sentAt.get(n));
    sentAt.delete(n);
    inspector.count(account.figures, NONE);
  });
  numbers.on("gap", ({ after }) => {
    if (after !== null) inspector.tell("Meter", "the log does not reach back: numbers are missing");
  });

  function send() {
    while (due > 0 && underWay < MAX_CALLS) {
      due--;
      underWay++;
      count(++last).finally(() => {
        underWay--;
        send();
      });
    }
  }

  /** Calls until the number is in the log. A number that is called twice is there once. */
  async function count(n) {
    sentAt.set(n, performance.now());
    while (!signal.aborted && conn.state !== "closed") {
      try {
        return await peer.call("count", { n }, { retry: true, timeoutMs: CALL_MS });
      } catch {
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  const timer = setInterval(() => {
    due += flood > 0 ? FLOOD.messages : 1;
    if (flood > 0) flood--;
    send();
  }, EVERY_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
  document.getElementById("flood").addEventListener(
    "click",
    () => {
      flood = FLOOD.rounds;
      inspector.tell("Meter", `flood of ${FLOOD.rounds * FLOOD.messages} numbers, by a channel`);
    },
    { signal },
  );
}
