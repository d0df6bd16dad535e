// @ts-check
import { monitorEventLoopDelay } from "node:perf_hooks";

/**
 * @typedef {object} System
 * @property {number} cpu Share of one core, 1 for all of it.
 * @property {number} memory Resident bytes.
 * @property {number} delayMs The longest that the event loop was late since the last look.
 * @property {number} open Conns whose client is there.
 * @property {number} away Conns that the server keeps for clients who may come back.
 * @property {number} sockets Connections on the line just now.
 * @property {{ sent: number, heldMs: number }} ticker How this page's ticker gets on.
 */

const EVERY_MS = 500;
const RESOLUTION_MS = 10;

/** Measures this very process, twice a second, for all who watch. */
export class SystemWatch {
  #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #cpu = process.cpuUsage();
  #at = performance.now();
  #look = { cpu: 0, memory: process.memoryUsage.rss(), delayMs: 0 };
  /** @type {Map<import("tautline/server").ServerConn<never, System>, () => object>} */
  #watchers = new Map();
  #timer = setInterval(() => this.#tell(), EVERY_MS);

  constructor() {
    this.#delay.enable();
  }

  close() {
    clearInterval(this.#timer);
    this.#delay.disable();
  }

  /**
   * @param {import("tautline/server").ServerConn<never, System>} conn
   * @param {() => Pick<System, "open" | "away" | "sockets" | "ticker">} count
   */
  serve(conn, count) {
    this.#watchers.set(conn, count);
    conn.on("closed", () => this.#watchers.delete(conn));
    conn.send({ ...this.#look, ...count() });
  }

  #tell() {
    const now = performance.now();
    const { user, system } = process.cpuUsage(this.#cpu);
    this.#look = {
      cpu: (user + system) / 1000 / (now - this.#at),
      memory: process.memoryUsage.rss(),
      // Less the resolution, because the histogram's figures include it.
      delayMs: Math.max(0, this.#delay.max / 1e6 - RESOLUTION_MS),
    };
    this.#cpu = process.cpuUsage();
    this.#at = now;
    this.#delay.reset();
    for (const [conn, count] of this.#watchers) {
      // The key: who comes back after a while gets the latest figures, and not all that he missed.
      if (conn.state !== "closing") conn.send({ ...this.#look, .../** @type {any} */ (count()) }, { key: "system" });
    }
  }
}
