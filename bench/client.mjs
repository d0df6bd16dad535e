// One client's process: it does a task when told, and says what that took.
import { setTimeout } from "node:timers/promises";
import { getHeapSnapshot } from "node:v8";
import { clients, requireOurs } from "./adapters.mjs";
import { ear, messages, value } from "./workloads.mjs";

const [name, url] = process.argv.slice(2);

function open(path, options = {}, heard = () => {}) {
  return clients[name].open(`${url}${path}`, options, heard);
}

/** Does `work`, and says how long it and its CPU time took for each of `count` messages. */
async function measured(count, work) {
  const startMs = performance.now();
  const cpu = process.cpuUsage();
  const more = await work();
  const { user, system } = process.cpuUsage(cpu);
  const ms = performance.now() - startMs;
  return { rate: (count / ms) * 1_000, cpuUs: (user + system) / count, ...more };
}

/** Each makes a function that does one round. */
const tasks = {
  ...messages(open, measured),

  /** From the start of the process to its first message. */
  async start() {
    const { heard, each } = ear();
    const first = each(() => true);
    const client = await open("/echo", {}, heard);
    client.send("first");
    await first;
    const ms = performance.now();
    return () => ({ ms });
  },

  /** Memory of so many connections that do nothing. */
  async memory({ count }) {
    // What is compiled and allocated once for all is no connection's.
    await many(20);
    return async () => {
      const before = await memory();
      const held = await many(count);
      const after = await memory();
      for (const client of held) client.close();
      return { rssBytes: (after.rss - before.rss) / count, heapBytes: (after.heapUsed - before.heapUsed) / count };
    };
  },

  /** CPU time of so many connections that only ping. */
  async idle({ count, pingMs, ms }) {
    await many(count, { pingMs });
    await setTimeout(pingMs);
    return async () => {
      const pings = (count * ms) / pingMs;
      const { cpuUs } = await measured(pings, () => setTimeout(ms));
      return { cpuUs };
    };
  },

  /** What so many connections leave behind that were made, opened and closed. */
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

  /** So many messages there and back over so many connections. */
  async spread({ count, conns, bytes }) {
    const { heard, each } = ear();
    const clients = await many(conns, {}, heard);
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

  /** So many messages that wait for a connection, and are sent when it is there. */
  async drain({ count, bytes }) {
    const { Conn } = requireOurs("tautline");
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

  /** Messages down to so many listeners of one Conn. */
  async listeners({ count, bytes, listeners }) {
    const { Conn } = requireOurs("tautline");
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

/** So many connections, opened a few at a time. */
async function many(count, options = {}, heard = undefined) {
  const all = [];
  while (all.length < count) {
    const some = Math.min(count - all.length, 100);
    all.push(...(await Promise.all(Array.from({ length: some }, () => open("/echo", options, heard)))));
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

/** How many objects of these classes a heap snapshot holds. */
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
