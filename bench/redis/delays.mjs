// From a publish on one node to its delivery by another, beside socket.io with each of its adapters.
import { inTurns, start } from "../programs.mjs";

const SUBSCRIBERS = 10;
const EVERY_MS = 5;
const WARM_UPS = 50;
const SETTLE_MS = 300;
const NAMES = {
  hub: "**tautline/hub**, with a history",
  "hub without history": "**tautline/hub**, without one",
  "socket.io redis": "socket.io, `@socket.io/redis-adapter`",
  "socket.io streams": "socket.io, `@socket.io/redis-streams-adapter`",
};
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function sample(port, kind, { bytes, messages }) {
  const nodes = [0, 1].map(() => start("bench/redis/node.mjs", kind, port, bytes));
  const [, there] = await Promise.all(nodes.map((node) => node.answerTo("listening")));
  const speaks = kind.startsWith("socket.io") ? "socket.io" : "hub";
  const subscribers = start("bench/channels/subscribers.mjs", speaks, there, SUBSCRIBERS);
  try {
    await subscribers.answerTo("ready");
    await subscribers.ask("dial");
    // The adapters subscribe in the background, and lose messages until they have.
    while ((await subscribers.ask("received")) === 0) await nodes[0].ask("publish", { count: 1, everyMs: SETTLE_MS });
    await nodes[0].ask("publish", { count: WARM_UPS, everyMs: EVERY_MS });
    await pause(SETTLE_MS);
    await subscribers.ask("expect", { messages: messages * SUBSCRIBERS, timed: true });
    await nodes[0].ask("publish", { count: messages, everyMs: EVERY_MS });
    await subscribers.ask("arrived");
    return await subscribers.ask("delays", { shares: [0.5, 0.99] });
  } finally {
    await Promise.all([subscribers, ...nodes].map((program) => program.end()));
  }
}

export async function measureDelays(port, options) {
  const medianOf = await inTurns(Object.keys(NAMES), options.rounds, (kind) => sample(port, kind, options));
  console.log(
    `\nFrom a publish on one node to ${SUBSCRIBERS} subscribers of another: ${options.bytes} bytes each ${EVERY_MS} ms, ${options.messages} messages, median of ${options.rounds} rounds\n`,
  );
  console.log("| server | p50 | p99 |\n|---|--:|--:|");
  for (const kind of Object.keys(NAMES)) {
    const cells = [0, 1].map((at) => `${medianOf(kind, at).toFixed(2)} ms`);
    console.log(`| ${NAMES[kind]} | ${cells.join(" | ")} |`);
  }
}
