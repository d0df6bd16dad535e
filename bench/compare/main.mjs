// Compares clients where it matters, each with its defaults, on this machine.
//   npm ci --prefix bench && npm run --silent build && node bench/compare/main.mjs

import { setTimeout as sleep } from "node:timers/promises";
import { faultProxy } from "../../dist/node/testing.mjs";
import { sizeOf } from "../sizes.mjs";
import { clients } from "./clients.mjs";
import { serve } from "./server.mjs";

const DARK_MS = 60_000;
const DROPPING_MS = 10_000;
const FLOOD = 50;

/** Prints errors that a client leaves uncaught, so that the run continues. */
process.on("uncaughtException", (error) => console.error(`uncaught: ${error.message}`));
process.on("unhandledRejection", () => {});

/**
 * @param {() => boolean} isSo
 * @param {number} withinMs
 */
async function until(isSo, withinMs) {
  const start = performance.now();
  while (!isSo() && performance.now() - start < withinMs) await sleep(5);
  return isSo() ? performance.now() - start : undefined;
}

/** @typedef {(typeof clients)[number]} Kind */
/** @type {Record<string, (kind: Kind) => Promise<string>>} */
const probes = {
  async "sent before the connection is there"({ speaks, open }) {
    const server = await serve(speaks);
    const client = open(`ws://127.0.0.1:${server.port}`);
    const outcome = await attempt(() => client.send("early"));
    await until(() => server.received.includes("early"), 3_000);
    client.close();
    server.close();
    return server.received.includes("early") ? "arrives" : (outcome ?? "is lost");
  },

  async "50 sent while the connection breaks, received"({ speaks, open }) {
    const server = await serve(speaks);
    const proxy = await faultProxy(server.port);
    const client = open(`ws://127.0.0.1:${proxy.port}`);
    await until(client.isOpen, 5_000);
    proxy.delay(20);
    for (let n = 0; n < FLOOD; n++) {
      await attempt(() => client.send(`message ${n}`));
      if (n === FLOOD / 2) proxy.reset();
      await sleep(2);
    }
    await until(() => new Set(server.received).size === FLOOD, 12_000);
    client.close();
    await proxy.close();
    server.close();
    const once = new Set(server.received).size;
    return `${once}${server.received.length > once ? `, ${server.received.length - once} twice` : ""}`;
  },

  async "time until a silent connection is replaced"({ speaks, open }) {
    const server = await serve(speaks);
    const proxy = await faultProxy(server.port);
    const client = open(`ws://127.0.0.1:${proxy.port}`);
    await until(client.isOpen, 5_000);
    proxy.black();
    const ms = await until(() => !client.isOpen(), DARK_MS);
    client.close();
    await proxy.close();
    server.close();
    return ms === undefined ? `not in ${DARK_MS / 1_000} s` : `${Math.round(ms / 1_000)} s`;
  },

  async "connections in 10 s, if each is dropped at once"({ speaks, open }) {
    const server = await serve(speaks, { drops: true });
    const client = open(`ws://127.0.0.1:${server.port}`);
    await sleep(DROPPING_MS);
    client.close();
    server.close();
    return String(server.connections());
  },
};

/**
 * Returns the result of an act that may throw or reject.
 *
 * @param {() => unknown} act
 */
async function attempt(act) {
  try {
    const result = act();
    if (result instanceof Promise) result.catch(() => {});
    return undefined;
  } catch {
    return "throws";
  }
}

const titles = Object.keys(probes);
const rows = await Promise.all(
  clients.map(async (kind) => {
    const cells = await Promise.all(titles.map((title) => probes[title]?.(kind)));
    return [kind.name, ...cells, `${(await sizeOf(kind.name)).brotli} B`];
  }),
);
const head = ["client", ...titles, "size"];
for (const row of [head, head.map(() => "---"), ...rows]) console.log(`| ${row.join(" | ")} |`);
process.exit(0);
