// npm run bench:redis -- --port 6379: what the operations of tautline/engines/redis cost one Redis. Use an empty one.
import { parseArgs } from "node:util";
import { createClient } from "@redis/client";
import { redisEngine } from "tautline/engines/redis";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "6379" },
    bytes: { type: "string", default: "256" },
    seconds: { type: "string", default: "3" },
  },
});
const CHANNELS = 1_000;
const AT_ONCE = 128;
const history = { size: 100, ttlMs: 60_000 };
const client = createClient({ socket: { host: "127.0.0.1", port: Number(values.port) } });
const watch = await client.duplicate().connect();
const engine = redisEngine({ client, prefix: `cost-${Date.now()}` });
const data = "x".repeat(Number(values.bytes));

/** Returns a number of INFO. */
async function info(name) {
  return Number(new RegExp(`^${name}:([\\d.]+)`, "m").exec(await watch.sendCommand(["INFO"]))?.[1]);
}
const cpu = async () => (await info("used_cpu_user")) + (await info("used_cpu_sys"));

/** Runs `operate` as often as it goes, and prints the rate and the time of Redis for each. */
async function measure(what, operate) {
  await operate(0);
  const [before, start] = [await cpu(), performance.now()];
  let count = 0;
  const worker = async () => {
    while (performance.now() - start < Number(values.seconds) * 1_000) await operate(count++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const rate = count / ((performance.now() - start) / 1_000);
  const micros = (((await cpu()) - before) / count) * 1e6;
  console.log(`${what}: ${rate.toFixed(0)} a second through one node, ${micros.toFixed(1)} µs of Redis each`);
}

const nameOf = (i) => `channel-${i % CHANNELS}`;
const empty = await info("used_memory");
await measure(`publish of ${data.length} bytes`, (i) => engine.publish(nameOf(i), data, { history }));
for (let i = 0; i < CHANNELS * history.size; i += AT_ONCE) {
  await Promise.all(Array.from({ length: AT_ONCE }, (_, j) => engine.publish(nameOf(i + j), data, { history })));
}
const each = ((await info("used_memory")) - empty) / CHANNELS / history.size;
console.log(
  `a message that is kept: ${each.toFixed(0)} bytes of memory, ${(each - data.length).toFixed(0)} besides its own`,
);
await measure(`publish of ${data.length} bytes without history`, (i) => engine.publish(nameOf(i), data, {}));
await measure("read of the last 20 messages", (i) =>
  engine.read(nameOf(i), { last: 20 }, { messages: 20, bytes: 2 ** 20 }),
);
await engine.close();
watch.destroy();
