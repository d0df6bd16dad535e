// Prices from a server to a client that may be slow: node ticker.mjs
import { createServer } from "node:http";
import { Conn, json } from "tautline";
import { handle, handler } from "tautline/server";
import { store } from "tautline/store";

const SYMBOLS = ["ROPE", "SAIL", "MAST"];
const PRICES = new Map(SYMBOLS.map((symbol) => [symbol, 100]));

// The server sends each change. A slow client gets the latest price of each symbol, because `key` replaces an older one.
const server = createServer();
const served = handler(
  (conn) => {
    for (const [symbol, price] of PRICES) conn.send({ symbol, price }, { key: symbol });
    return conn.closed;
  },
  { codec: json() },
);
handle(server, "/prices", served);
await new Promise((resolve) => server.listen(process.env.PORT ?? 0, "127.0.0.1", resolve));

function change() {
  const symbol = SYMBOLS[Math.floor(Math.random() * SYMBOLS.length)];
  const price = Math.max(1, PRICES.get(symbol) + Math.round(Math.random() * 10 - 5));
  PRICES.set(symbol, price);
  for (const conn of served.conns) conn.send({ symbol, price }, { key: symbol });
}
const timer = setInterval(change, 10);

// The client keeps a table that any view can read.
const conn = new Conn(`ws://127.0.0.1:${server.address().port}/prices`, { codec: json() });
const table = store(conn, {}, (now, { symbol, price }) => ({ ...now, [symbol]: price }), { every: 200 });
let shown = 0;
const unsubscribe = table.subscribe((prices) => {
  if (Object.keys(prices).length < SYMBOLS.length) return;
  console.log(JSON.stringify(prices));
  shown++;
  if (shown === 5) stop();
});

async function stop() {
  unsubscribe();
  clearInterval(timer);
  await conn.close();
  await served.shutdown();
  server.close();
}
