import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import type { Payload } from "../../../src/base/payload.ts";
import { NodeSocket, type WsSocket } from "../../../src/socket/node-socket.ts";
import type { ConnectionEnd } from "../../../src/socket/socket.ts";
import { CLOSE, encode, type Frame, frameStreams } from "../../support/frames.ts";
import fc from "../../support/fuzz.ts";
import { site, upgradeRequest } from "../../support/ws-server.ts";

/** Few, so that a paused stream of Node takes all bytes of a run. */
const MAX_BYTES = 250;
const UPGRADE_ID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const HEAD_END = "\r\n\r\n";
const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

interface Options {
  readonly maxFragments?: number;
  readonly maxBufferedChunks?: number;
  readonly allowSynchronousEvents?: boolean;
  readonly autoPong?: boolean;
}

/** A run of both ends. Chunks and messages are counted from zero. */
interface Plan {
  readonly isServer: boolean;
  readonly options: Options;
  readonly frames: readonly Frame[];
  /** Lengths of the chunks, which repeat. */
  readonly lengths: readonly number[];
  /** Whether the first chunk comes with the upgrade. */
  readonly isFirstEarly: boolean;
  /** Whether the next chunk is sent before the previous one was read. */
  readonly isHasty: boolean;
  readonly pauseAtChunk: number;
  readonly pausedChunks: number;
  readonly atMessage: Readonly<Record<number, "send" | "pause" | "close" | "terminate">>;
  /** How the peer ends the connection. */
  readonly ending: "end" | "reset" | "reset while paused";
}

/** The methods of the end that is tested. */
interface End {
  send(text: string): unknown;
  pause(): unknown;
  resume(): unknown;
  close(): void;
  terminate(): void;
}

/** Receives what `ws` emits. The TCP socket is known on a server. */
type Attach = (ws: WebSocket, tcp: Socket | undefined, onEvent: (event: string) => void) => End;

function describeMessage(data: Payload): string {
  return typeof data === "string" ? `text ${data}` : `binary ${Buffer.from(data).toString("hex")}`;
}

/** Receives with `ws` alone. */
const alone: Attach = (ws, _tcp, onEvent) => {
  let hasLeft = false;
  const report = (event: string) => hasLeft || onEvent(event);
  ws.on("message", (data: Buffer, isBinary) => report(describeMessage(isBinary ? data : String(data))));
  ws.on("pong", () => report("pong"));
  ws.on("error", () => {
    report("failed");
    hasLeft = true;
  });
  ws.on("close", (code) => report(`closed ${code}`));
  return {
    send: (text) => ws.readyState === WebSocket.OPEN && ws.send(text),
    pause: () => ws.pause(),
    resume: () => ws.resume(),
    close: () => ws.close(4_000, ""),
    terminate() {
      hasLeft = true;
      ws.terminate();
    },
  };
};

/** Receives with an adapter. */
const adapted: Attach = (ws, tcp, onEvent) => {
  const owner = {
    onOpen() {},
    onMessage: (payload: Payload) => onEvent(describeMessage(payload)),
    onPong: () => onEvent("pong"),
    onEnd: ({ code, cause }: ConnectionEnd) => onEvent(cause ? "failed" : `closed ${code}`),
  };
  const socket = new NodeSocket(ws as unknown as WsSocket, MAX_BYTES, owner, tcp);
  return {
    send: (text) => socket.write(text),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close: () => socket.close(4_000, ""),
    terminate: () => socket.abandon(),
  };
};

/** A peer without a library, and the TCP socket of the end that is tested. */
interface Pair {
  readonly peer: Socket;
  readonly tcp: Socket;
  /** Bytes that the end has to read before those that are sent later. */
  readonly earlyBytes: number;
  readonly ended: Promise<void>;
}

/** Connects a peer, which sends its first bytes with the upgrade. */
type Connect = (early: Buffer, options: Options, attach: (ws: WebSocket, tcp?: Socket) => void) => Promise<Pair>;

