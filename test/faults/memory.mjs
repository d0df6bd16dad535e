// One scenario of memory.test.ts, in a process with little heap. Prints its result as JSON; a death prints none.
import { once } from "node:events";
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { deflateRawSync } from "node:zlib";
import { Conn, json } from "tautline";
import { cbor } from "tautline/codec/cbor";
import { compressed } from "tautline/codec/compressed";
import { msgpack } from "tautline/codec/msgpack";
import { handle, handler } from "tautline/server";

const MIB = 2 ** 20;
const BYTES = 32 * MIB;

/** A message of 32 MiB that decodes to as many empty maps. */
function flood(head, emptyMap) {
  const message = new Uint8Array(BYTES).fill(emptyMap);
  message[0] = head;
  new DataView(message.buffer).setUint32(1, BYTES - 5);
  return message;
}

function decode(codec, message) {
  try {
    codec.unmarshal(message, { maxPayloadBytes: BYTES });
    return "decoded";
  } catch (error) {
    return error.message;
  }
}

function idle(options) {
  return new Conn("ws://127.0.0.1:1/", { autoConnect: false, ...options });
}

/** Fills the outbox with messages of `size` bytes, and compares the heap that they take with the bounds. */
function fill(size, options) {
  const conn = idle(options);
  const message = "x".repeat(size);
  globalThis.gc();
  const before = process.memoryUsage().heapUsed;
  let sent = 0;
  let isFull = false;
  const onFull = () => {
    isFull = true;
  };
  conn.on("dropped", onFull);
  while (conn.stats.outbox.messages === sent) {
    // A string of its own, as a program that marshals its values would have.
    conn.send(`${message}${sent++}`.slice(1)).catch(() => {});
  }
  globalThis.gc();
  return { sent: sent - 1, isFull, bytesEach: (process.memoryUsage().heapUsed - before) / sent };
}

/** Takes in `count` messages that nobody receives, and compares the memory that they take with the bytes that they count. */
async function takeIn(size, count) {
  const peer = new Worker(new URL("memory-peer.mjs", import.meta.url));
  const [port] = await once(peer, "message");
  const conn = new Conn(`ws://127.0.0.1:${port}`, { inbox: { highWaterMark: 2 ** 30, maxBytes: 2 ** 30 } });
  await conn.ready();
  globalThis.gc();
  const before = process.memoryUsage();
  peer.postMessage({ size, count });
  while (conn.stats.inbox.messages < count) await pause(20);
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  const taken = heapUsed + external - before.heapUsed - before.external;
  return { bytesEach: taken / count, countedEach: conn.stats.inbox.bytes / count };
}

/** The heap that JSON takes for each byte of its text, by the text. */
function expand() {
  const texts = {
    nested: "[".repeat(MIB / 2) + "]".repeat(MIB / 2),
    arrays: `[${"[],".repeat(MIB / 3)}0]`,
    objects: `[${"{},".repeat(MIB / 3)}0]`,
    deepObjects: `${'{"a":'.repeat(MIB / 6)}1${"}".repeat(MIB / 6)}`,
    numbers: `[${"1,".repeat(MIB / 2)}1]`,
  };
  return Object.fromEntries(
    Object.entries(texts).map(([name, text]) => {
      globalThis.gc();
      const before = process.memoryUsage().heapUsed;
      const value = json().unmarshal(text);
      globalThis.gc();
      return [name, value === undefined ? 0 : (process.memoryUsage().heapUsed - before) / text.length];
    }),
  );
}

/** Serves JSON with the options as they are by default, to a client that sends texts which take much heap. */
async function serveJson() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const serve = async (conn) => {
    for (;;) await conn.send(await conn.receive().catch((error) => error.message));
  };
  handle(server, "/", handler(serve, { codec: json(), onError: () => {} }));
  const resourceLimits = { maxOldGenerationSizeMb: 1_024 };
  const texts = new Worker(new URL("memory-texts.mjs", import.meta.url), { resourceLimits });
  texts.postMessage({ port: server.address().port, bytes: BYTES });
  const [answers] = await once(texts, "message");
  return answers;
}

/** Greets clients that never answer, and then lets them go: heap for each with its socket, and of the record that stays. */
async function issue(count) {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  handle(
    server,
    "/",
    handler(() => {}, { resume: {} }),
  );
  const heap = async () => {
    // Sockets that have ended are let go over some turns.
    for (let turn = 0; turn < 5; turn++) {
      await pause(50);
      globalThis.gc();
    }
    return process.memoryUsage().heapUsed;
  };
  const run = async () => {
    const clients = new Worker(new URL("memory-clients.mjs", import.meta.url));
    const before = await heap();
    clients.postMessage({ port: server.address().port, count });
    await once(clients, "message");
    const greeted = await heap();
    await clients.terminate();
    await pause(500);
    const left = await heap();
    return { socketBytes: (greeted - left) / count, recordBytes: (left - before) / count };
  };
  // The first run warms up.
  await run();
  return run();
}

const scenarios = {
  issued: () => issue(1_000),
  binary: () => takeIn(8, 20_000),
  text: () => takeIn("12345678", 20_000),
  json: expand,
  "json server": serveJson,
  msgpack: () => decode(msgpack(), flood(0xdd, 0x80)),
  cbor: () => decode(cbor(), flood(0x9a, 0xa0)),
  "compressed(msgpack)": () => {
    const deflated = deflateRawSync(flood(0xdd, 0x80));
    return decode(compressed(msgpack()), Uint8Array.of(2, ...deflated));
  },
  queued: () => fill(2, {}),
  overflow: () => {
    const time = (overflow) => {
      const conn = idle({ outbox: { overflow, maxMessages: 32_768 } });
      for (let n = 0; n < 32_768; n++) conn.send("x");
      const start = performance.now();
      for (let n = 0; n < 20_000; n++) conn.send("x").catch(() => {});
      return (performance.now() - start) / 20;
    };
    // The first run warms up.
    time("reject");
    return { rejectUs: time("reject"), dropOldestUs: time("drop-oldest") };
  },
  signal: () => {
    const time = (count) => {
      const conn = idle({});
      const controller = new AbortController();
      const start = performance.now();
      for (let n = 0; n < count; n++) conn.send("x", { signal: controller.signal }).catch(() => {});
      controller.abort();
      return performance.now() - start;
    };
    time(1_000);
    return { few: time(4_000), many: time(16_000) };
  },
};

const name = process.argv[2];
// Deaths of the process would otherwise look like a result.
console.log(JSON.stringify(await scenarios[name]()));
process.exit();
