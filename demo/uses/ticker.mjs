// @ts-check
import { Codec, json } from "tautline";
import { Market } from "./market.mjs";

/**
 * @typedef {import("./market.mjs").Product} Product
 * @typedef {{ type: string, data: unknown }} Command
 * @typedef {import("tautline/server").ServerConn<Command, Product[]>} TickerConn
 */

const TOP = 10;

/**
 * Products out, commands in. A message of another shape is the Conn's `error`, and iteration skips it.
 *
 * @type {Codec<Command, Product[]>}
 */
export const tickerCodec = new Codec({
  marshal: (products) => JSON.stringify(products),
  unmarshal: (payload) => checked(json().unmarshal(payload)),
});

/** Tells the top products at once and at every tick, as fast as each client takes them. */
export class Ticker {
  #market = new Market();
  /** @type {Promise<void>} */
  #tick;
  #ticked = () => {};
  /** @type {NodeJS.Timeout} */
  #timer;
  #print;
  #clients = 0;
  /** The number of prices sent to each page's ticker, and since when it has not taken the next. @type {Map<string, { sent: number, since: number }>} */
  #progress = new Map();

  /** @param {{ everyMs: number, print: (line: string) => void }} options */
  constructor({ everyMs, print }) {
    this.#print = print;
    this.#tick = this.#nextTick();
    this.#timer = setInterval(() => {
      this.#market.tick();
      const ticked = this.#ticked;
      this.#tick = this.#nextTick();
      ticked();
    }, everyMs);
  }

  close() {
    clearInterval(this.#timer);
  }

  /** Answers nothing for a page whose ticker is on another node. @param {string} page */
  progressOf(page) {
    const progress = this.#progress.get(page);
    if (!progress) return {};
    const { sent, since } = progress;
    return { sent, heldMs: since ? Math.round(performance.now() - since) : 0 };
  }

  /**
   * @param {TickerConn} conn
   * @param {string} page
   */
  async serve(conn, page) {
    const client = `client ${++this.#clients}`;
    this.#print(`${client} connected`);
    conn.on("error", (error) => this.#print(`${client} error: ${error.message}`));
    conn.on("closed", ({ code }) => {
      this.#progress.delete(page);
      this.#print(`${client} gone, ${code}`);
    });
    this.#tellPrices(conn, page);
    for await (const command of conn) this.#print(`${client} sent ${inJson(command)}`);
  }

  /**
   * @param {TickerConn} conn
   * @param {string} page
   */
  async #tellPrices(conn, page) {
    const progress = { sent: 0, since: 0 };
    this.#progress.set(page, progress);
    while (conn.state !== "closing" && conn.state !== "closed") {
      const tick = this.#tick;
      progress.since = performance.now();
      try {
        // Waits while the client takes no more: when it does again it gets the prices of then.
        await conn.send(this.#market.top(TOP));
      } catch {
        return;
      }
      progress.sent++;
      progress.since = 0;
      await tick;
    }
  }

  /** @returns {Promise<void>} */
  #nextTick() {
    return new Promise((resolve) => {
      this.#ticked = resolve;
    });
  }
}

/**
 * @param {unknown} message
 * @returns {Command}
 */
function checked(message) {
  const isObject = typeof message === "object" && message !== null;
  if (isObject && "data" in message && "type" in message && typeof message.type === "string") {
    return { type: message.type, data: message.data };
  }
  throw new TypeError(`expected { type, data }, got ${inJson(message)}`);
}

/** @param {unknown} value */
function inJson(value) {
  try {
    return JSON.stringify(value);
  } catch {
    return "something nested too deeply to print";
  }
}