const untilClosed = (ws: WebSocket) => new Promise<void>((resolve) => ws.once("close", () => resolve()));

/** Connects peers to ends that are servers. */
async function serverEnds(): Promise<Connect> {
  const { server, port } = await site();
  const accepting = new Map<string, (request: IncomingMessage, tcp: Socket, head: Buffer) => void>();
  server.on("upgrade", (request, tcp, head) => accepting.get(request.url as string)?.(request, tcp as Socket, head));
  return (early, options, attach) => {
    const path = `/${accepting.size}`;
    const bytes = Buffer.concat([Buffer.from(upgradeRequest(path)), early]);
    const upgrader = new WebSocketServer({ noServer: true, clientTracking: false, maxPayload: MAX_BYTES, ...options });
    const peer = connect(port, "127.0.0.1");
    peer.write(bytes);
    return new Promise((resolve) => {
      accepting.set(path, (request, tcp, head) => {
        upgrader.handleUpgrade(request, tcp, head, (ws) => {
          attach(ws, tcp);
          resolve({ peer, tcp, earlyBytes: bytes.length, ended: untilClosed(ws) });
        });
      });
    });
  };
}

/** Connects peers to ends that are clients. */
async function clientEnds(): Promise<Connect> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return async (early, options, attach) => {
    const ws = new WebSocket(`ws://127.0.0.1:${port}/`, {
      maxPayload: MAX_BYTES,
      perMessageDeflate: false,
      ...options,
    });
    const upgraded = once(ws, "upgrade");
    attach(ws);
    const ended = untilClosed(ws);
    const [peer] = (await once(server, "connection")) as [Socket];
    const [request] = await once(peer, "data");
    const key = /Sec-WebSocket-Key: (.*)\r\n/.exec(String(request))?.[1];
    const accept = createHash("sha1").update(`${key}${UPGRADE_ID}`).digest("base64");
    const headers = `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}`;
    const bytes = Buffer.concat([Buffer.from(`HTTP/1.1 101 Switching Protocols\r\n${headers}${HEAD_END}`), early]);
    peer.write(bytes);
    const [{ socket: tcp }] = (await upgraded) as [IncomingMessage];
    return { peer, tcp, earlyBytes: bytes.length, ended };
  };
}

/** The frames in `bytes`, of up to 125 bytes each. */
function describeFrames(bytes: Buffer): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const second = bytes[at + 1] as number;
    const isMasked = second >= 0x80;
    const start = at + (isMasked ? 6 : 2);
    const payload = bytes.subarray(start, start + (second & 0x7f));
    const key = isMasked ? bytes.subarray(start - 4, start) : Buffer.alloc(4);
    const plain = Buffer.from(payload.map((byte, i) => byte ^ (key[i & 3] as number)));
    lines.push(`${(bytes[at] as number).toString(16)} ${plain.toString("hex")}`);
    at = start + payload.length;
  }
  return lines;
}

function cut(bytes: Buffer, lengths: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = lengths[chunks.length % lengths.length] as number;
    chunks.push(bytes.subarray(at, at + length));
    at += length;
  }
  return chunks;
}

