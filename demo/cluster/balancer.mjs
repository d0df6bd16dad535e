// @ts-check
import { once } from "node:events";
import { connect, createServer } from "node:net";

const HOST = "127.0.0.1";
/** The first line of a request is shorter. */
const MAX_FIRST_LINE = 2_048;
const FIRST_LINE_MS = 10_000;

/**
 * @typedef {object} Target A process that takes connections.
 * @property {number} port
 *
 * @typedef {object} Line A connection of a client, and the process that it went to.
 * @property {Target} target
 * @property {string} page
 * @property {string} pane
 */

/**
 * A load balancer of TCP connections, without stickiness: each goes to the process that has the fewest. The first line of
 * the request is read only to know which pane of which page is where.
 *
 * @param {() => Target[]} targets The processes that take connections just now.
 */
export async function createBalancer(targets) {
  /** @type {Set<Line>} */
  const lines = new Set();
  /** @type {Set<import("node:net").Socket>} */
  const sockets = new Set();
  let turn = 0;

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    sockets.add(client);
    client.on("close", () => sockets.delete(client));
    client.on("error", () => {});
    client.setTimeout(FIRST_LINE_MS, () => client.destroy());
    let head = Buffer.alloc(0);
    client.on("data", function read(/** @type {Buffer} */ chunk) {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf("\r\n");
      if (end < 0 && head.length < MAX_FIRST_LINE) return;
      client.off("data", read);
      client.pause();
      client.setTimeout(0);
      forward(client, head, end < 0 ? "" : head.toString("latin1", 0, end));
    });
  });
  server.listen(0, HOST);
  await once(server, "listening");

  /**
   * @param {import("node:net").Socket} client
   * @param {Buffer} head What was read of it.
   * @param {string} firstLine
   */
  function forward(client, head, firstLine) {
    const target = next();
    if (!target) return client.destroy();
    const line = { target, ...paneOf(firstLine) };
    lines.add(line);
    const node = connect({ port: target.port, host: HOST, allowHalfOpen: true, noDelay: true });
    node.write(head);
    client.on("error", () => node.resetAndDestroy());
    node.on("error", () => client.resetAndDestroy());
    client.on("close", () => node.destroy());
    node.on("close", () => {
      lines.delete(line);
      client.destroySoon();
    });
    client.pipe(node).pipe(client);
  }

  /** The process with the fewest connections, and among equals each in its turn. @returns {Target | undefined} */
  function next() {
    const all = targets();
    const counts = new Map(all.map((target) => [target, 0]));
    for (const { target } of lines) if (counts.has(target)) counts.set(target, (counts.get(target) ?? 0) + 1);
    const least = Math.min(...counts.values());
    const fewest = all.filter((target) => counts.get(target) === least);
    return fewest[turn++ % fewest.length];
  }

  return {
    port: /** @type {import("node:net").AddressInfo} */ (server.address()).port,
    /**
     * Lists the panes of a page with the process that each one's newest connection went to.
     *
     * @param {string} page
     */
    panesOf(page) {
      const panes = new Map();
      for (const line of lines) {
        if (line.page === page || line.page.startsWith(`${page}-`)) panes.set(line.pane, line.target);
      }
      return panes;
    },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** @param {string} firstLine */
function paneOf(firstLine) {
  const [, path = "/"] = firstLine.split(" ");
  if (!URL.canParse(path, "ws://node")) return { page: "", pane: "" };
  const { searchParams } = new URL(path, "ws://node");
  return { page: searchParams.get("page") ?? "", pane: searchParams.get("pane") ?? "" };
}
