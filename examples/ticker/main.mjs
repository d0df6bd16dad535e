// Prices from a server to a client that may be slow: npm install && npm start
import { createServer } from "node:http";
import { Conn, json } from "tautline";
import { channels } from "tautline/channels";
import { hub } from "tautline/hub";
import { handle, handler } from "tautline/server";
import { store } from "tautline/store";

const SYMBOLS = ["ROPE", "SAIL", "MAST"];
const PRICES = new Map(SYMBOLS.map((symbol) => [symbol, 100]));
// A channel for each symbol. "newest": a client that can't follow gets the latest price, and not all those before it.
const topics = hub({
  channels: { "prices:*": { history: { size: 1, ttlMs: 60_000 }, deliver: "newest" } },
  authorize: ({ action }) => action === "subscribe",
});
const server = createServer();
const served = handler((conn) => topics.serve(conn), { codec: json() });
handle(server, "/prices", served);
await new Promise((resolve) => server.listen(process.env.PORT ?? 0, "127.0.0.1", resolve));

const timer = setInterval(() => {
  const symbol = SYMBOLS[Math.floor(Math.random() * SYMBOLS.length)];
  const price = Math.max(1, PRICES.get(symbol) + Math.round(Math.random() * 10 - 5));
  PRICES.set(symbol, price);
  topics.publish(`prices:${symbol}`, { symbol, price });
}, 10);

// The client keeps a table that any view can read, from the three channels together.
const conn = new Conn(`ws://127.0.0.1:${server.address().port}/prices`, { codec: json() });
const live = channels(conn);
const feeds = SYMBOLS.map((symbol) => live.subscribe(`prices:${symbol}`, { from: { last: 1 } }));
const all = {
  on(event, listener, options) {
    const stops = feeds.map((feed) => feed.on(event, listener, options));
    return () => stops.forEach((stop) => void stop());
  },
};
const table = store(all, {}, (now, { data }) => ({ ...now, [data.symbol]: data.price }), { every: 200 });
let shown = 0;
table.subscribe((prices) => {
  if (shown === 5 || Object.keys(prices).length < SYMBOLS.length) return;
  console.log(JSON.stringify(prices));
  if (++shown === 5) stop();
});

async function stop() {
  clearInterval(timer);
  await Promise.all([conn.close(), served.shutdown(), topics.close()]);
  server.close();
}
