// One flow test in a process of its own, so that its memory is its own: node client.mjs slow-reader|stream URL. Prints JSON.
import { setTimeout as sleep } from "node:timers/promises";
import { bytes, Conn, readable, writable } from "tautline";

const [, , name, base] = process.argv;
const heartbeat = { intervalMs: 1_000, timeoutMs: 1_000 };
const CHUNK_BYTES = 64 * 1024;
const count = name === "stream" ? 2 ** 30 / CHUNK_BYTES : 200_000_000 / CHUNK_BYTES;

let lost = 0;
let peak = 0;
let start = 0;

async function open(path) {
  const conn = new Conn(base + path, { codec: bytes, heartbeat });
  conn.on("disconnected", ({ willRetry }) => {
    if (willRetry) lost++;
  });
  await conn.ready();
  return conn;
}

/** Memory counts from the first tenth of the run on: until then Node makes room for its own garbage, as with bare ws. */
const look = (part) => {
  const { rss } = process.memoryUsage();
  if (part < 0.1) start = rss;
  else peak = Math.max(peak, rss - start);
};

async function slowReader() {
  const conn = await open(`/flood?count=${Math.ceil(count)}&bytes=${CHUNK_BYTES}`);
  let received = 0;
  for await (const _ of conn) {
    if (++received % 20 === 0) look(received / count);
    await sleep(5);
  }
  return received;
}

async function stream() {
  const conn = await open("/echo");
  let sent = 0;
  let received = 0;
  const source = new ReadableStream({
    pull(controller) {
      if (sent++ < count) controller.enqueue(new Uint8Array(CHUNK_BYTES));
      else controller.close();
    },
  });
  const sink = new WritableStream({
    write() {
      if (++received % 100 === 0) look(received / count);
      if (received === count) conn.close();
    },
  });
  await Promise.all([source.pipeTo(writable(conn), { preventClose: true }), readable(conn).pipeTo(sink)]);
  return received;
}

const received = name === "stream" ? await stream() : await slowReader();
console.log(JSON.stringify({ received, expected: Math.ceil(count), lost, peakMb: peak / 1e6 }));
