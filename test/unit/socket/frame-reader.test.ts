import { createHash } from "node:crypto";
import { EventEmitter } from "node:events";
import { describe, expect, test, vi } from "vitest";
import * as allOfWs from "ws";
import { FrameReader } from "../../../src/socket/frame-reader.ts";
import type { Tcp } from "../../../src/socket/tcp.ts";
import { BINARY, CLOSE, encode, type Frame, frameStreams, PING, PONG, text } from "../../support/frames.ts";
import fc from "../../support/fuzz.ts";

/** The parser of `ws`, which its types leave out. */
const { Receiver } = allOfWs as unknown as {
  readonly Receiver: new (options: object) => NodeJS.WritableStream;
};

const MAX_BYTES = 60_000;
interface Options {
  readonly isServer: boolean;
  readonly allowSynchronousEvents?: boolean;
  readonly maxFragments?: number;
  readonly maxBufferedChunks?: number;
}

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A message as one line, short where the message is long. */
function describeMessage(data: Buffer, isBinary: boolean): string {
  const content = data.length > 300 ? createHash("sha1").update(data).digest("hex") : data.toString("hex");
  return `${isBinary ? "binary" : "text"} ${content}`;
}

/** A TCP socket that `ws` reads, and all that was received from it: by `ws` alone, or by a reader too. */
function connection({ isServer, ...options }: Options, hasReader: boolean, onSeen = (_: string) => {}) {
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
    onSeen(message);
  };
  const onTransfer = () => expect.unreachable();
  const reader = hasReader
    ? FrameReader.takeOver(tcp as unknown as Tcp, isServer, MAX_BYTES, { onFrame, onTransfer })
    : undefined;
  receiver.on("message", (data: Buffer, isBinary: boolean) => {
    reader?.onMessageOfWs();
    seen.push(describeMessage(data, isBinary));
    onSeen(describeMessage(data, isBinary));
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

const stream = frameStreams(MAX_BYTES);
const lengths = fc.oneof(
  fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 5 }).filter((all) => Math.max(...all) > 6),
  fc.array(fc.integer({ min: 50, max: 70_000 }), { minLength: 1, maxLength: 5 }),
);

const options = fc.record(
  {
    isServer: fc.boolean(),
    maxFragments: fc.constantFrom(1, 2, 3),
    maxBufferedChunks: fc.constantFrom(1, 2, 3, 8),
  },
  { requiredKeys: ["isServer"] },
);

describe("a reader and ws receive what ws receives alone, in the same order,", () => {
  test("of any frames, cut anywhere", async () => {
    await fc.assert(
      fc.asyncProperty(stream, lengths, options, fc.boolean(), async (frames, cuts, given, oneTurn) => {
        await expectSame(frames, given, cuts, oneTurn || cuts[0] === undefined || cuts[0] < 50);
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

  test("reads nothing behind a ping in more chunks than ws may keep", async () => {
    const frames = [text("first"), { opcode: PING, payload: Buffer.alloc(0) }, text("behind")];
    const options = { isServer: true, maxBufferedChunks: 1 };
    // The first message, one byte of the ping, and all that follows.
    expect(await expectSame(frames, options, [12, 100])).toEqual([]);
    expect(await expectSame(frames, { isServer: true }, [12, 100])).toEqual([]);
    expect(await expectSame([...frames, text("read")], { isServer: true }, [12, 100])).toEqual([hex("read")]);
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
    expect(
      FrameReader.takeOver(new EventEmitter() as unknown as Tcp, false, 1, { onFrame() {}, onTransfer() {} }),
    ).toBeUndefined();
    tcp.on("data", () => {});
    expect(FrameReader.takeOver(tcp as unknown as Tcp, false, 1, { onFrame() {}, onTransfer() {} })).toBeUndefined();
    expect(tcp.listeners("data")[0]).toBe(listener);
  });

  test("gives the socket back to ws at a frame that breaks RFC 6455", () => {
    const { tcp, listener } = connection({ isServer: false }, true);
    expect(tcp.listeners("data")).not.toContain(listener);
    tcp.emit("data", encode({ opcode: 3, payload: Buffer.alloc(0) }, false));
    expect(tcp.listeners("data")).toEqual([listener]);
  });

  test("passes ws frames that lie side by side in one piece", () => {
    const passed: number[] = [];
    const tcp = new EventEmitter();
    tcp.on("data", (chunk: Buffer) => passed.push(chunk.length));
    FrameReader.takeOver(tcp as unknown as Tcp, false, MAX_BYTES, { onFrame() {}, onTransfer() {} });
    const pong = encode({ opcode: PONG, payload: Buffer.from("p") }, false);
    const part = encode({ ...text(""), isLast: false }, false);
    const next = encode({ opcode: 0, payload: Buffer.alloc(0), isLast: false }, false);
    tcp.emit("data", Buffer.concat([...Array(100).fill(pong), part, ...Array(99).fill(next)]));
    expect(passed).toEqual([500]);
  });

  test.for([true, false])("reads data that a message causes at once behind the rest of its chunk: %j", (hasReader) => {
    const bytes = Buffer.concat(["question", "second", "third", "answer"].map((it) => encode(text(it), false)));
    const { tcp, seen } = connection({ isServer: false }, hasReader, (message) => {
      if (message === hex("question")) tcp.emit("data", bytes.subarray(20));
    });
    tcp.emit("data", encode(text("first"), false));
    tcp.emit("data", bytes.subarray(0, 20));
    expect(seen).toEqual(["first", "question", "second", "third", "answer"].map(hex));
  });

  test("ends the connection where its owner throws, because the rest of the chunk is lost", () => {
    const destroy = vi.fn();
    const { tcp, seen } = connection({ isServer: false }, true, (message) => {
      if (message === hex("second")) throw new Error("thrown");
    });
    Object.assign(tcp, { destroy });
    tcp.emit("data", encode(text("first"), false));
    expect(destroy).not.toHaveBeenCalled();
    const chunk = Buffer.concat(["second", "third"].map((content) => encode(text(content), false)));
    expect(() => tcp.emit("data", chunk)).toThrow("thrown");
    expect(seen).toEqual(["first", "second"].map(hex));
    expect(destroy).toHaveBeenCalledOnce();
  });
});
