// @ts-check
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { json as jsonBody } from "node:stream/consumers";
import { createBackend } from "./backend.mjs";
import { createCluster } from "./cluster/cluster.mjs";
import { enginesOn } from "./engines.mjs";
import { createFaults } from "./faults.mjs";
import { tunnel } from "./tunnel.mjs";

const MAX_BODY_BYTES = 256;

const SCRIPT = "text/javascript";
/** The package that codes CBOR, which a page without a bundler gets from here. */
const CBORG = new URL("./", import.meta.resolve("cborg"));
/** All that is served, read once: a request can name nothing else. */
const FILES = new Map([
  ["/", file("page/index.html", "text/html")],
  ["/style.css", file("page/style.css", "text/css")],
  ...[
    "page",
    "inspector",
    "lane",
    "log",
    "faults",
    "chat",
    "game",
    "ticker",
    "system",
    "meter",
    "numbers",
    "nodes",
    "chart",
  ].map((name) => /** @type {const} */ ([`/${name}.js`, file(`page/${name}.js`, SCRIPT)])),
  ...["frames", "ledger", "newest"].map(
    (name) => /** @type {const} */ ([`/shared/${name}.js`, file(`shared/${name}.js`, SCRIPT)]),
  ),
  ...filesOf(new URL("../dist/browser/", import.meta.url), /\.mjs$/).map(
    (name) => /** @type {const} */ ([`/package/${name}`, packaged(file(`../dist/browser/${name}`, SCRIPT))]),
  ),
  ...filesOf(CBORG, /^(cborg|lib\/.*)\.js$/).map(
    (name) => /** @type {const} */ ([`/cborg/${name}`, file(new URL(name, CBORG), SCRIPT)]),
  ),
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
 * A server of the page and, by way of a line that can be broken, of its WebSockets:
 *
 * page ═ this server ═ tunnel ═ fault proxy ═ backend
 *
 * Several nodes are as many backends, each in a process of its own, behind a balancer that has the place of the one.
 * The page itself and the switchboard of the faults are not behind the line, so that they work while it is broken.
 *
 * @param {{ everyMs: number, print: (line: string) => void, nodes?: number, redis?: string | undefined }} options
 * More than one node need an address of Redis.
 */
export async function createDemo({ everyMs, print, nodes = 1, redis }) {
  const cluster =
    nodes > 1 && redis !== undefined ? await createCluster({ count: nodes, redis, everyMs, print }) : undefined;
  const onError = (/** @type {unknown} */ error) => print(`error: ${error instanceof Error ? error.message : error}`);
  const backend =
    cluster ??
    (await createBackend({
      everyMs,
      print,
      countSockets: () => faults.proxy.connections,
      ...(redis === undefined ? {} : { engineOf: enginesOn(redis, onError) }),
    }));
  const faults = await createFaults(backend.port, backend.restart, cluster?.faults);
  /** @type {Set<import("node:net").Socket>} */
  const tunnels = new Set();

  const server = createServer((request, response) => {
    if (pathOf(request) === "/faults") causeFault(request, response);
    else if (pathOf(request) === "/nodes") listNodes(request, response);
    else serveFile(request, response);
  });
  server.on("upgrade", (request, socket, head) => {
    const client = /** @type {import("node:net").Socket} */ (socket);
    tunnels.add(client);
    client.on("close", () => tunnels.delete(client));
    tunnel(request, client, head, faults.proxy.port);
  });

  /** @type {import("node:http").RequestListener} */
  async function causeFault(request, response) {
    const { method, headers } = request;
    const answer = (/** @type {number} */ status, /** @type {unknown} */ body = {}) =>
      void response
        .writeHead(status, { ...HEADERS, "Content-Type": "application/json", Allow: "POST" })
        .end(JSON.stringify(body));
    if (method !== "POST") return answer(405);
    if (!isFromHere(headers)) return answer(403);
    if (!(Number(headers["content-length"]) <= MAX_BODY_BYTES)) return answer(413);
    try {
      const { fault } = Object(await jsonBody(request));
      const effect = await faults.cause(fault);
      if (effect) print(`fault: ${fault}`);
      answer(effect ? 200 : 400, effect);
    } catch {
      answer(400);
    }
  }

  /** Answers with the nodes and what each of them has of the page that asks: none where there is but one process. @type {import("node:http").RequestListener} */
  function listNodes({ url = "" }, response) {
    const page = new URL(url, "http://localhost").searchParams.get("page") ?? "";
    response
      .writeHead(200, { ...HEADERS, "Content-Type": "application/json" })
      .end(JSON.stringify({ nodes: cluster?.list(page) ?? [] }));
  }

  async function close() {
    server.close();
    await Promise.all([backend.close(), faults.proxy.heal()]);
    await faults.close();
    for (const client of tunnels) client.destroy();
    server.closeAllConnections();
  }

  return { server, close };
}

/**
 * Whether a request comes from our own page, and not from another site that the same browser visits.
 *
 * @param {import("node:http").IncomingHttpHeaders} headers
 */
function isFromHere({ origin = "", host, "content-type": type }) {
  return URL.canParse(origin) && new URL(origin).host === host && type === "application/json";
}

/** @param {import("node:http").IncomingMessage} request */
function pathOf({ url = "" }) {
  return url.replace(/\?.*/s, "");
}

/** @type {import("node:http").RequestListener} */
function serveFile(request, response) {
  const found = FILES.get(pathOf(request));
  const isRead = request.method === "GET" || request.method === "HEAD";
  if (!found) response.writeHead(404, HEADERS).end();
  else if (!isRead) response.writeHead(405, { ...HEADERS, Allow: "GET, HEAD" }).end();
  else response.writeHead(200, { ...HEADERS, "Content-Type": found.type }).end(found.body);
}

/**
 * @param {string | URL} path
 * @param {string} type
 */
function file(path, type) {
  return { body: readFileSync(new URL(path, import.meta.url), "utf8"), type: `${type}; charset=utf-8` };
}

/**
 * Names the one foreign package by its address, as an import map would, which our Content-Security-Policy does not allow.
 *
 * @param {ReturnType<typeof file>} script
 */
function packaged({ body, type }) {
  return { body: body.replace("from 'cborg'", "from '/cborg/cborg.js'"), type };
}

/**
 * Lists the files below a folder whose names fit.
 *
 * @param {URL} folder
 * @param {RegExp} pattern
 */
function filesOf(folder, pattern) {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return names.filter((name) => pattern.test(name)).map((name) => name.replaceAll("\\", "/"));
}
