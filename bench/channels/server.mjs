// One server of the channels bench, in a process of its own: a hub, bare `ws` or socket.io, with one channel for all.
import { createServer } from "node:http";
import { createRequire } from "node:module";

const [, , kind, bytes] = process.argv;
const PATH = "/feed";
const HISTORY = { size: 500, ttlMs: 600_000 };
/** The hub's `markBytes`, above which it sends a client nothing. */
const MARK_BYTES = 65_536;
const server = createServer();
let reads = 0;

/** A message that says when it was sent, by the clock that all processes of this machine share. */
const message = (size) => (performance.timeOrigin + performance.now()).toFixed(3).padEnd(size, ".");

/** Each starts a server: how it sends one message to all, cuts all connections and forgets them, and how many are full. */
const KINDS = {
  async hub() {
    const { json } = await import("../../dist/node/index.mjs");
    const { hub, memoryEngine } = await import("../../dist/node/hub.mjs");
    const { handle, handler } = await import("../../dist/node/server.mjs");
    // Outlives a hub, as an engine outside of the process would.
    const memory = memoryEngine();
    const engine = new Proxy(memory, {
      get(_target, name) {
        if (name === "close") return async () => {};
        if (name === "read") return countedRead;
        const value = memory[name];
        return typeof value === "function" ? value.bind(memory) : value;
      },
    });
    const countedRead = (channel, ...rest) => {
      if (channel === "news") reads++;
      return memory.read(channel, ...rest);
    };
    const start = () => hub({ engine, channels: { news: { history: HISTORY } }, authorize: () => true });
    let topics = start();
    const served = handler((conn) => topics.serve(conn), { codec: json() });
    handle(server, PATH, served);
    return {
      publish: (size) => topics.publish("news", message(size)),
      async restart() {
        await topics.close();
        topics = start();
      },
      countFull: () => [...served.conns].filter(({ bufferedAmount }) => bufferedAmount > MARK_BYTES).length,
    };
  },
  async ws() {
    const { WebSocketServer } = createRequire(import.meta.url)("ws");
    const sockets = new WebSocketServer({ server, path: PATH, perMessageDeflate: false });
    return {
      publish(size) {
        // As long as the frames of the hub, so that the two differ in nothing but the sender.
        const params = ["news", "dv-abcdef", "dw-abcdef", message(size)];
        const frame = Buffer.from(JSON.stringify({ jsonrpc: "2.0", method: "$/message", params }));
        for (const socket of sockets.clients) socket.send(frame, { binary: false });
      },
      async restart() {},
    };
  },
  async "socket.io"() {
    const { Server } = await import("socket.io");
    const io = new Server(server, { path: PATH, transports: ["websocket"], perMessageDeflate: false });
    io.on("connection", (socket) => socket.join("news"));
    return {
      publish(size) {
        io.to("news").emit("message", message(size));
      },
    };
  },
};
const { publish, restart, countFull = () => 0 } = await KINDS[kind]();

const commands = {
  /** Sends so many messages, one a turn or one each `everyMs`. */
  async publish({ count, everyMs, size = Number(bytes) }) {
    for (let n = 0; n < count; n++) {
      await publish(size);
      await new Promise((resolve) => (everyMs ? setTimeout(resolve, everyMs) : setImmediate(resolve)));
    }
  },
  restart: () => restart(),
  report() {
    const { user, system } = process.cpuUsage();
    return { cpuUs: user + system, systemUs: system, reads, full: countFull() };
  },
};
process.on("message", async ({ type, ...rest }) => {
  process.send({ type, answer: await commands[type](rest) });
});
server.listen(0, "127.0.0.1", () => process.send({ type: "listening", answer: server.address().port }));
