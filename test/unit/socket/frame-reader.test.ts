import { createHash } from "node:crypto";
import { EventEmitter } from "node:events";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as allOfWs from "ws";
import { FrameReader } from "../../../src/socket/frame-reader.ts";
import type { Tcp } from "../../../src/socket/tcp.ts";

/** The parser of `ws`, which its types leave out. */
const { Receiver } = allOfWs as unknown as {
  readonly Receiver: new (options: object) => NodeJS.WritableStream;
};

const MAX_BYTES = 60_000;
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
  readonly isLast?: boolean;
  readonly extensionBits?: number;
  /** The other mask bit than the peer's frames must have. */
  readonly isMaskWrong?: boolean;
  /** A longer form of the length than is needed. */
  readonly lengthBytes?: 0 | 2 | 8;
}

type Options = { readonly isServer: boolean; readonly allowSynchronousEvents?: boolean };

function encode(frame: Frame, isServer: boolean): Buffer {
  const { opcode, payload, isLast = true, extensionBits = 0, isMaskWrong = false } = frame;
  const { length } = payload;
  const needed = length > 65_535 ? 8 : length > 125 ? 2 : 0;
  const lengthBytes = Math.max(needed, frame.lengthBytes ?? 0);
  const isMasked = isServer !== isMaskWrong;
  const code = lengthBytes === 8 ? 127 : lengthBytes === 2 ? 126 : length;
  const header = Buffer.alloc(2 + lengthBytes);
  header[0] = (isLast ? 0x80 : 0) | extensionBits | opcode;
  header[1] = (isMasked ? 0x80 : 0) | code;
  if (lengthBytes === 2) header.writeUInt16BE(length, 2);
  if (lengthBytes === 8) header.writeBigUInt64BE(BigInt(length), 2);
  if (!isMasked) return Buffer.concat([header, payload]);
  const key = Buffer.from([7, 0, 251, length & 0xff]);
  return Buffer.concat([header, key, payload.map((byte, i) => byte ^ (key[i & 3] as number))]);
}

const text = (content: string): Frame => ({ opcode: TEXT, payload: Buffer.from(content) });
const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A message as one line, short where the message is long. */
function describeMessage(data: Buffer, isBinary: boolean): string {
  const content = data.length > 300 ? createHash("sha1").update(data).digest("hex") : data.toString("hex");
  return `${isBinary ? "binary" : "text"} ${content}`;
}

/** A TCP socket that `ws` reads, and all that was received from it: by `ws` alone, or by a reader too. */
function connection({ isServer, ...options }: Options, hasReader: boolean) {
  const seen: string[] = [];
  const byReader: string[] = [];
  const receiver = new Receiver({ isServer, maxPayload: MAX_BYTES, skipUTF8Validation: true, ...options });
  const tcp = new EventEmitter();
  const listener = (chunk: Buffer) => void receiver.write(chunk);
  tcp.on("data", listener);
  const onFrame = (chunk: Buffer, start: number, end: number, isBinary: boolean) => {
    const message = describeMessage(chunk.subarray(start, end), isBinary);
    seen.push(message);
    byReader.push(message);
  };
  const reader = hasReader ? FrameReader.takeOver(tcp as unknown as Tcp, isServer, MAX_BYTES, { onFrame }) : undefined;
  receiver.on("message", (data: Buffer, isBinary: boolean) => {
    reader?.onMessageOfWs();
    seen.push(describeMessage(data, isBinary));
  });
  for (const event of ["ping", "pong"])
    receiver.on(event, (data: Buffer) => seen.push(`${event} ${data.toString("hex")}`));
  // As ws, which reads nothing behind a close frame or an error.
  receiver.on("conclude", (code: number, reason: Buffer) => {
    seen.push(`close ${code} ${reason}`);
    tcp.removeListener("data", listener);
  });
  receiver.on("error", (error: Error) => {
    seen.push(`error ${error.message}`);
    tcp.removeListener("data", listener);
    reader?.stop();
  });
  return { tcp, seen, byReader, listener };
}

