// The page of one client: it does a task on request, and answers with the figures.
import { Conn } from "../dist/tautline.min.mjs";
import { HIGH_WATER_BYTES, messages } from "./workloads.mjs";

const clients = {
  async native(url, heard) {
    const socket = new WebSocket(url);
    socket.onmessage = ({ data }) => heard(data);
    await new Promise((resolve) => {
      socket.onopen = resolve;
    });
    return {
      send: (value) => socket.send(value),
      async room() {
        do await turn();
        while (socket.bufferedAmount > HIGH_WATER_BYTES);
      },
    };
  },
  async tautline(url, heard) {
    const conn = new Conn(url);
    conn.on("message", heard);
    let last;
    await conn.ready();
    return {
      send: (value) => {
        last = conn.send(value);
      },
      async room() {
        await last;
        await turn();
      },
    };
  },
};

const { port1, port2 } = new MessageChannel();

/** The next turn. A timer would wait 4 ms for it. */
function turn() {
  return new Promise((resolve) => {
    port1.onmessage = resolve;
    port2.postMessage("");
  });
}

async function measured(count, work) {
  const startMs = performance.now();
  const more = await work();
  return { rate: (count / (performance.now() - startMs)) * 1_000, ...more };
}

/** Makes ready for rounds of `task`. */
globalThis.prepare = async ({ client, url, task, options }) => {
  const open = (path, _options, heard) => clients[client](`${url}${path}`, heard);
  globalThis.round = await messages(open, measured)[task](options);
};
