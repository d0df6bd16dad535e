// A service that follows the demo's prices: npm run demo:client, with the demo's WebSocket address where it is another.
import { Conn, exponential, json } from "tautline";
import { channels } from "tautline/channels";
import { rpc } from "tautline/rpc";
import type { Product } from "./uses/market.mjs";
import type { Prices } from "./uses/ticker.mjs";

const NOTE_EVERY_MS = 30_000;
const url = process.argv[2] ?? "ws://127.0.0.1:8080/websocket";

const conn = new Conn(url, { codec: json(), backoff: exponential({ maxMs: 5_000 }), closeTimeoutMs: 500 });
const peer = rpc<{ hello(params: { text: string }): void; note(params: { text: string }): void }>(conn);
const prices = channels(peer).subscribe<Prices>("prices", { from: { last: 1 } });

conn.on("state", ({ from, to }) => print(`${from} > ${to}`));
conn.on("disconnected", ({ code, wasOpen, cause }) =>
  print(`${wasOpen ? "disconnected" : "failed"} ${code}${inBrackets(cause)}`),
);
conn.on("waiting", ({ delayMs, reason }) => print(`waiting ${(delayMs / 1000).toFixed(1)} s (${reason})`));
conn.on("closed", ({ code, by }) => print(`closed ${code}, by ${by}`));

const notes = setInterval(() => peer.notify("note", { text: `up for ${uptime()}` }), NOTE_EVERY_MS);
// Only the Conn holds the process: when it has ended, so has this program.
notes.unref();
process.once("SIGINT", () => {
  clearInterval(notes);
  conn.close();
});

peer.notify("hello", { text: `a service on Node ${process.version}` });
for await (const { data } of prices) print(data.products.slice(0, 3).map(inWords).join("   "));

function inWords({ name, price, change }: Product, index: number): string {
  return `${index + 1}. ${name} ${price.toFixed(2)} ${["▼", "■", "▲"][Math.sign(change) + 1]}`;
}

function inBrackets(cause: unknown): string {
  return cause instanceof Error ? ` (${cause.message})` : "";
}

function uptime(): string {
  return `${Math.round(process.uptime())} s`;
}

function print(line: string): void {
  console.log(`${new Date().toTimeString().slice(0, 8)} ${line}`);
}