/** Performs a plan. Returns what the end received, and what the peer received if the end let it come that far. */
async function perform(plan: Plan, dial: Connect, attach: Attach) {
  const { isServer, options, isHasty, atMessage, ending } = plan;
  const received: string[] = [];
  let messages = 0;
  let end: End | undefined;
  let ws: WebSocket | undefined;
  const onEvent = (event: string) => {
    received.push(event);
    if (!/^(?:text|binary)/.test(event)) return;
    const act = atMessage[messages++];
    if (act === "send") end?.send(`answer ${messages}`);
    else if (act) end?.[act]();
    if (act === "pause") nextTurn().then(nextTurn).then(end?.resume);
  };
  const chunks = cut(Buffer.concat(plan.frames.map((frame) => encode(frame, isServer))), plan.lengths);
  const early = (plan.isFirstEarly && chunks.shift()) || Buffer.alloc(0);
  const { peer, tcp, earlyBytes, ended } = await dial(early, options, (socket, known) => {
    ws = socket;
    end = attach(socket, known, onEvent);
  });
  const answers: Buffer[] = [];
  peer.on("data", (chunk) => answers.push(chunk));
  peer.on("error", () => {});
  peer.setNoDelay(true);
  let sent = earlyBytes;
  const untilRead = async () => {
    for (let turns = 0; turns < 300 && tcp.bytesRead < sent && !tcp.destroyed; turns++) await nextTurn();
    await nextTurn();
  };
  for (const [i, chunk] of chunks.entries()) {
    if (i === plan.pauseAtChunk) end?.pause();
    if (i === plan.pauseAtChunk + plan.pausedChunks) end?.resume();
    peer.write(chunk);
    sent += chunk.length;
    if (!isHasty) await untilRead();
  }
  // A paused socket that is closing would wait for closeTimeout, because it does not read the peer's end.
  if (ending !== "reset while paused" || ws?.readyState !== WebSocket.OPEN) end?.resume();
  await untilRead();
  const closed = peer.destroyed ? undefined : new Promise((resolve) => peer.once("close", resolve));
  if (ending === "end") peer.end();
  else peer.resetAndDestroy();
  await Promise.all([ended, closed]);
  if (ending !== "end" || Object.values(atMessage).includes("terminate")) return { received };
  const all = Buffer.concat(answers);
  return { received, answers: describeFrames(isServer ? all.subarray(all.indexOf(HEAD_END) + HEAD_END.length) : all) };
}

/** Frames whose text is ASCII, because most other bytes end the connection at once. */
const streams = fc.tuple(frameStreams(MAX_BYTES), fc.boolean()).map(
  ([frames, isAscii]) =>
    frames
      .map((frame) =>
        isAscii && frame.opcode < CLOSE ? { ...frame, payload: frame.payload.map((byte) => byte & 0x7f) } : frame,
      )
      // An adapter checks the reason of a close frame later than ws does.
      .filter(({ opcode, payload }) => opcode !== CLOSE || isUtf8(payload.subarray(2))) as Frame[],
);

const plans: fc.Arbitrary<Plan> = fc
  .record({
    isServer: fc.boolean(),
    options: fc.oneof(
      { weight: 3, arbitrary: fc.constant({}) },
      {
        weight: 1,
        arbitrary: fc.record(
          {
            maxFragments: fc.constantFrom(1, 2),
            maxBufferedChunks: fc.constantFrom(1, 2, 3),
            allowSynchronousEvents: fc.boolean(),
            autoPong: fc.boolean(),
          },
          { requiredKeys: [] },
        ),
      },
    ),
    frames: streams,
    lengths: fc
      .array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 5 })
      .filter((all) => Math.max(...all) > 60),
    isFirstEarly: fc.boolean(),
    isHasty: fc.boolean(),
    pauseAtChunk: fc.nat(8),
    pausedChunks: fc.integer({ min: 1, max: 8 }),
    atMessage: fc.dictionary(fc.nat(8).map(String), fc.constantFrom("send", "send", "pause", "close", "terminate"), {
      maxKeys: 3,
    }),
    ending: fc.constantFrom("end", "reset", "reset while paused"),
  })
  // The limit of chunks counts what the network makes of them.
  .map((plan) => ({ ...plan, isHasty: plan.isHasty && !("maxBufferedChunks" in plan.options) }) as Plan);

test("an adapter receives and answers what ws does alone, whatever the peer sends and either end does", async () => {
  const dial = { true: await serverEnds(), false: await clientEnds() };
  await fc.assert(
    fc.asyncProperty(plans, async (plan) => {
      const connectTo = dial[`${plan.isServer}`];
      expect(await perform(plan, connectTo, adapted)).toEqual(await perform(plan, connectTo, alone));
    }),
    { numRuns: 200 },
  );
});
