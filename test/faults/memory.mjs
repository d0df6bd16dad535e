// One scenario of memory.test.ts, in a process with little heap. Prints its result as JSON; a death prints none.
import { deflateRawSync } from "node:zlib";
import { Conn } from "tautline";
import { cbor } from "tautline/codec/cbor";
import { compressed } from "tautline/codec/compressed";
import { msgpack } from "tautline/codec/msgpack";

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

const scenarios = {
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
