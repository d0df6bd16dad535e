// @ts-check
import { json } from "tautline";
import { hub } from "tautline/hub";
import { rpc } from "tautline/rpc";
import { Market } from "./market.mjs";

/**
 * @typedef {import("./market.mjs").Product} Product
 * @typedef {{ market: string, n: number, products: Product[] }} Prices The `n`th list of a market.
 */

const TOP = 10;
const LASTS_MS = 86_400_000;

export const tickerCodec = json();

/**
 * Publishes the top products at every tick, to a channel of which only the newest list counts: a client that is slow, or was
 * away, gets the list of then, and costs no queue.
 */
export class Ticker {
  #market = new Market();
  #id = crypto.randomUUID();
  #topics = hub({
    channels: { prices: { history: { size: 1, ttlMs: LASTS_MS }, deliver: "newest" } },
    authorize: ({ action }) => action === "subscribe",
  });
  /** @type {NodeJS.Timeout} */
  #timer;
  #print;
  #clients = 0;
  #lists = 0;

  /** @param {{ everyMs: number, print: (line: string) => void }} options */
  constructor({ everyMs, print }) {
    this.#print = print;
    this.#publish();
    this.#timer = setInterval(() => {
      this.#market.tick();
      this.#publish();
    }, everyMs);
  }

  close() {
    clearInterval(this.#timer);
    return this.#topics.close();
  }

  /** @param {import("tautline/server").ServerConn<unknown, unknown>} conn */
  async serve(conn) {
    const client = `client ${++this.#clients}`;
    this.#print(`${client} connected`);
    conn.on("error", (error) => this.#print(`${client} error: ${error.message}`));
    conn.on("closed", ({ code }) => this.#print(`${client} gone, ${code}`));
    const peer = rpc(conn);
    for (const method of ["hello", "note"]) {
      peer.on(method, (/** @type {unknown} */ params) => this.#print(`${client} sent ${method} ${inJson(params)}`));
    }
    await this.#topics.serve(peer);
  }

  #publish() {
    /** @type {Prices} */
    const prices = { market: this.#id, n: ++this.#lists, products: this.#market.top(TOP) };
    this.#topics.publish("prices", prices).catch(() => {});
  }
}

/** @param {unknown} value */
function inJson(value) {
  try {
    return JSON.stringify(value) ?? "nothing";
  } catch {
    return "something nested too deeply to print";
  }
}
