// @ts-check
import { hub, memoryEngine } from "tautline/hub";
import { RpcError, rpc } from "tautline/rpc";

/** Each number of a page for a minute: more than the longest fault and a flood. */
const HISTORY = { size: 8_000, ttlMs: 60_000 };
const MAX_PAGES = 100;
const MAX_BYTES = 16 * 2 ** 20;
/** A page has fewer calls under way. */
const MAX_HANDLERS = 256;
const INVALID_PARAMS = -32602;

/**
 * Numbers of each page, by way of a channel: the page calls with a number, whichever node it is connected to, and reads
 * its numbers from the log. So what nodes lose or double on the way shows in the page's own account.
 */
export class Numbers {
  #topics;

  /** @param {import("tautline/hub").HubOptions["engine"]} [engine] */
  constructor(engine = memoryEngine({ maxLogs: MAX_PAGES, maxBytes: MAX_BYTES })) {
    this.#topics = hub({
      engine,
      channels: { "numbers:*": { history: HISTORY } },
      authorize: ({ client, channel, action }) => action === "subscribe" && channel === `numbers:${client}`,
    });
  }

  /**
   * @param {import("tautline/server").ServerConn<unknown, unknown>} conn
   * @param {string} page Whose numbers they are: the same on every node.
   */
  async serve(conn, page) {
    const handlers = {
      count: (/** @type {unknown} */ params) => this.#count(page, params),
      ping: () => null,
    };
    const peer = rpc(conn, { handlers, maxHandlers: MAX_HANDLERS });
    await this.#topics.serve(peer, { id: page || undefined });
  }

  close() {
    return this.#topics.close();
  }

  /**
   * @param {string} page
   * @param {unknown} params
   */
  async #count(page, params) {
    const { n } = Object(params);
    if (!Number.isSafeInteger(n)) throw new RpcError(INVALID_PARAMS, "n must be a whole number");
    // The id: a number that is called again, on this node or another, is in the log once.
    await this.#topics.publish(`numbers:${page}`, n, { id: `${page}:${n}` });
  }
}
