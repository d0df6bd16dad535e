// One node of the Redis bench, in a process of its own: a hub, socket.io with one of its adapters, or bare ws.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { createClient } from "@redis/client";

const [, , kind, redisPort, bytes] = process.argv;
const PATH = "/feed";
const HISTORY = { size: 500, ttlMs: 600_000 };
const server = createServer();
const redis = (options) => createClient({ ...options, socket: { host: "127.0.0.1", port: Number(redisPort) } });

/** A message that says when it was sent, by the clock that all processes of this machine share. */
const message = () => (performance.timeOrigin + performance.now()).toFixed(3).padEnd(Number(bytes), ".");

async function startHub(history) {
  const { json } = await import("../../dist/node/index.mjs");
  const { hub } = await import("../../dist/node/hub.mjs");
  const { redisEngine } = await import("../../dist/node/engines/redis.mjs");
  const { handle, handler } = await import("../../dist/node/server.mjs");
  const topics = hub({
    engine: redisEngine({ client: redis() }),
    channels: { news: { history }, "room:*": { history } },
    authorize: () => true,
  });
  handle(
    server,
    PATH,
    handler((conn) => topics.serve(conn), { codec: json() }),
  );
  return { publish: (channel, data) => topics.publish(channel, data) };
}

async function startSocketIo(adapterOf) {
  const { Server } = await import("socket.io");
  // Both adapters are written for replies of RESP 2.
  const client = await redis({ RESP: 2 }).connect();
  const adapter = await adapterOf(client);
  const io = new Server(server, { path: PATH, transports: ["websocket"], perMessageDeflate: false, adapter });
  io.on("connection", (socket) => socket.join("news"));
  return { publish: (channel, data) => io.to(channel).emit("message", data) };
}

const KINDS = {
  hub: () => startHub(HISTORY),
  "hub without history": () => startHub(undefined),
  "socket.io redis": () =>
    startSocketIo(async (client) => {
      const { createAdapter } = await import("@socket.io/redis-adapter");
      return createAdapter(client, await client.duplicate().connect());
    }),
  "socket.io streams": () =>
    startSocketIo(async (client) => {
      const { createAdapter } = await import("@socket.io/redis-streams-adapter");
      return createAdapter(client);
    }),
  async ws() {
    const { WebSocketServer } = createRequire(import.meta.url)("ws");
    new WebSocketServer({ server, path: PATH, perMessageDeflate: false });
    return { publish: () => {} };
  },
};
const { publish } = await KINDS[kind]();

const commands = {
  /** Sends so many messages, one each `everyMs`. */
  async publish({ count, everyMs }) {
    for (let n = 0; n < count; n++) {
      await publish("news", message());
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  },
  report() {
    globalThis.gc?.();
    const { user, system } = process.cpuUsage();
    return { cpuUs: user + system, rssBytes: process.memoryUsage.rss() };
  },
  /** Sends one message to each of so many rooms. */
  async publishToRooms({ rooms }) {
    await Promise.all(Array.from({ length: rooms }, (_, i) => publish(`room:${i}`, message())));
  },
};
process.on("message", async ({ type, ...rest }) => {
  process.send({ type, answer: await commands[type](rest) });
});
server.listen(0, "127.0.0.1", () => process.send({ type: "listening", answer: server.address().port }));
