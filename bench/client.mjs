// The process of one client: it does a task on request, and answers with the figures.
import { setTimeout } from "node:timers/promises";
import { getHeapSnapshot } from "node:v8";
import { clients, loadTautline } from "./adapters.mjs";
import { messages, observer, value } from "./workloads.mjs";

const [name, url] = process.argv.slice(2);

function open(path, options = {}, onMessage = () => {}) {
  return clients[name].open(`${url}${path}`, options, onMessage);
}

/** Measures the time and the CPU time of `work` for each of `count` messages. */
async function measured(count, work) {
  const startMs = performance.now();
  const cpu = process.cpuUsage();
  const more = await work();
  const { user, system } = process.cpuUsage(cpu);
  const ms = performance.now() - startMs;
  return { rate: (count / ms) * 1_000, cpuUs: (user + system) / count, ...more };
}

/** Tasks, each of which returns a function that does one round. */
const tasks = {
  ...messages(open, measured),

  /** Measures from the start of the process to its first message. */
  async start() {
    const { onMessage, each } = observer();
    const first = each(() => true);
    const client = await open("/echo", {}, onMessage);
    client.send("first");
    await first;
    const ms = performance.now();
    return () => ({ ms });
  },

  /** Measures the memory of so many idle connections. */
  async memory({ count }) {
    // Code and tables that are shared by all connections exist after these.
    await many(20);
    return async () => {
      const before = await memory();
      const held = await many(count);
      const after = await memory();
      for (const client of held) client.close();
      return { rssBytes: (after.rss - before.rss) / count, heapBytes: (after.heapUsed - before.heapUsed) / count };
    };
  },

  /** Measures the CPU time of so many connections that only ping. */
  async idle({ count, pingMs, ms }) {
    await many(count, { pingMs });
    await setTimeout(pingMs);
    return async () => {
      const pings = (count * ms) / pingMs;
      const { cpuUs } = await measured(pings, () => setTimeout(ms));
      return { cpuUs };
    };
  },

  /** Measures the memory that remains of so many connections that were made, opened and closed. */
  async leftovers({ count }) {
    const some = Math.min(count, 500);
    const generation = async () => {
      const clients = await many(some);
      for (const client of clients) client.close();
      await Promise.all(clients.map(({ ended }) => ended()));
    };
    await generation();
    await setTimeout(1_500);
    return async () => {
      const before = await memory();
      for (let made = 0; made < count; made += some) await generation();
      // Closed sockets linger for a second.
      await setTimeout(1_500);
      const after = await memory();
      return { keptBytes: (after.heapUsed - before.heapUsed) / count, left: await instances(["Conn", "WebSocket"]) };
    };
  },

  /** Echoes so many messages over so many connections. */
  async spread({ count, conns, bytes }) {
    const { onMessage, each } = observer();
    const clients = await many(conns, {}, onMessage);
    const data = value({ kind: "text", bytes });
    return () =>
      measured(count, async () => {
        let seen = 0;
        const done = each(() => ++seen === count);
        for (let sent = 0; sent < count; ) {
          for (let i = 0; i < 1_000 && sent < count; i++) clients[sent++ % conns].send(data);
          await clients[(sent - 1) % conns].room();
        }
        await done;
      });
  },

  /** Sends so many messages that first wait for a connection. */
  async drain({ count, bytes }) {
    const { Conn } = loadTautline("index", clients[name].isOther);
    const data = value({ kind: "text", bytes });
    return () =>
      measured(count, async () => {
        const conn = new Conn(`${url}/sink?every=${count}`, { autoConnect: false, outbox: { maxMessages: count } });
        for (let i = 0; i < count; i++) conn.send(data);
        conn.connect();
        await conn.receive();
        await conn.close();
      });
  },

  /** Delivers messages to so many listeners of one Conn. */
  async listeners({ count, bytes, listeners }) {
    const { Conn } = loadTautline("index", clients[name].isOther);
    const conn = new Conn(`${url}/flood?count=${count}&bytes=${bytes}`);
    let seen = 0;
    let done = () => {};
    for (let i = 0; i < listeners; i++) {
      conn.on("message", () => {
        if (++seen === count * listeners) done();
      });
    }
    await conn.ready();
    return () =>
      measured(count, async () => {
        seen = 0;
        const all = new Promise((resolve) => {
          done = resolve;
        });
        conn.send("go");
        await all;
      });
  },
};

/** Opens so many connections, a few at a time. */
async function many(count, options = {}, onMessage = undefined) {
  const all = [];
  while (all.length < count) {
    const some = Math.min(count - all.length, 100);
    all.push(...(await Promise.all(Array.from({ length: some }, () => open("/echo", options, onMessage)))));
  }
  return all;
}

async function memory() {
  for (let i = 0; i < 3; i++) {
    await setTimeout(100);
    globalThis.gc();
  }
  return process.memoryUsage();
}

/** Counts the objects of these classes in a heap snapshot. */
async function instances(classes) {
  let json = "";
  for await (const part of getHeapSnapshot()) json += part;
  const { nodes, strings, snapshot } = JSON.parse(json);
  const { node_fields: fields, node_types: types } = snapshot.meta;
  const object = types[fields.indexOf("type")].indexOf("object");
  let found = 0;
  for (let at = 0; at < nodes.length; at += fields.length) {
    if (nodes[at + fields.indexOf("type")] !== object) continue;
    if (classes.includes(strings[nodes[at + fields.indexOf("name")]])) found++;
  }
  return found;
}

let round;
process.on("message", async ({ task, options }) => {
  if (task) {
    round = await tasks[task](options);
    process.send("ready");
  } else process.send(await round());
});
process.on("disconnect", () => process.exit());
process.send("started");
