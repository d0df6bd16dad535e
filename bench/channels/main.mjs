// npm run bench:channels: what channels cost beside bare `ws` and the rooms of socket.io, all with the same subscribers.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { inTurns, start } from "../programs.mjs";

const { values } = parseArgs({
  options: {
    subscribers: { type: "string", default: "2000" },
    messages: { type: "string", default: "150" },
    bytes: { type: "string", default: "64" },
    rounds: { type: "string", default: "3" },
    pause: { type: "string", default: "50" },
  },
});
const [SUBSCRIBERS, MESSAGES, ROUNDS] = [values.subscribers, values.messages, values.rounds].map(Number);
/** The share of subscribers that stop reading. */
const SLOW = 0.2;
/** Milliseconds between two messages whose delay is measured. */
const EVERY_MS = Number(values.pause);
const MISSED = 400;
/** As in subscribers.mjs. */
const AT_ONCE = 200;
/** Fewer subscribers where some do not read, because their connections have to be filled first. */
const READERS = SUBSCRIBERS / 4;
/** Messages that fill a connection which nobody reads, and how often so many are sent at most. */
const FILL = { count: 5, size: 65_536 };
const MAX_FILLS = 40;
const root = fileURLToPath(new URL("../..", import.meta.url));
if (!existsSync(`${root}bench/node_modules/socket.io`)) {
  execFileSync("npm", ["ci", "--prefix", "bench"], { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
}

const program = (name) => fileURLToPath(new URL(`${name}.mjs`, import.meta.url));

async function withServer(kind, count, use) {
  const server = start(program("server"), kind, values.bytes);
  const port = await server.answerTo("listening");
  const subscribers = start(program("subscribers"), kind, port, count);
  try {
    await subscribers.answerTo("ready");
    return await use(server.ask, subscribers.ask);
  } finally {
    await Promise.all([subscribers.end(), server.end()]);
  }
}

/** One message a turn to all subscribers. */
const fanOut = (kind) =>
  withServer(kind, SUBSCRIBERS, async (server, subscribers) => {
    await subscribers("dial");
    // Once before, so that the code is compiled.
    for (const isMeasured of [false, true]) {
      const before = await server("report");
      const messages = SUBSCRIBERS * MESSAGES;
      await subscribers("expect", { messages });
      await server("publish", { count: MESSAGES });
      const ms = await subscribers("arrived");
      const after = await server("report");
      if (!isMeasured) continue;
      const each = (name) => (after[name] - before[name]) / messages;
      return { rate: (messages / ms) * 1_000, cpuUs: each("cpuUs"), systemUs: each("systemUs") };
    }
  });

/** All connections are cut, the hub begins anew over the same log, and all return. */
const comeBack = (kind, missed) =>
  withServer(kind, SUBSCRIBERS, async (server, subscribers) => {
    await subscribers("dial");
    await subscribers("expect", { messages: SUBSCRIBERS });
    await server("publish", { count: 1 });
    await subscribers("arrived");
    await subscribers("drop");
    await server("publish", { count: missed });
    await server("restart");
    const { reads } = await server("report");
    await subscribers("expect", { messages: SUBSCRIBERS * missed });
    const ms = await subscribers("dial");
    const wholeMs = missed > 0 ? await subscribers("arrived") : ms;
    return { ms, wholeMs, reads: (await server("report")).reads - reads };
  });

/** The delay of messages to subscribers that read, while others do not and their connections are full. */
const slowOnes = (slow) =>
  withServer("hub", READERS, async (server, subscribers) => {
    const readers = READERS - slow;
    await subscribers("dial");
    await subscribers("pause", { slow });
    // Once before, so that the code is compiled.
    await subscribers("expect", { messages: readers * MESSAGES });
    await server("publish", { count: MESSAGES });
    await subscribers("arrived");
    for (let parts = 0; (await server("report")).full < slow; parts++) {
      if (parts === MAX_FILLS)
        throw new Error(`Only ${(await server("report")).full} of ${slow} connections are full.`);
      await subscribers("expect", { messages: readers * FILL.count });
      await server("publish", FILL);
      await subscribers("arrived");
    }
    await subscribers("expect", { messages: readers * MESSAGES, timed: true });
    await server("publish", { count: MESSAGES, everyMs: EVERY_MS });
    await subscribers("arrived");
    const { full } = await server("report");
    if (full !== slow) throw new Error(`${full} connections are full at the end, and ${slow} do not read.`);
    return (await subscribers("delays", { shares: [0.99] }))[0];
  });

const factor = (number) => `${number.toFixed(2)}×`;

const rates = await inTurns(["ws", "ws again", "hub", "socket.io"], ROUNDS, (kind) => fanOut(kind.split(" ")[0]));
console.log(
  `\n${values.bytes} bytes to ${SUBSCRIBERS} subscribers, ${MESSAGES} messages, median of ${ROUNDS} rounds\n`,
);
console.log(
  "| server | deliveries a second | beside bare `ws` | CPU µs a delivery | beside bare `ws` | in the kernel |\n|---|--:|--:|--:|--:|--:|",
);
for (const kind of ["ws", "ws again", "hub", "socket.io"]) {
  const rate = rates(kind, "rate");
  const name = {
    ws: "bare `ws`",
    "ws again": "bare `ws` again",
    hub: "**tautline/hub**",
    "socket.io": "socket.io room",
  }[kind];
  const cells = [
    Math.round(rate).toLocaleString("en"),
    factor(rate / rates("ws", "rate")),
    rates(kind, "cpuUs").toFixed(2),
    factor(rates(kind, "cpuUs") / rates("ws", "cpuUs")),
    rates(kind, "systemUs").toFixed(2),
  ];
  console.log(`| ${name} | ${cells.join(" | ")} |`);
}

const RETURNS = [
  ["bare `ws`", "ws", 0],
  ["**tautline/hub**, nothing missed", "hub", 0],
  [`**tautline/hub**, ${MISSED} messages missed`, "hub", MISSED],
];
const returns = await inTurns(RETURNS, ROUNDS, ([, kind, missed]) => comeBack(kind, missed));
const [plain] = RETURNS;
console.log(`\n${SUBSCRIBERS} subscribers return after a restart, ${AT_ONCE} dials at a time\n`);
console.log("| server | subscribed again after | beside bare `ws` | all messages after | reads of the log |");
console.log("|---|--:|--:|--:|--:|");
for (const row of RETURNS) {
  const [ms, wholeMs, reads] = ["ms", "wholeMs", "reads"].map((name) => returns(row, name));
  console.log(
    `| ${row[0]} | ${ms.toFixed(0)} ms | ${factor(ms / returns(plain, "ms"))} | ${wholeMs.toFixed(0)} ms | ${reads} |`,
  );
}

const slow = Math.floor(READERS * SLOW);
const delays = await inTurns([0, slow], ROUNDS, slowOnes);
console.log(`\nA message each ${EVERY_MS} ms: 99 of 100 reach the subscribers that read within\n`);
console.log("| subscribers that do not read, and are full | p99 | beside none |\n|---|--:|--:|");
for (const count of [0, slow]) {
  console.log(
    `| ${count} of ${READERS}, ${READERS - count} read | ${delays(count).toFixed(1)} ms | ${factor(delays(count) / delays(0))} |`,
  );
}