/** Cuts `bytes` into chunks whose lengths repeat. */
function cut(bytes: Buffer, lengths: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const length = lengths[i % lengths.length] as number;
    const part = bytes.subarray(at, at + length);
    // Each in memory of its own, because a reader unmasks in place, and not always from the beginning of a word.
    const chunk = Buffer.from(new ArrayBuffer(part.length + 4), i & 3, part.length);
    chunk.set(part);
    chunks.push(chunk);
    at += length;
  }
  return chunks;
}

async function receive(options: Options, hasReader: boolean, chunks: readonly Buffer[], oneTurn: boolean) {
  const { tcp, seen, byReader } = connection(options, hasReader);
  for (const chunk of chunks) {
    tcp.emit("data", chunk);
    if (!oneTurn) await nextTurn();
  }
  // Twice, because ws waits a turn for each message with allowSynchronousEvents: false.
  for (let i = 0; i < (options.allowSynchronousEvents === false ? 60 : 2); i++) await nextTurn();
  return { seen, byReader };
}

/** Expects the same with and without a reader, in the same order. Returns what the reader received. */
async function expectSame(
  frames: readonly Frame[],
  options: Options,
  lengths: readonly number[] = [65_536],
  oneTurn = true,
): Promise<string[]> {
  const bytes = Buffer.concat(frames.map((frame) => encode(frame, options.isServer)));
  const alone = await receive(options, false, cut(bytes, lengths), oneTurn);
  const both = await receive(options, true, cut(bytes, lengths), oneTurn);
  expect(both.seen).toEqual(alone.seen);
  return both.byReader;
}

const payload = fc.oneof(
  { weight: 8, arbitrary: fc.uint8Array({ maxLength: 200 }) },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 55_000, max: 61_000 }).map((length) => new Uint8Array(length).fill(length)),
  },
);
const message = fc.record({
  opcode: fc.constantFrom(TEXT, BINARY),
  payload: payload.map((bytes) => Buffer.from(bytes)),
});
const control = fc.record({
  opcode: fc.constantFrom(PING, PONG),
  payload: fc.uint8Array({ maxLength: 125 }).map((bytes) => Buffer.from(bytes)),
});
/** A message in parts, with a ping between them. */
const parts = fc
  .tuple(message, fc.array(payload, { maxLength: 3 }), control)
  .map(([first, rest, ping]): Frame[] => [
    { ...first, isLast: rest.length === 0 },
    ping,
    ...rest.map((bytes, i) => ({ opcode: 0, payload: Buffer.from(bytes), isLast: i === rest.length - 1 })),
  ]);
/** Frames of which most break RFC 6455. */
const oddFrame = fc.record(
  {
    opcode: fc.nat(15),
    payload: fc.uint8Array({ maxLength: 130 }).map((bytes) => Buffer.from(bytes)),
    isLast: fc.boolean(),
    extensionBits: fc.constantFrom(0, 0, 0, 0x10, 0x20, 0x40),
    isMaskWrong: fc.constantFrom(false, false, true),
    lengthBytes: fc.constantFrom(0, 2, 8) as fc.Arbitrary<0 | 2 | 8>,
  },
  { requiredKeys: ["opcode", "payload"] },
);
const close = fc.record({
  opcode: fc.constant(CLOSE),
  payload: fc.constantFrom(Buffer.alloc(0), Buffer.from("\x03\xe8", "latin1"), Buffer.from("\x03\xe8bye", "latin1")),
});
const some = fc.oneof(
  { weight: 12, arbitrary: message.map((frame): Frame[] => [frame]) },
  { weight: 3, arbitrary: control.map((frame): Frame[] => [frame]) },
  { weight: 2, arbitrary: parts },
  { weight: 1, arbitrary: oddFrame.map((frame): Frame[] => [frame]) },
  { weight: 1, arbitrary: close.map((frame): Frame[] => [frame]) },
);
const stream = fc.array(some, { minLength: 1, maxLength: 12 }).map((all) => all.flat());
const lengths = fc.oneof(
  fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 5 }).filter((all) => Math.max(...all) > 6),
  fc.array(fc.integer({ min: 50, max: 70_000 }), { minLength: 1, maxLength: 5 }),
);

