// The checks after each case: everybody is attached, nothing grows, and members are those who are there.
import { setTimeout as pause } from "node:timers/promises";
import { MEMBERS_OF_ROOM } from "./cluster.mjs";
import { redisCommand } from "./machines.mjs";

const ATTACHED_WITHIN_MS = 45_000;
/** Time for messages that are read late. */
const SETTLE_MS = 2_000;
/** After a node has left: the grace of its members by default, and the time until the others have noticed its end. */
const GRACE_MS = 6_500;
/** The connections of an engine, a check of the load balancer, and a connection that ends. */
const SOCKETS_BESIDE_CONNS = 8;
/** Garbage and the newest messages of each room. */
const MORE_HEAP_MIB = 40;
/** Timers of calls and retries that are under way. */
const MORE_TIMERS = 60;
/** Looks at the timers: those of calls that are under way come and go, and those that were forgotten stay. */
const TIMER_LOOKS = 20;

/** The kind of a key by its name: what is kept for each channel, or for each node. */
const kindOf = (key) => /:\{\w+\}:(\w+):/.exec(key)?.[1] ?? key.split(":")[1];

/** Counts the keys by kind, but for results of publishes, which expire after five minutes. */
function countKeys(port) {
  const counts = {};
  for (const key of redisCommand(port, "--scan").split("\n").filter(Boolean)) {
    const kind = kindOf(key);
    if (kind !== "id") counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

/** Checks `cluster` after each case of its run with so many clients. */
export function createChecks(cluster, count, { say, fail }) {
  let expected = count;
  let baseline;

  /** The members that all present clients see together, with those who left taken out of their rooms. */
  const membersWanted = () => {
    const gone = count - expected;
    return (count / MEMBERS_OF_ROOM - gone) * MEMBERS_OF_ROOM ** 2 + gone * (MEMBERS_OF_ROOM - 1) ** 2;
  };

  /** Adds up what the clients report. */
  async function report() {
    const [here, there] = await cluster.askClients("report");
    return Object.fromEntries(Object.keys(here).map((name) => [name, here[name] + there[name]]));
  }

  /** Waits until every client is attached, and returns the seconds that it took. */
  async function untilAttached() {
    const from = performance.now();
    for (;;) {
      const { attached, open } = await report();
      if (attached >= expected && open >= expected) return ((performance.now() - from) / 1_000).toFixed(1);
      if (performance.now() - from > ATTACHED_WITHIN_MS) {
        fail(`only ${attached} of ${expected} clients are attached after ${ATTACHED_WITHIN_MS / 1_000} s`);
        return "?";
      }
      await pause(200);
    }
  }

  /** Returns the number of the clients' timers, the lowest of several looks where it is high. */
  async function countTimers() {
    let { timers } = await report();
    for (let look = 1; look < TIMER_LOOKS && baseline && timers > baseline.timers + MORE_TIMERS; look++) {
      await pause(100);
      timers = Math.min(timers, (await report()).timers);
    }
    return timers;
  }

  async function checkGrowth(name, { sockets }) {
    const timers = await countTimers();
    const reports = await cluster.askNodes("report");
    const heapMiB = Math.max(...reports.map((node) => node.heapMiB));
    const keys = countKeys(cluster.ports.redis);
    baseline ??= { timers, heapMiB, keys };
    if (sockets > expected + 2) fail(`${name}: ${sockets} sockets of ${expected} clients`);
    if (timers > baseline.timers + MORE_TIMERS) fail(`${name}: ${timers} timers, and ${baseline.timers} before`);
    for (const node of reports) {
      if (node.sockets > node.conns + SOCKETS_BESIDE_CONNS)
        fail(`${name}: a node has ${node.sockets} sockets for ${node.conns} Conns`);
    }
    if (heapMiB > baseline.heapMiB + MORE_HEAP_MIB)
      fail(`${name}: the heap of a node has ${heapMiB.toFixed(0)} MiB, and ${baseline.heapMiB.toFixed(0)} before`);
    for (const [kind, number] of Object.entries(keys)) {
      if (number > (baseline.keys[kind] ?? 0))
        fail(`${name}: ${number} keys of ${kind}, ${baseline.keys[kind]} before`);
    }
    return `${sockets} sockets, ${timers} timers, ${heapMiB.toFixed(0)} MiB of heap`;
  }

  return {
    report,
    /** So many clients have left for good. */
    expectFewer(number) {
      expected -= number;
    },
    /**
     * Runs a case under load, and compares what remains of it. `gaps`: gaps are expected, and judged by the account at the
     * end. `leaves`: how many members may be seen to leave for good. `returns`: members leave, and come back. `moves`:
     * clients left a node that has ended, so that nobody may be seen to leave when its memberships end later, but for
     * clients that were away for longer than the grace, because the machine is busy.
     */
    async after(name, act, { gaps = false, leaves = 0, returns = false, moves = false } = {}) {
      const before = await report();
      await act();
      const seconds = await untilAttached();
      await pause(moves ? GRACE_MS : SETTLE_MS);
      const after = await report();
      const [received, missed, joined, left, late] = ["received", "gaps", "joined", "left", "late"].map(
        (key) => after[key] - before[key],
      );
      const rest = await checkGrowth(name, after);
      say(
        `${name}: attached ${seconds} s later; ${received} received, ${missed} gaps, ${joined} joins, ${left} leaves; ${rest}`,
      );
      if (!gaps && missed > 0) fail(`${name}: ${missed} gaps, and the log reached back`);
      if (returns && (left === 0 || left !== joined))
        fail(`${name}: ${left} leaves and ${joined} joins of members that return`);
      if (moves && late > 0 && left === joined && left <= late * MEMBERS_OF_ROOM)
        say(`${name}: ${late} clients were away for longer than the grace, and their members left`);
      else if (!returns && left !== leaves) fail(`${name}: ${left} leaves, not ${leaves}`);
      if (after.members !== membersWanted())
        fail(`${name}: members see ${after.members} members, not ${membersWanted()}`);
    },
  };
}
