// @ts-check
import { hub, memoryEngine } from "tautline/hub";
import { RpcError, rpc } from "tautline/rpc";

/**
 * @typedef {{ id: number, author: string, name: string, text: string, at: number }} Line
 * @typedef {import("tautline/server").ServerConn<unknown, unknown>} ChatConn
 */

const MAX_ROOMS = 100;
const MAX_BYTES = 8 * 2 ** 20;
const HISTORY = { size: 100, ttlMs: 3_600_000 };
const MAX_NAME = 24;
const MAX_TEXT = 500;
const INVALID_PARAMS = -32602;

/**
 * Rooms that outlive the connections of those who are in them: each is a channel with a history. Clients subscribe by
 * themselves, and speak by calls, so that a line has the name and the time that the server gives it.
 */
export class Chat {
  #topics;

  /** @param {import("tautline/hub").HubOptions["engine"]} [engine] */
  constructor(engine = memoryEngine({ maxLogs: 2 * MAX_ROOMS, maxBytes: MAX_BYTES })) {
    this.#topics = hub({
      engine,
      channels: { "chat:*": { history: HISTORY, presence: true }, "typing:*": {} },
      authorize: ({ action }) => action !== "publish",
    });
  }

  /**
   * @param {ChatConn} conn
   * @param {string} author Who sends: the same after a reconnection.
   * @param {string | null} given The name to show.
   */
  async serve(conn, author, given) {
    const name = words(given ?? "a stranger", MAX_NAME);
    const peer = rpc(conn, { handlers: { say: (params) => this.#say(author, name, params) } });
    peer.on("typing", (params) => this.#type(author, name, params));
    await this.#topics.serve(peer, { id: author || undefined, info: { name } });
  }

  close() {
    return this.#topics.close();
  }

  /**
   * @param {string} author
   * @param {string} name
   * @param {unknown} params
   */
  async #say(author, name, params) {
    const { room, id, text } = Object(params);
    if (!Number.isSafeInteger(id)) throw new RpcError(INVALID_PARAMS, "id must be a whole number");
    /** @type {Line} */
    const line = { id, author, name, text: words(text, MAX_TEXT), at: Date.now() };
    // The id: a call that is made again after a lost answer appends nothing.
    await this.#topics.publish(`chat:${words(room, MAX_NAME)}`, line, { id: `${author}:${id}` });
  }

  /**
   * @param {string} author
   * @param {string} name
   * @param {unknown} params
   */
  #type(author, name, params) {
    const { room } = Object(params);
    // Without a history: nobody wants to know later who was typing.
    this.#topics.publish(`typing:${words(room, MAX_NAME)}`, { author, name }).catch(() => {});
  }
}

/**
 * One line of text, without what could turn the reading direction of its neighbours.
 *
 * @param {unknown} value
 * @param {number} max
 */
function words(value, max) {
  const text = typeof value === "string" ? value.replace(/[\p{Cc}\p{Bidi_Control}\p{Cs}]/gu, " ").trim() : "";
  if (text === "" || text.length > max) throw new RpcError(INVALID_PARAMS, `expected 1 to ${max} characters`);
  return text;
}
