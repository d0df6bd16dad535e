// @ts-check
import { monitorEventLoopDelay } from "node:perf_hooks";
import { hub } from "tautline/hub";

/**
 * @typedef {object} System
 * @property {number} cpu Share of one core, 1 for all of it.
 * @property {number} memory Resident bytes.
 * @property {number} delayMs The longest that the event loop was late since the last look.
 * @property {number} open Conns whose client is there.
 * @property {number} away Conns that the server keeps for clients who may come back.
 * @property {number} sockets Connections on the line just now.
 */

const EVERY_MS = 500;
const RESOLUTION_MS = 10;
const LASTS_MS = 60_000;

/** Measures this very process, twice a second, for all who watch: a channel, to which nobody else publishes. */
export class SystemWatch {
  #topics = hub({
    channels: { system: { history: { size: 1, ttlMs: LASTS_MS }, deliver: "newest" } },
    authorize: ({ action }) => action === "subscribe",
  });
  #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #cpu = process.cpuUsage();
  #at = performance.now();
  #count;
  #timer = setInterval(() => this.#publish(), EVERY_MS);

  /** @param {() => Pick<System, "open" | "away" | "sockets">} count */
  constructor(count) {
    this.#count = count;
    this.#delay.enable();
  }

  close() {
    clearInterval(this.#timer);
    this.#delay.disable();
    return this.#topics.close();
  }

  /** @param {import("tautline/server").ServerConn<unknown, unknown>} conn */
  async serve(conn) {
    await this.#topics.serve(conn);
  }

  #publish() {
    const now = performance.now();
    const { user, system } = process.cpuUsage(this.#cpu);
    /** @type {System} */
    const look = {
      cpu: (user + system) / 1000 / (now - this.#at),
      memory: process.memoryUsage.rss(),
      // Less the resolution, because the histogram's figures include it.
      delayMs: Math.max(0, this.#delay.max / 1e6 - RESOLUTION_MS),
      ...this.#count(),
    };
    this.#cpu = process.cpuUsage();
    this.#at = now;
    this.#delay.reset();
    this.#topics.publish("system", look).catch(() => {});
  }
}
