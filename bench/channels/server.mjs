// One server of the channels bench, in a process of its own: a hub, bare `ws` or socket.io, with one channel for all.
import { createServer } from "node:http";
import { createRequire } from "node:module";

const [, , kind, bytes] = process.argv;
const PATH = "/feed";
const HISTORY = { size: 500, ttlMs: 600_000 };
const server = createServer();
let reads = 0;

/** A message that says when it was sent, by the clock that all processes of this machine share. */
const message = () => (performance.timeOrigin + performance.now()).toFixed(3).padEnd(Number(bytes), ".");

/** Each starts a server, and returns a function that sends one message to all. */
const KINDS = {
  async hub() {
    const { json } = await import("../../dist/node/index.mjs");
    const { hub, memoryEngine } = await import("../../dist/node/hub.mjs");
    const { handle, handler } = await import("../../dist/node/server.mjs");
    const engine = new Proxy(memoryEngine(), {
      get(memory, name) {
        if (name === "read") reads++;
        const value = memory[name];
        return typeof value === "function" ? value.bind(memory) : value;
      },
    });
    const topics = hub({ engine, channels: { news: { history: HISTORY } }, authorize: () => true });
    handle(
      server,
      PATH,
      handler((conn) => topics.serve(conn), { codec: json() }),
    );
    return () => topics.publish("news", message());
  },
  async ws() {
    const { WebSocketServer } = createRequire(import.meta.url)("ws");
    const sockets = new WebSocketServer({ server, path: PATH, perMessageDeflate: false });
    // As many bytes as the hub sends, so that the two differ in nothing but the sender.
    return () => {
      const params = ["news", "dv-abcdef", "dw-abcdef", message()];
      const frame = Buffer.from(JSON.stringify({ jsonrpc: "2.0", method: "$/message", params }));
      for (const socket of sockets.clients) socket.send(frame, { binary: false });
    };
  },
  async "socket.io"() {
    const { Server } = await import("socket.io");
    const io = new Server(server, { path: PATH, transports: ["websocket"], perMessageDeflate: false });
    io.on("connection", (socket) => socket.join("news"));
    return () => {
      io.to("news").emit("message", message());
    };
  },
};
const publish = await KINDS[kind]();

const commands = {
  /** Sends so many messages, one a turn or one each `everyMs`. Answers with the CPU so far. */
  async publish({ count, everyMs }) {
    for (let n = 0; n < count; n++) {
      await publish();
      await new Promise((resolve) => (everyMs ? setTimeout(resolve, everyMs) : setImmediate(resolve)));
    }
  },
  report() {
    const { user, system } = process.cpuUsage();
    return { cpuUs: user + system, reads };
  },
};
process.on("message", async ({ type, ...rest }) => {
  process.send({ type, answer: await commands[type](rest) });
});
server.listen(0, "127.0.0.1", () => process.send({ type: "listening", answer: server.address().port }));
