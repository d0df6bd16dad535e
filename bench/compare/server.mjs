import { createServer } from "node:http";
import { Server } from "socket.io";
import { WebSocketServer } from "ws";
import { handler } from "../../dist/node/server.mjs";

const CENTRIFUGE_PING_S = 25;

/**
 * Starts a server on loopback that speaks the client's protocol, records its messages and keeps its connections. With
 * `drops` it ends each connection as soon as it is open.
 *
 * @param {"ws" | "socket.io" | "centrifuge"} speaks
 * @param {{ drops?: boolean }} [options]
 */
export async function serve(speaks, { drops = false } = {}) {
  /** @type {string[]} */
  const received = [];
  let connections = 0;
  const server = createServer();
  /** @type {Set<import("node:stream").Duplex>} */
  const sockets = new Set();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  if (speaks === "socket.io") {
    const io = new Server(server);
    io.engine.on("connection", (/** @type {{ close(): void }} */ socket) => {
      connections++;
      if (drops) socket.close();
    });
    io.on("connection", (socket) => socket.on("message", (text) => received.push(text)));
  } else if (speaks === "ws") {
    const served = handler(
      (conn) => {
        connections++;
        if (drops) conn.close(1011);
        else conn.on("message", (payload) => received.push(String(payload)));
      },
      drops ? {} : { resume: {} },
    );
    server.on("upgrade", served.upgrade);
  } else {
    new WebSocketServer({ server }).on("connection", (socket) => {
      connections++;
      if (drops) return socket.close(1011);
      socket.on("message", (data) => {
        for (const line of String(data).split("\n")) {
          const { id, connect, send } = JSON.parse(line);
          const client = { client: "one", version: "1", ping: CENTRIFUGE_PING_S, pong: true };
          if (connect) socket.send(JSON.stringify({ id, connect: client }));
          if (send) received.push(send.data);
        }
      });
      const pings = setInterval(() => socket.send("{}"), CENTRIFUGE_PING_S * 1_000);
      socket.on("close", () => clearInterval(pings));
    });
  }
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    port,
    received,
    connections: () => connections,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
