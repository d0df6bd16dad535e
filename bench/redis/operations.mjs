// Operations a second through one node, beside the same script called by hand, and what each costs Redis.
import { createClient } from "@redis/client";
import { redisEngine } from "tautline/engines/redis";
import { hub } from "tautline/hub";
import { Keys } from "../../src/engines/redis/keys.ts";
import { PUBLISH } from "../../src/engines/redis/scripts.ts";
import { inTurns } from "../programs.mjs";
import { cpuOf, memoryOf } from "./redis-info.mjs";

const AT_ONCE = 128;
const HISTORY = { size: 100, ttlMs: 60_000 };
const HEAD_TTL_MS = 600_000;
/** Channels for each client that the other parts have. */
const CHANNELS_FOR_CLIENT = 0.5;

/** Publishes as the engine does, and does nothing else that an engine does. */
async function scriptByHand(pattern, names, data) {
  const client = pattern.duplicate();
  // The call under way rejects as well.
  client.on("error", () => {});
  await client.connect();
  const digest = await client.sendCommand(["SCRIPT", "LOAD", PUBLISH.source]);
  const keys = new Keys("by-hand");
  const calls = names.map((name) => ["EVALSHA", digest, "2", keys.head(name), keys.log(name), keys.feed(name), "t"]);
  const rest = ["123456", String(HISTORY.size), String(HISTORY.ttlMs), String(HEAD_TTL_MS)];
  return {
    operate: (i) => client.sendCommand([...calls[i % calls.length], data, ...rest]),
    close: () => client.destroy(),
  };
}

/** Runs `operate` as often as it goes. Returns the rate, and the microseconds of Redis for each. */
async function sample(port, seconds, operate) {
  await operate(0);
  const [before, start] = [cpuOf(port), performance.now()];
  let count = 0;
  const worker = async () => {
    while (performance.now() - start < seconds * 1_000) await operate(count++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const rate = count / ((performance.now() - start) / 1_000);
  return { rate, redisUs: ((cpuOf(port) - before) / count) * 1e6 };
}

export async function measureOperations(port, { bytes, clients, seconds, rounds }) {
  const pattern = createClient({ socket: { host: "127.0.0.1", port } });
  const engine = redisEngine({ client: pattern, prefix: "engine" });
  const topics = hub({
    engine: redisEngine({ client: pattern, prefix: "hub" }),
    channels: { "channel:*": { history: HISTORY } },
    authorize: () => true,
  });
  // A codec adds quotes, so that all publish as many bytes.
  const [data, value] = ["x".repeat(bytes), "x".repeat(Math.max(0, bytes - 2))];
  const channels = Array.from({ length: Math.ceil(clients * CHANNELS_FOR_CLIENT) }, (_, i) => `channel:${i}`);
  const nameOf = (i) => channels[i % channels.length];
  const empty = memoryOf(port);
  for (let i = 0; i < channels.length * HISTORY.size; i += AT_ONCE) {
    await Promise.all(
      Array.from({ length: AT_ONCE }, (_, j) => engine.publish(nameOf(i + j), data, { history: HISTORY })),
    );
  }
  const kept = (memoryOf(port) - empty) / channels.length / HISTORY.size;
  const byHand = await scriptByHand(pattern, channels, data);
  const operations = {
    "the script of a publish, called by hand": byHand.operate,
    "the same by `engine.publish()`": (i) => engine.publish(nameOf(i), data, { history: HISTORY }),
    "the same by `hub.publish()`": (i) => topics.publish(nameOf(i), value),
    "a publish without a history": (i) => engine.publish(nameOf(i), data, {}),
    "a read of 20 messages": (i) => engine.read(nameOf(i), { last: 20 }, { messages: 20, bytes: 2 ** 20 }),
  };
  const names = Object.keys(operations);
  // Once before, so that the code is compiled.
  for (const name of names) await sample(port, seconds / 4, operations[name]);
  const medianOf = await inTurns(names, rounds, (name) => sample(port, seconds, operations[name]));
  console.log(`\nOperations of ${bytes} bytes, ${AT_ONCE} at once through one node, median of ${rounds} rounds\n`);
  console.log("| operation | a second | beside the first | µs of Redis |\n|---|--:|--:|--:|");
  for (const name of names) {
    const cells = [
      Math.round(medianOf(name, "rate")).toLocaleString("en"),
      (medianOf(name, "rate") / medianOf(names[0], "rate")).toFixed(2),
      medianOf(name, "redisUs").toFixed(1),
    ];
    console.log(`| ${name} | ${cells.join(" | ")} |`);
  }
  console.log(`\nA message of ${bytes} bytes that is kept: ${kept.toFixed(0)} bytes of Redis's memory`);
  byHand.close();
  await engine.close();
  await topics.close();
}
