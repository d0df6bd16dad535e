// npm run bench:frames: the CPU time of a message that is framed by src/socket/frame.ts, beside one that `ws` frames, by
// its length. The bound of src/socket/frame-writer.ts follows from it.
import { fork } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { parseArgs } from "node:util";
import * as allOfWs from "ws";
import type { Payload } from "../../src/base/payload.ts";
import {
  createFrame,
  createFrameBuffer,
  type FrameBuffer,
  MAX_HEADER_BYTES,
  mostBytes,
  writeFrame,
} from "../../src/socket/frame.ts";

/** The part of `ws` that its types leave out. */
interface WsSender {
  send(data: Payload, options: object): void;
}

const { Sender } = allOfWs as unknown as { readonly Sender: new (socket: Socket, extensions: object) => WsSender };
const { values } = parseArgs({ options: { rounds: { type: "string", default: "15" } } });
const ROUNDS = Number(values.rounds);
const SIZES = [64, 256, 1_024, 2_048, 4_096, 8_192, 16_384, 65_536, 262_144, 1_048_576];
/** Messages of a turn. */
const BURSTS = [1, 16];
/** Bytes of a round, and messages at most and at least, so that no round is long and none is noise. */
const ROUND_BYTES = 8 * 2 ** 20;
const [MIN_MESSAGES, MAX_MESSAGES] = [32, 10_000];
/** As in frame-writer.ts, or four of the messages. */
const BUFFER_BYTES = 16_384;
/** The longest payload of writeFrame(). */
const MAX_WRITTEN_BYTES = 65_535;
/** Writes `count` messages of one turn. */
type WriteTurn = (socket: Socket, payload: Payload, count: number, isMasked: boolean) => void;

let buffer: FrameBuffer | undefined;
let used = 0;

/** Into memory of its own for each message. */
const alone: WriteTurn = (socket, payload, count, isMasked) => {
  socket.cork();
  for (let n = 0; n < count; n++) socket.write(createFrame(payload, isMasked));
  socket.uncork();
};

/** Into memory that is used once, handed over when it is full and at the end of the turn. */
const together: WriteTurn = (socket, payload, count, isMasked) => {
  const most = mostBytes(payload) + MAX_HEADER_BYTES;
  let from = used;
  socket.cork();
  const handOver = () => {
    if (buffer && used > from) socket.write(buffer.bytes.subarray(from, used));
  };
  for (let n = 0; n < count; n++) {
    if (!buffer || used + most > buffer.bytes.length) {
      handOver();
      buffer = createFrameBuffer(Math.max(BUFFER_BYTES, 4 * most));
      used = from = 0;
    }
    used = writeFrame(buffer, used, payload, isMasked);
  }
  handOver();
  socket.uncork();
};

const senders = new WeakMap<Socket, WsSender>();
const byWs: WriteTurn = (socket, payload, count, isMasked) => {
  const sender = senders.get(socket) ?? new Sender(socket, {});
  senders.set(socket, sender);
  const options = { binary: typeof payload !== "string", mask: isMasked, fin: true, compress: false };
  socket.cork();
  // A server's bytes are copied before, because ws would keep the caller's.
  const isCopied = !isMasked && typeof payload !== "string";
  for (let n = 0; n < count; n++) sender.send(isCopied ? new Uint8Array(payload) : payload, options);
  socket.uncork();
};

/** Returns the CPU time of a message in microseconds. */
async function measure(write: WriteTurn, payload: Payload, burst: number, isMasked: boolean): Promise<number> {
  const wanted = Math.round(ROUND_BYTES / payload.length);
  const turns = Math.ceil(Math.max(MIN_MESSAGES, Math.min(MAX_MESSAGES, wanted)) / burst);
  const start = process.cpuUsage();
  for (let turn = 0; turn < turns; turn++) {
    write(socket, payload, burst, isMasked);
    if (socket.writableNeedDrain) await once(socket, "drain");
    else await setImmediate();
  }
  const { user, system } = process.cpuUsage(start);
  return (user + system) / (turns * burst);
}

const WAYS = { "one buffer": together, "a buffer each": alone, "`ws`": byWs };

/** Returns the CPU time of each way, the least of all rounds, because other programs only ever add to it. */
async function compare(payload: Payload, burst: number, isMasked: boolean): Promise<string[]> {
  const least = new Map<string, number>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, write] of Object.entries(WAYS)) {
      if (write === together && mostBytes(payload) > MAX_WRITTEN_BYTES) continue;
      const us = await measure(write, payload, burst, isMasked);
      least.set(name, Math.min(least.get(name) ?? us, us));
    }
  }
  return Object.keys(WAYS).map((name) => least.get(name)?.toFixed(2) ?? "–");
}

const sink = fork("bench/frames/sink.mjs", { execArgv: [] });
const [port] = await once(sink, "message");
const socket = connect({ port, noDelay: true });
await once(socket, "connect");
for (const isMasked of [true, false]) {
  for (const burst of BURSTS) {
    console.log(
      `\n${isMasked ? "Up (masked)" : "Down"}, ${burst} a turn: CPU µs a message, the least of ${ROUNDS} rounds\n`,
    );
    const heads = ["text", "binary"].flatMap((kind) => Object.keys(WAYS).map((name) => `${kind}, ${name}`));
    console.log(`| bytes | ${heads.join(" | ")} |\n|--:${"|--:".repeat(heads.length)}|`);
    for (const size of SIZES) {
      const text = await compare("x".repeat(size), burst, isMasked);
      const binary = await compare(new Uint8Array(size).fill(7), burst, isMasked);
      console.log(`| ${[size.toLocaleString("en"), ...text, ...binary].join(" | ")} |`);
    }
  }
}
socket.destroy();
sink.disconnect();
