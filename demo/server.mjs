// @ts-check
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { Codec, json } from "tautline";
import { handle, handler } from "tautline/server";
import { Market } from "./market.mjs";

/**
 * @typedef {import("./market.mjs").Product} Product
 * @typedef {{ type: string, data: unknown }} Command
 */

const TOP = 10;
const MAX_PAYLOAD_BYTES = 16 * 1024;
const SHUTDOWN_MS = 500;

/** All that is served, read once: a request can name nothing else. */
const FILES = new Map([
  ["/", file("page/index.html", "text/html")],
  ["/page.js", file("page/page.js", "text/javascript")],
  ["/style.css", file("page/style.css", "text/css")],
  ["/tautline.min.js", file("../dist/tautline.min.js", "text/javascript")],
]);
const HEADERS = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cache-Control": "no-cache",
};

/**
 * Products out, commands in. A message of another shape is the Conn's `error`, and iteration skips it.
 *
 * @type {Codec<Command, Product[]>}
 */
const codec = new Codec({
  marshal: (products) => JSON.stringify(products),
  unmarshal: (payload) => checked(json().unmarshal(payload)),
});

/**
 * A server of the page and of its WebSocket, which tells the top products at once and every `everyMs`, and prints what
 * clients send.
 *
 * @param {{ everyMs: number, print: (line: string) => void }} options
 */
export function createDemo({ everyMs, print }) {
  const market = new Market();
  /** @type {Set<import("tautline/server").ServerConn<Command, Product[]>>} */
  const watchers = new Set();
  let clients = 0;

  const sockets = handler(
    async (conn, request) => {
      const client = `client ${++clients}`;
      print(`${client} connected`);
      conn.on("error", (error) => print(`${client} error: ${error.message}`));
      conn.on("closed", ({ code }) => {
        watchers.delete(conn);
        print(`${client} gone, ${code}`);
      });
      watchers.add(conn);
      conn.send(market.top(TOP));
      for await (const command of conn) {
        print(`${client} sent ${inJson(command)}`);
        if (command.type === "cut") request.socket.destroy();
      }
    },
    { codec, maxPayloadBytes: MAX_PAYLOAD_BYTES },
  );

  const timer = setInterval(() => {
    market.tick();
    const products = market.top(TOP);
    for (const conn of watchers) {
      // The key: a client that can't keep up gets the latest prices instead of all of them.
      if (conn.state === "open") conn.send(products, { key: "products" });
    }
  }, everyMs);

  const server = createServer(serveFile);
  handle(server, "/websocket", sockets);

  async function close() {
    clearInterval(timer);
    server.close();
    await sockets.shutdown({ timeoutMs: SHUTDOWN_MS });
    server.closeAllConnections();
  }

  return { server, close };
}

/** @type {import("node:http").RequestListener} */
function serveFile({ method = "", url = "" }, response) {
  const found = FILES.get(url.replace(/\?.*/s, ""));
  const isRead = method === "GET" || method === "HEAD";
  if (!found) response.writeHead(404, HEADERS).end();
  else if (!isRead) response.writeHead(405, { ...HEADERS, Allow: "GET, HEAD" }).end();
  else response.writeHead(200, { ...HEADERS, "Content-Type": found.type }).end(found.body);
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

/**
 * @param {string} path
 * @param {string} type
 */
function file(path, type) {
  return { body: readFileSync(new URL(path, import.meta.url)), type: `${type}; charset=utf-8` };
}
