// Subscribers of the channels bench, in a process of their own. All are bare `ws`, so that they cost the same whoever serves.
import { createRequire } from "node:module";

const { WebSocket } = createRequire(import.meta.url)("ws");
const [, , kind, port, count] = process.argv;
/** Dials at once: more would fill the queue of the listening socket. */
const AT_ONCE = 200;
const SUBSCRIBE = { jsonrpc: "2.0", method: "$/subscribe", id: 1 };
const AFTER = /"params":\["news",(?:"[^"]*"|null),"([^"]+)",/;
const SENT = /(\d{13}\.\d{3})\.*"/;
const url = `ws://127.0.0.1:${port}/feed${kind === "socket.io" ? "/?EIO=4&transport=websocket" : ""}`;

const sockets = [];
/** Where each subscriber of the hub stands. */
const positions = [];
let received = 0;
let delays = [];
let isTimed = false;
let arrived = Promise.resolve(0);
let whenReceived = { count: Number.POSITIVE_INFINITY, resolve: () => {} };

function onData(text) {
  received++;
  if (isTimed) delays.push(performance.timeOrigin + performance.now() - Number(SENT.exec(text)[1]));
  if (received >= whenReceived.count) whenReceived.resolve();
}

/** Opens the connection of one subscriber, and resolves when its subscription is there. */
function dial(i) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, { perMessageDeflate: false });
    sockets[i] = socket;
    socket.on("error", reject);
    socket.on("open", () => {
      if (kind === "ws") resolve();
      if (kind === "socket.io") socket.send("40");
      if (kind === "hub") {
        const params = { channels: { news: positions[i] ? { after: positions[i] } : {} } };
        socket.send(JSON.stringify({ ...SUBSCRIBE, params }));
      }
    });
    socket.on("message", (data) => {
      const text = data.toString();
      if (kind === "socket.io") {
        if (text === "2") socket.send("3");
        else if (text.startsWith("40")) resolve();
        else if (text.startsWith("42")) onData(text);
      } else if (kind === "hub" && text.includes('"$/attached"')) resolve();
      else if (text.includes('"$/message"')) {
        if (kind === "hub") positions[i] = AFTER.exec(text)?.[1];
        onData(text);
      }
    });
  });
}

async function dialAll() {
  const start = performance.now();
  for (let i = 0; i < Number(count); i += AT_ONCE) {
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, Number(count) - i) }, (_, j) => dial(i + j)));
  }
  return performance.now() - start;
}

const commands = {
  dial: dialAll,
  /** Begins to count anew, from before the first message is sent. */
  expect({ messages, timed = false }) {
    received = 0;
    delays = [];
    isTimed = timed;
    const start = performance.now();
    arrived = new Promise((resolve) => {
      whenReceived = { count: messages, resolve: () => resolve(performance.now() - start) };
    });
  },
  received: () => received,
  /** Resolves with the milliseconds in which the messages that are expected have come. */
  arrived: () => arrived,
  /** The delays within which these shares of the messages came, in milliseconds. */
  delays({ shares }) {
    delays.sort((a, b) => a - b);
    return shares.map((share) => delays[Math.floor(delays.length * share)]);
  },
  /** Has so many of the subscribers stop reading. */
  pause({ slow }) {
    for (const socket of sockets.slice(0, slow)) socket.pause();
  },
  /** Cuts all connections. */
  async drop() {
    await Promise.all(
      sockets.map(
        (socket) =>
          new Promise((resolve) => {
            socket.once("close", resolve);
            socket.terminate();
          }),
      ),
    );
  },
};
process.on("message", async ({ type, ...rest }) => {
  process.send({ type, answer: await commands[type](rest) });
});
process.send({ type: "ready" });
