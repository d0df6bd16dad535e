// A part of the clients of the cluster, in a process that is never killed: what they saw is whole.
import { writeFileSync } from "node:fs";
import { Conn, json } from "tautline";
import { channels } from "tautline/channels";
import { resume } from "tautline/resume";
import { rpc } from "tautline/rpc";

const { url, first, count, membersOfRoom, publishEveryMs, callEveryMs, sendEveryMs, ledger } = JSON.parse(
  process.argv[2],
);
const CALL_TIMEOUT_MS = 5_000;
/** A client that is away for so long may leave: the grace of presence by default is 5 s from when the node noticed. */
const LATE_MS = 4_000;

let isSending = false;

function createMember(number) {
  const id = `c${number}`;
  const channel = `room:${Math.floor(number / membersOfRoom)}`;
  const seen = {
    id,
    channel,
    /** Messages and gaps of the channel, in the order of their arrival: `[from, n, position]`, and null for both of a gap. */
    entries: [],
    publishes: [],
    ups: [],
    calls: [],
    downs: [],
    joined: 0,
    left: 0,
    /** How often it was away for longer than the grace. */
    late: 0,
    /** When each id left, by `Date.now()`. */
    leaves: [],
  };
  const conn = new Conn(`${url}?id=${id}`, {
    codec: json(),
    resume: resume(),
    backoff: (attempt) => Math.random() * Math.min(2_000, 100 * 2 ** attempt),
    heartbeat: { intervalMs: 2_000, timeoutMs: 2_000 },
  });
  const peer = rpc(conn, { others: ({ session, down }) => seen.downs.push([session, down]) });
  const live = channels(peer, { backoff: () => 200 + Math.random() * 300 });
  const room = live.subscribe(channel, { presence: true });
  room.on("message", ({ data: { from, n }, position }) => seen.entries.push([from, n, position]));
  room.on("gap", ({ position }) => seen.entries.push([null, null, position]));
  room.on("members", ({ joined, left }) => {
    seen.joined += joined.length;
    seen.left += left.length;
    for (const gone of left) seen.leaves.push([gone, Date.now()]);
  });
  let awaySince = 0;
  room.on("state", ({ from, to }) => {
    if (from === "attached") awaySince = performance.now();
    else if (to === "attached" && awaySince > 0 && performance.now() - awaySince > LATE_MS) seen.late++;
  });
  const timers = [];
  const every = (ms, act) => {
    let n = 0;
    timers.push(setInterval(() => isSending && act(n++), ms));
  };
  const member = {
    seen,
    conn,
    room,
    start() {
      every(publishEveryMs, (n) => {
        const entry = [n, "pending"];
        seen.publishes.push(entry);
        live.publish(channel, { from: id, n }).then(
          (position) => {
            entry[1] = "done";
            entry[2] = position;
            entry[3] = Date.now();
          },
          ({ code }) => {
            entry[1] = code;
          },
        );
      });
      every(sendEveryMs, (n) => {
        const entry = [n, "pending"];
        seen.ups.push(entry);
        const onOutcome = (outcome) => {
          if (outcome !== "written") entry[1] = outcome;
        };
        conn.send({ up: n }, { onOutcome }).catch(() => {});
      });
      every(callEveryMs, (n) => {
        const entry = [n, "pending"];
        seen.calls.push(entry);
        peer.call("echo", { n }, { timeoutMs: CALL_TIMEOUT_MS }).then(
          (result) => {
            entry[1] = result === n ? "done" : "wrong";
          },
          ({ code }) => {
            entry[1] = String(code);
          },
        );
      });
    },
    async close() {
      for (const timer of timers) clearInterval(timer);
      await live.close();
    },
  };
  return member;
}

const members = Array.from({ length: count }, (_, i) => createMember(first + i));
const isPending = ([, state]) => state === "pending";

const commands = {
  async start() {
    await Promise.all(members.map(({ room }) => room.ready));
    for (const member of members) member.start();
    isSending = true;
  },
  /** Stops the load. Resolves with what is still pending. */
  async stop() {
    isSending = false;
  },
  report() {
    globalThis.gc?.();
    const all = process.getActiveResourcesInfo();
    const sum = (name) => members.reduce((total, { seen }) => total + seen[name], 0);
    const pending = (name) => members.reduce((total, { seen }) => total + seen[name].filter(isPending).length, 0);
    return {
      open: members.filter(({ conn }) => conn.state === "open").length,
      attached: members.filter(({ room }) => room.state === "attached").length,
      received: members.reduce((total, { seen }) => total + seen.entries.length, 0),
      gaps: members.reduce((total, { seen }) => total + seen.entries.filter(([from]) => from === null).length, 0),
      joined: sum("joined"),
      left: sum("left"),
      late: sum("late"),
      pending: pending("publishes") + pending("ups") + pending("calls"),
      members: members.reduce((total, { room }) => total + (room.state === "closed" ? 0 : room.members.size), 0),
      sockets: all.filter((name) => name === "TCPSocketWrap").length,
      timers: all.filter((name) => name === "Timeout").length,
    };
  },
  /** The client with this number ends for good, at once. */
  async close({ number }) {
    await members[number - first]?.close();
  },
  finish() {
    writeFileSync(ledger, JSON.stringify(members.map(({ seen }) => seen)));
  },
};

process.on("message", async ({ type, ...rest }) => {
  process.send?.({ event: type, answer: await commands[type](rest) });
});
