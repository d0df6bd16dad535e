// @ts-check
import { createBalancer } from "./balancer.mjs";
import { NodeProcess } from "./node-process.mjs";

/** How long a killed node is away. */
const AWAY_MS = 1_500;

/** @typedef {{ number: number, process: NodeProcess }} Slot A number, and the process that has it now. */

/**
 * Several processes behind a balancer. A process that ends is replaced.
 *
 * @param {{ count: number, redis: string, everyMs: number, print: (line: string) => void }} options
 */
export async function createCluster({ count, redis, everyMs, print }) {
  /** All that run, with those that leave. @type {Set<NodeProcess>} */
  const running = new Set();
  /** @type {Slot[]} */
  const slots = [];
  for (let number = 1; number <= count; number++) slots.push({ number, process: start(number) });
  const balancer = await createBalancer(() => slots.map(({ process }) => process).filter(({ isReady }) => isReady));
  let isClosed = false;
  for (const slot of slots) watch(slot);
  try {
    await Promise.all(slots.map(({ process }) => process.started));
  } catch (error) {
    close();
    throw error;
  }

  /** @param {number} number */
  function start(number) {
    const process = new NodeProcess({ number, redis, everyMs });
    running.add(process);
    process.started.catch(() => {});
    process.ended.then(() => running.delete(process));
    return process;
  }

  /** Replaces a process that ends while it has the number. @param {Slot} slot */
  async function watch(slot) {
    const { process } = slot;
    await process.ended;
    if (slot.process !== process || isClosed) return;
    print(`node ${slot.number} ended`);
    await new Promise((resolve) => setTimeout(resolve, AWAY_MS));
    if (slot.process !== process || isClosed) return;
    slot.process = start(slot.number);
    watch(slot);
  }

  /** A new process takes over, and then the old one leaves. @param {Slot} slot */
  async function renew(slot) {
    const old = slot.process;
    const fresh = start(slot.number);
    try {
      await fresh.started;
    } catch {
      // The old one goes on.
      return;
    }
    if (slot.process !== old) {
      // It was killed meanwhile, and has a successor.
      await fresh.kill();
      return;
    }
    slot.process = fresh;
    watch(slot);
    await old.leave();
    print(`node ${slot.number} rolled`);
  }

  async function rollAll() {
    for (const slot of slots) await renew(slot);
    rolling = undefined;
  }

  /** @type {Promise<void> | undefined} */
  let rolling;

  function close() {
    isClosed = true;
    balancer.close();
    return Promise.all([...running].map((process) => process.kill()));
  }

  return {
    port: balancer.port,
    /** All nodes at once: their connections and sessions end. */
    async restart() {
      await Promise.all(slots.map(({ process }) => process.restart()));
    },
    /** Faults of nodes, by name. */
    faults: {
      roll() {
        rolling ??= rollAll();
        return rolling;
      },
      ...Object.fromEntries(slots.map((slot) => [`kill-${slot.number}`, () => slot.process.kill()])),
    },
    /**
     * Lists the nodes, and which panes of a page each of them has.
     *
     * @param {string} page
     */
    list(page) {
      const panes = [...balancer.panesOf(page)];
      return slots.map(({ number, process }) => ({
        number,
        pid: process.pid,
        isReady: process.isReady,
        panes: panes.filter(([, target]) => target === process).map(([pane]) => pane),
      }));
    },
    close,
  };
}
