// Costs of one node for a connection, an entry and a delivery, and of Redis for each node that receives: for docs/guides/capacity.md.
import { createClient } from "@redis/client";
import { redisEngine } from "tautline/engines/redis";
import { inTurns, start } from "../programs.mjs";
import { cpuOf } from "./redis-info.mjs";

const HISTORY = { size: 100, ttlMs: 60_000 };
/** Members of a room in the two measurements, of which the difference is the cost of a delivery. */
const MEMBERS = [5, 25];
const BATCHES = 20;
const RECEIVERS = 10;
const PUBLISHES = 20_000;
const AT_ONCE = 128;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Measures the node that has all clients, while another one publishes. */
async function sample(port, membersOfRoom, { bytes, clients, idle }) {
  const [node, publisher] = [0, 1].map(() => start("bench/redis/node.mjs", "hub", port, bytes));
  const [here] = await Promise.all([node, publisher].map((each) => each.answerTo("listening")));
  const task = { kind: "hub", ports: [here], first: 0, count: clients, membersOfRoom };
  const group = start("bench/redis/rooms.mjs", JSON.stringify(task));
  try {
    await group.answerTo("ready");
    const before = await node.ask("report");
    await group.ask("dial");
    const dialled = await node.ask("report");
    await pause(idle * 1_000);
    const rested = await node.ask("report");
    const rooms = Math.ceil(clients / membersOfRoom);
    // The first ones do not count, because code is compiled in them.
    for (let batch = 0; batch < BATCHES; batch++) await publisher.ask("publishToRooms", { rooms });
    await group.ask("untilReceived", { count: BATCHES });
    const warm = await node.ask("report");
    for (let batch = 0; batch < BATCHES; batch++) await publisher.ask("publishToRooms", { rooms });
    await group.ask("untilReceived", { count: 2 * BATCHES });
    const after = await node.ask("report");
    return {
      connectionBytes: (dialled.rssBytes - before.rssBytes) / clients,
      connectionUs: (dialled.cpuUs - before.cpuUs) / clients,
      idleUs: (rested.cpuUs - dialled.cpuUs) / clients / idle,
      entryUs: (after.cpuUs - warm.cpuUs) / rooms / BATCHES,
    };
  } finally {
    await Promise.all([group, node, publisher].map((program) => program.end()));
  }
}

/** Returns the microseconds of Redis for each publish that so many connections receive. */
async function publishCost(port, receivers, data) {
  const pattern = createClient({ socket: { host: "127.0.0.1", port } });
  const engines = Array.from({ length: receivers + 1 }, () => redisEngine({ client: pattern, prefix: "cost" }));
  const [publisher, ...others] = engines;
  await Promise.all(others.map((engine) => engine.subscribe("news", HISTORY, () => {})));
  const publish = async (count) => {
    for (let i = 0; i < count; i += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, () => publisher.publish("news", data, { history: HISTORY })));
    }
  };
  await publish(AT_ONCE * 2);
  const before = cpuOf(port);
  const count = Math.ceil(PUBLISHES / (receivers + 1));
  await publish(count);
  const us = ((cpuOf(port) - before) / count) * 1e6;
  await Promise.all(engines.map((engine) => engine.close()));
  return us;
}

export async function measureNode(port, options) {
  const medianOf = await inTurns(MEMBERS, options.rounds, (members) => sample(port, members, options));
  const redis = await inTurns([0, RECEIVERS], options.rounds, (receivers) =>
    publishCost(port, receivers, "x".repeat(options.bytes)),
  );
  const [few, many] = MEMBERS;
  const deliveryUs = (medianOf(many, "entryUs") - medianOf(few, "entryUs")) / (many - few);
  console.log(
    `\nOne node with ${options.clients} clients that have one channel each, ${options.bytes} bytes, median of ${options.rounds} rounds\n`,
  );
  console.log("| cost | |\n|---|--:|");
  const rows = {
    "a connection with a channel": `${Math.round(medianOf(few, "connectionBytes"))} bytes of RSS`,
    "a client that connects and subscribes": `${Math.round(medianOf(few, "connectionUs"))} µs`,
    "a connection at rest": `${Math.max(0, medianOf(few, "idleUs")).toFixed(1)} µs a second`,
    "a delivery": `${deliveryUs.toFixed(1)} µs`,
    "an entry that Redis sends, besides": `${Math.max(0, medianOf(few, "entryUs") - few * deliveryUs).toFixed(1)} µs`,
    "a node that receives a publish": `${Math.max(0, (redis(RECEIVERS) - redis(0)) / RECEIVERS).toFixed(1)} µs of Redis`,
  };
  for (const [name, cell] of Object.entries(rows)) console.log(`| ${name} | ${cell} |`);
}