describe("a reader and ws receive what ws receives alone, in the same order,", () => {
  test("of any frames, cut anywhere", async () => {
    await fc.assert(
      fc.asyncProperty(stream, lengths, fc.boolean(), fc.boolean(), async (frames, cuts, isServer, oneTurn) => {
        await expectSame(frames, { isServer }, cuts, oneTurn || cuts[0] === undefined || cuts[0] < 50);
      }),
      { numRuns: 400 },
    );
  });
});

describe("a reader", () => {
  const messages = [
    text("first"),
    text("second"),
    { opcode: BINARY, payload: Buffer.from([1, 2]) },
    text("a".repeat(300)),
  ];
  const hex = (content: string) => `text ${Buffer.from(content).toString("hex")}`;
  const read = ["text 7365636f6e64", "binary 0102", hex("a".repeat(300))];

  test.for([true, false])("reads all messages but the first, of masked frames: %j", async (isServer) => {
    expect(await expectSame(messages, { isServer })).toEqual(read);
  });

  test("reads on behind a long message, a ping, and a message in parts", async () => {
    const between: Frame[] = [
      { opcode: BINARY, payload: Buffer.alloc(50_000) },
      { opcode: PING, payload: Buffer.from("p") },
      { ...text("be"), isLast: false },
      { opcode: 0, payload: Buffer.from("gun") },
    ];
    const frames = [text("first"), ...between, text("read")];
    expect(await expectSame(frames, { isServer: true }, [30_000])).toEqual([hex("read")]);
    expect(await expectSame(frames, { isServer: true }, [9])).toEqual([]);
  });

  test("reads nothing where ws keeps messages for later turns", async () => {
    expect(await expectSame(messages, { isServer: false, allowSynchronousEvents: false })).toEqual([]);
  });

  test("reads nothing between the parts of a message", async () => {
    const broken = [text("first"), { ...text("begun"), isLast: false }, text("not the next part"), text("behind")];
    expect(await expectSame(broken, { isServer: false })).toEqual([]);
  });

  test.for<[string, Frame]>([
    ["is too long", { opcode: BINARY, payload: Buffer.alloc(MAX_BYTES + 1) }],
    ["has no opcode of RFC 6455", { opcode: 3, payload: Buffer.alloc(1) }],
    ["has the bit of an extension", { ...text("a"), extensionBits: 0x40 }],
    ["is a ping with the bit of an extension", { opcode: PING, payload: Buffer.alloc(1), extensionBits: 0x10 }],
    ["has the wrong mask bit", { ...text("abcd"), isMaskWrong: true }],
    ["is a ping with the wrong mask bit", { opcode: PING, payload: Buffer.alloc(4), isMaskWrong: true }],
    ["is a ping in parts", { opcode: PING, payload: Buffer.alloc(1), isLast: false }],
    ["is a ping of 126 bytes", { opcode: PING, payload: Buffer.alloc(126) }],
    ["goes on with no message", { opcode: 0, payload: Buffer.alloc(1) }],
    ["closes the connection", { opcode: CLOSE, payload: Buffer.alloc(0) }],
  ])("reads nothing behind a frame that %s", async ([, frame]) => {
    for (const isServer of [true, false]) {
      for (const lengths of [[200_000], [6, 1, 1]]) {
        expect(await expectSame([text("first"), frame, text("behind")], { isServer }, lengths)).toEqual([]);
      }
    }
  });

  test("takes a socket of which ws alone reads", () => {
    const { tcp, listener } = connection({ isServer: false }, false);
    expect(FrameReader.takeOver(new EventEmitter() as unknown as Tcp, false, 1, { onFrame() {} })).toBeUndefined();
    tcp.on("data", () => {});
    expect(FrameReader.takeOver(tcp as unknown as Tcp, false, 1, { onFrame() {} })).toBeUndefined();
    expect(tcp.listeners("data")[0]).toBe(listener);
  });

  test("gives the socket back to ws at a frame that breaks RFC 6455", () => {
    const { tcp, listener } = connection({ isServer: false }, true);
    expect(tcp.listeners("data")).not.toContain(listener);
    tcp.emit("data", encode({ opcode: 3, payload: Buffer.alloc(0) }, false));
    expect(tcp.listeners("data")).toEqual([listener]);
  });
});
