// @ts-check
import { once } from "node:events";
import { createServer } from "node:http";
import { json } from "tautline";
import { handle, handler } from "tautline/server";
import { Chat } from "./uses/chat.mjs";
import { Game, gameCodec } from "./uses/game.mjs";
import { Meter, meterCodec } from "./uses/meter.mjs";
import { Numbers } from "./uses/numbers.mjs";
import { SystemWatch } from "./uses/system.mjs";
import { Ticker, tickerCodec } from "./uses/ticker.mjs";

const HOST = "127.0.0.1";
const MAX_PAYLOAD_BYTES = 16 * 1024;
const SHUTDOWN_MS = 500;
const DOWN_MS = 800;
/** Clients that have to go to another process leave this one over so long, and have so long to do so. */
const LEAVE = { spreadMs: 1_000, timeoutMs: 1_000 };
/** For all that is kept for clients who are away. */
const SESSIONS = { ttlMs: 60_000, maxSessions: 1_000, maxBytes: 32 * 2 ** 20 };
/** A boat without its sailor does not drift for long. */
const GAME_SESSIONS = { ...SESSIONS, ttlMs: 10_000 };
const OPTIONS = { maxPayloadBytes: MAX_PAYLOAD_BYTES, heartbeat: { intervalMs: 2_000, timeoutMs: 3_000 } };

/**
 * @typedef {object} Service One life of the server, between two restarts.
 * @property {import("node:http").Server} server
 * @property {{ shutdown: (options: { timeoutMs: number, spreadMs?: number }) => Promise<void> }[]} handlers
 * @property {() => { open: number, away: number }} countConns
 */

/**
 * The WebSockets of the demo, one path for each use. The state of the uses outlives a restart, as a database would; the
 * connections and their sessions do not.
 *
 * @param {object} options
 * @param {number} options.everyMs
 * @param {(line: string) => void} options.print
 * @param {() => number} [options.countSockets] Counts the connections on the line. Default those that are open here.
 * @param {(name: string) => import("tautline/hub").HubOptions["engine"]} [options.engineOf] Makes the engine of a hub.
 * Default the memory of this process.
 */
export async function createBackend({ everyMs, print, countSockets, engineOf }) {
  const chat = new Chat(engineOf?.("chat"));
  const game = new Game();
  const meter = new Meter();
  const numbers = new Numbers(engineOf?.("numbers"));
  const system = new SystemWatch(() => {
    const conns = service.countConns();
    return { ...conns, sockets: countSockets?.() ?? conns.open };
  });
  const ticker = new Ticker({ everyMs, print });

  const onError = (/** @type {unknown} */ error) => print(`error: ${error instanceof Error ? error.message : error}`);
  /** @type {Service} */
  let service = serve();
  await listen(0);
  const { port } = /** @type {import("node:net").AddressInfo} */ (service.server.address());

  /** @returns {Service} */
  function serve() {
    const options = { ...OPTIONS, onError };
    const resumed = { ...options, resume: SESSIONS };
    const values = { ...resumed, codec: json() };
    const paths = {
      "/websocket": handler((conn) => ticker.serve(conn), { ...resumed, codec: tickerCodec }),
      "/chat": handler((conn, request) => chat.serve(conn, pageOf(request), nameOf(request)), values),
      "/meter": handler((conn, request) => meter.serve(conn, pageOf(request)), { ...resumed, codec: meterCodec }),
      "/numbers": handler((conn, request) => numbers.serve(conn, pageOf(request)), values),
      "/game": handler((conn) => game.serve(conn), { ...options, resume: GAME_SESSIONS, codec: gameCodec }),
      "/system": handler((conn) => system.serve(conn), values),
    };
    const handlers = Object.values(paths);
    const countConns = () => {
      const conns = handlers.flatMap((served) => [...served.conns]);
      const open = conns.filter(({ state }) => state === "open").length;
      return { open, away: conns.length - open };
    };
    const server = createServer((_request, response) => response.writeHead(404).end());
    for (const [path, served] of Object.entries(paths)) handle(server, path, served);
    return { server, handlers, countConns };
  }

  /** @param {number} at */
  async function listen(at) {
    service.server.listen(at, HOST);
    await once(service.server, "listening");
  }

  async function stop() {
    service.server.close();
    await Promise.all(service.handlers.map((served) => served.shutdown({ timeoutMs: SHUTDOWN_MS })));
    service.server.closeAllConnections();
  }

  /** @type {Promise<void> | undefined} */
  let restarting;
  async function renew() {
    await stop();
    await new Promise((resolve) => setTimeout(resolve, DOWN_MS));
    service = serve();
    await listen(port);
    restarting = undefined;
  }

  return {
    port,
    /** Ends every connection and forgets every session, is away for a moment, and serves again. */
    restart() {
      restarting ??= renew();
      return restarting;
    },
    /** Sends every client away, to another process. */
    async leave() {
      await restarting;
      service.server.close();
      await Promise.all(service.handlers.map((served) => served.shutdown(LEAVE)));
    },
    async close() {
      await restarting;
      await stop();
      await Promise.all([chat, game, numbers, system, ticker].map((use) => use.close()));
    },
  };
}

/**
 * Returns the id that a page gives itself: the same on each of its connections, until the page is loaded again.
 *
 * @param {import("node:http").IncomingMessage} request
 */
function pageOf(request) {
  const page = queryOf(request).get("page") ?? "";
  return /^[\w-]{1,60}$/.test(page) ? page : "";
}

/** @param {import("node:http").IncomingMessage} request */
function nameOf(request) {
  return queryOf(request).get("name");
}

/** @param {import("node:http").IncomingMessage} request */
function queryOf({ url = "" }) {
  return new URL(url, "ws://localhost").searchParams;
}
