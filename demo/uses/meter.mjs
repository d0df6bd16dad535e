// @ts-check
import { Codec, json } from "tautline";
import { Ledger } from "../shared/ledger.js";

/**
 * @typedef {{ type: "hello", last: number } | { type: "count", n: number } | { type: "flood" } | { type: "ping" }} Up
 * @typedef {{ received: number, lost: number, doubled: number }} Figures
 * @typedef {{ type: "welcome", boot: string, last: number } | { type: "count", n: number, up: Figures } | { type: "pong" }} Down
 * @typedef {import("tautline/server").ServerConn<Up, Down>} MeterConn
 * @typedef {{ up: Ledger, sent: number, backlog: (string | Uint8Array)[] }} Account
 */

const EVERY_MS = 50;
const FLOOD = { rounds: 60, messages: 50 };
const MAX_ACCOUNTS = 1_000;
const BOOT = crypto.randomUUID();

/** @type {Codec<Up, Down>} */
export const meterCodec = new Codec({
  marshal: (down) => JSON.stringify(down),
  unmarshal: (payload) => checked(json().unmarshal(payload)),
});

/** Numbers messages in one direction, and counts numbered ones in the other: accounts that no connection can falsify. */
export class Meter {
  /** @type {Map<string, Account>} */
  #accounts = new Map();

  /**
   * @param {MeterConn} conn
   * @param {string} name Whose account it is: the same after a reconnection.
   */
  async serve(conn, name) {
    const account = this.#accountOf(name);
    let flood = 0;
    const send = () => conn.send({ type: "count", n: ++account.sent, up: account.up.figures });
    const timer = setInterval(() => {
      if (conn.state === "closing" || conn.state === "closed") return;
      const messages = flood > 0 ? FLOOD.messages : 1;
      if (flood > 0) flood--;
      for (let n = 0; n < messages; n++) send();
    }, EVERY_MS);
    conn.on("closed", ({ unsent, inDoubt }) => {
      clearInterval(timer);
      account.backlog = [...inDoubt, ...unsent];
    });
    await conn.send({ type: "welcome", boot: BOOT, last: account.up.last });
    for await (const up of conn) {
      if (up.type === "count") account.up.count(up.n);
      else if (up.type === "flood") flood = FLOOD.rounds;
      else if (up.type === "ping") conn.send({ type: "pong" }, { volatile: true });
      else {
        // Messages of an earlier session are sent again, except those that this client has counted.
        const missed = account.backlog.splice(0).filter((payload) => numberOf(payload) > up.last);
        for (const payload of missed) conn.write(payload);
      }
    }
  }

  /** @param {string} name */
  #accountOf(name) {
    const account = this.#accounts.get(name) ?? { up: new Ledger(), sent: 0, backlog: [] };
    // The one longest unused goes first.
    this.#accounts.delete(name);
    this.#accounts.set(name, account);
    for (const oldest of this.#accounts.keys()) {
      if (this.#accounts.size <= MAX_ACCOUNTS) break;
      this.#accounts.delete(oldest);
    }
    return account;
  }
}

/** @param {string | Uint8Array} payload One of our own. */
function numberOf(payload) {
  const { n = 0 } = /** @type {{ n?: number }} */ (json().unmarshal(payload));
  return n;
}

/**
 * @param {unknown} message
 * @returns {Up}
 */
function checked(message) {
  const { type, n, last } = Object(message);
  if (type === "count" && Number.isSafeInteger(n)) return { type, n };
  if (type === "hello" && Number.isSafeInteger(last)) return { type, last };
  if (type === "flood" || type === "ping") return { type };
  throw new TypeError("expected count, hello, flood or ping");
}
