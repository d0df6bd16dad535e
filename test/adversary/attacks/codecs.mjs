// One message that is small on the wire and large in memory.
import { deflateRawSync, gzipSync } from "node:zlib";
import { BINARY, frame, rawClient, TEXT } from "../raw-client.mjs";

/** Arrays that claim a length and hold what costs one byte each: nil of MessagePack, null of CBOR. */
const msgpackArray = (length) =>
  Buffer.concat([Buffer.from([0xdd, length >>> 24, length >>> 16, length >>> 8, length]), Buffer.alloc(length, 0xc0)]);
const cborArray = (length) =>
  Buffer.concat([Buffer.from([0x9a, length >>> 24, length >>> 16, length >>> 8, length]), Buffer.alloc(length, 0x80)]);
const msgpackNested = (depth) => Buffer.concat([Buffer.alloc(depth, 0x91), Buffer.from([0xc0])]);
const cborNested = (depth) => Buffer.concat([Buffer.alloc(depth, 0x81), Buffer.from([0xf6])]);
const msgpackMaps = (length) =>
  Buffer.concat([Buffer.from([0xdd, length >>> 24, length >>> 16, length >>> 8, length]), Buffer.alloc(length, 0x80)]);

/** Repeats `text` to 31 MiB, which the default of `maxPayloadBytes` allows. */
const jsonOf = (text) => Buffer.from(text.repeat(Math.floor((31 * 2 ** 20) / text.length)));

const bomb =
  (path, make, opcode = BINARY) =>
  async (port, isOver, spent) => {
    const message = frame(make(), { opcode });
    while (!isOver()) {
      const client = await rawClient(port, { path });
      spent.connections++;
      spent.bytes += message.length;
      await client.write(message);
      await Promise.race([client.next(), new Promise((resolve) => setTimeout(resolve, 200))]);
      client.socket.destroy();
    }
  };

/** The first byte says how the rest is packed: 1 is deflated text, 2 deflated bytes. */
const deflated = (bytes) => Buffer.concat([Buffer.from([2]), deflateRawSync(bytes)]);

export const codecBombs = {
  "JSON: nested without end": bomb("/echo", () => jsonOf("["), TEXT),
  "JSON: an array of millions of arrays": bomb("/echo", () => Buffer.concat([Buffer.from("["), jsonOf("[],")]), TEXT),
  "JSON: an array of millions of objects": bomb("/echo", () => Buffer.concat([Buffer.from("["), jsonOf("{},")]), TEXT),
  "MessagePack: an array of millions": bomb("/msgpack", () => msgpackArray(8_000_000)),
  "MessagePack: an array of a million maps": bomb("/msgpack", () => msgpackMaps(4_000_000)),
  "MessagePack: a length without its elements": bomb("/msgpack", () =>
    Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff, 0xc0]),
  ),
  "MessagePack: nested without end": bomb("/msgpack", () => msgpackNested(1_000_000)),
  "CBOR: an array of millions of arrays": bomb("/cbor", () => cborArray(8_000_000)),
  "CBOR: a length without its elements": bomb("/cbor", () => Buffer.from([0x9a, 0xff, 0xff, 0xff, 0xff, 0xf6])),
  "CBOR: nested without end": bomb("/cbor", () => cborNested(1_000_000)),
  "deflated zeros": bomb("/compressed", () => deflated(Buffer.alloc(200 * 2 ** 20))),
  "deflated MessagePack of millions": bomb("/compressed", () => deflated(msgpackArray(20_000_000))),
  "gzip where deflate is due": bomb("/compressed", () => gzipSync(Buffer.alloc(10 * 2 ** 20))),
};
