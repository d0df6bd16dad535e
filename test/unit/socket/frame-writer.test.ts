import { once } from "node:events";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import * as allOfWs from "ws";
import { WebSocket, WebSocketServer } from "ws";
import type { Payload } from "../../../src/base/payload.ts";
import { FrameWriter, shareFrame } from "../../../src/socket/frame-writer.ts";
import { NodeSocket, type WsSocket } from "../../../src/socket/node-socket.ts";
import type { SocketOwner } from "../../../src/socket/socket.ts";
import type { Tcp } from "../../../src/socket/tcp.ts";
import { site, until } from "../../support/ws-server.ts";

/** The parser of `ws`, which its types leave out. */
const { Receiver } = allOfWs as unknown as {
  readonly Receiver: new (options: object) => NodeJS.WritableStream;
};
const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A client's socket and the server's `ws`, with what the server saw and the writes to the client's TCP socket. */
async function pair(
  options: { WebSocket?: typeof WebSocket; deflate?: boolean; onMessage?(payload: Payload): void } = {},
) {
  const { WebSocket: Ws = WebSocket, deflate: perMessageDeflate = false, onMessage = () => {} } = options;
  const seen: string[] = [];
  let accept = (_: { peer: WebSocket; tcp: Duplex }) => {};
  const accepted = new Promise<{ peer: WebSocket; tcp: Duplex }>((resolve) => {
    accept = resolve;
  });
  const { url } = await site((server) => {
    new WebSocketServer({ server, perMessageDeflate }).on("connection", (peer, { socket: tcp }) => {
      peer.on("message", (data, isBinary) => seen.push(`${isBinary ? "binary" : "text"} ${String(data).slice(0, 20)}`));
      for (const event of ["ping", "pong"]) peer.on(event, (data) => seen.push(`${event} ${data}`));
      peer.on("close", (code) => seen.push(`close ${code}`));
      peer.on("error", ({ message }) => seen.push(`error ${message}`));
      accept({ peer, tcp });
    });
  });
  const ws = new Ws(url(), { perMessageDeflate });
  onTestFinished(() => ws.terminate());
  const owner: SocketOwner = { onOpen() {}, onMessage, onEnd() {}, onPong() {} };
  const socket = new NodeSocket(ws as unknown as WsSocket, 1_000_000, owner);
  const send = vi.spyOn(ws, "send");
  let tcp: Socket | undefined;
  ws.on("upgrade", (response) => {
    tcp = response.socket;
  });
  return { ws, socket, seen, send, ...(await accepted), opened: once(ws, "open"), clientTcp: () => tcp as Socket };
}

/** The same, without a spy in the way of our frames. */
async function open(options: Parameters<typeof pair>[0] = {}) {
  const made = await pair(options);
  made.send.mockRestore();
  // Restoring leaves an own property, which would count as a change.
  Reflect.deleteProperty(made.ws, "send");
  if (made.ws.readyState !== WebSocket.OPEN) await made.opened;
  await nextTurn();
  return made;
}

/** The same after a first message, from which on a spy on `send()` changes nothing. */
async function openAndWrite() {
  const made = await open();
  made.socket.write("first");
  await until(() => expect(made.seen).toEqual(["text first"]));
  return made;
}

/** Makes several frames of a server, in one piece. */
function frames(...all: readonly (readonly [opcode: number, data: string])[]): Buffer {
  return Buffer.concat(
    all.map(([opcode, data]) =>
      Buffer.concat([Buffer.from([0x80 | opcode, data.length]), Buffer.from(data, "latin1")]),
    ),
  );
}

describe("frames keep their places", () => {
  test("before the pong that ws sends by itself to a ping of the same piece", async () => {
    const client = await open({ onMessage: () => client.socket.write("answer") });
    client.tcp.write(frames([1, "question"], [9, "1"], [1, "question"], [9, "2"]));
    await until(() => expect(client.seen).toHaveLength(4));
    expect(client.seen).toEqual(["text answer", "pong 1", "text answer", "pong 2"]);
  });

  test("before the close frame with which ws answers one of the same piece", async () => {
    const client = await open({ onMessage: () => client.socket.write("last answer") });
    client.tcp.write(frames([1, "question"], [8, "\x03\xe8"]));
    await until(() => expect(client.seen).toContain("close 1000"));
    expect(client.seen).toEqual(["text last answer", "close 1000"]);
  });

  test("before the close frame with which ws refuses a frame of the same piece", async () => {
    const client = await open({ onMessage: () => client.socket.write("last answer") });
    client.tcp.write(frames([1, "question"], [3, "no such opcode"]));
    await until(() => expect(client.seen).toContain("close 1002"));
    expect(client.seen).toEqual(["text last answer", "close 1002"]);
  });

  test("before what ws sends in a tick, when it reads what waited in a paused socket", async () => {
    const client = await open();
    client.socket.pause();
    client.tcp.write(frames([9, "waited"]));
    await until(() => expect(client.clientTcp().bytesRead).toBeGreaterThan(130));
    client.socket.resume();
    client.socket.write("sent in the turn before");
    await until(() => expect(client.seen).toHaveLength(2));
    expect(client.seen).toEqual(["text sent in the turn bef", "pong waited"]);
  });

  test("among pings, pongs, long messages and the close frame of one turn", async () => {
    const { socket, seen } = await open();
    socket.write("1");
    socket.ping();
    socket.write(new Uint8Array([50]));
    socket.write("3".repeat(100_000));
    socket.write("4");
    socket.pong();
    socket.write("5");
    socket.close(1000, "");
    await until(() => expect(seen).toContain("close 1000"));
    expect(seen).toEqual([
      "text 1",
      "ping ",
      "binary 2",
      `text ${"3".repeat(20)}`,
      "text 4",
      "pong ",
      "text 5",
      "close 1000",
    ]);
  });

  test("on many connections that take turns within one turn", async () => {
    const clients = [await open(), await open(), await open()];
    for (let n = 0; n < 400; n++) clients[n % 3]?.socket.write(`${n} ${"x".repeat(100)}`);
    for (const [first, { seen }] of clients.entries()) {
      const expected = Array.from({ length: 400 }, (_, n) => n).filter((n) => n % 3 === first);
      await until(() => expect(seen).toHaveLength(expected.length));
      expect(seen.map((text) => Number(text.split(" ")[1]))).toEqual(expected);
    }
  });
});

describe("ws frames each message", () => {
  async function sentByWs(
    options: Parameters<typeof pair>[0],
    change: (client: Awaited<ReturnType<typeof pair>>) => void = () => {},
  ) {
    const client = await pair(options);
    change(client);
    if (client.ws.readyState !== WebSocket.OPEN) await client.opened;
    client.socket.write("text");
    await until(() => expect(client.seen).toEqual(["text text"]));
    return client.send.mock.calls.length;
  }

  test("that somebody follows, as a tracer does, which replaces send()", async () => {
    expect(await sentByWs({})).toBe(1);
  });

  test("of a class that sends in its own way", async () => {
    const sent: unknown[] = [];
    class Own extends WebSocket {
      override send(data: string): void {
        sent.push(data);
        super.send(data);
      }
    }
    const client = await pair({ WebSocket: Own as typeof WebSocket });
    client.send.mockRestore();
    Reflect.deleteProperty(client.ws, "send");
    if (client.ws.readyState !== WebSocket.OPEN) await client.opened;
    client.socket.write("text");
    await until(() => expect(client.seen).toEqual(["text text"]));
    expect(sent).toEqual(["text"]);
  });

  test("where an extension was agreed on", async () => {
    const client = await open({ deflate: true });
    expect(client.ws.extensions).toBe("permessage-deflate");
    const spy = vi.spyOn(client.ws, "send");
    client.socket.write("text");
    expect(spy).toHaveBeenCalledTimes(1);
    await until(() => expect(client.seen).toEqual(["text text"]));
  });

  test("where somebody has changed the TCP socket", () => {
    const tcp = { write: () => true, end() {}, cork() {}, uncork() {}, writableLength: 0 } as unknown as Tcp;
    const writer = new FrameWriter(tcp);
    writer.takeOver(true);
    expect(writer.write("text")).toBe(false);
  });
});

test("a turn's messages are one write, and ws makes none of them", async () => {
  const { socket, seen, ws, clientTcp } = await openAndWrite();
  const send = vi.spyOn(ws, "send");
  const written = vi.spyOn(Object.getPrototypeOf(clientTcp()), "write");
  for (let n = 0; n < 100; n++) socket.write(`message ${n}`);
  await until(() => expect(seen).toHaveLength(101));
  const own = written.mock.contexts.filter((tcp) => tcp === clientTcp()).length;
  written.mockRestore();
  expect(own).toBe(1);
  expect(send).not.toHaveBeenCalled();
});

test.for<[string, Payload]>([
  ["text", "ü".repeat(50_000)],
  ["bytes", new Uint8Array(70_000).fill(7)],
])("a client's long %s is one write of this writer, and ws makes none of it", async ([, payload]) => {
  const { socket, peer, ws, clientTcp } = await openAndWrite();
  const received = once(peer, "message");
  const send = vi.spyOn(ws, "send");
  const written = vi.spyOn(Object.getPrototypeOf(clientTcp()), "write");
  socket.write(payload);
  expect(socket.bufferedAmount).toBeGreaterThan(70_000);
  const [data] = await received;
  const own = written.mock.contexts.filter((tcp) => tcp === clientTcp()).length;
  written.mockRestore();
  expect(own).toBe(1);
  expect(send).not.toHaveBeenCalled();
  expect(Buffer.compare(data as Buffer, Buffer.from(payload as string))).toBe(0);
});

test.for<[string, boolean, boolean]>([
  ["a client's, where ws masks natively,", true, false],
  ["a server's", false, false],
])("%s long message is left to ws, and a small one is not", ([, isMasked, framesLong]) => {
  class Peer {
    writableLength = 0;
    write() {
      return true;
    }
    end() {}
  }
  const writer = new FrameWriter(new Peer() as unknown as Tcp);
  writer.takeOver(isMasked, framesLong);
  expect(writer.write(new Uint8Array(4_097))).toBe(false);
  expect(writer.write("x".repeat(1_366))).toBe(false);
  expect(writer.write(new Uint8Array(4_096))).toBe(true);
  expect(writer.write("x".repeat(1_365))).toBe(true);
});

describe("one frame for many clients", () => {
  /** A server's connections to `count` peers that do not mask, and the pieces that each was handed. */
  function servers(count: number) {
    return Array.from({ length: count }, () => {
      const written: Uint8Array[] = [];
      const corks: string[] = [];
      class Peer {
        writableLength = 0;
        write(data: Uint8Array) {
          if (typeof data !== "string") written.push(data);
          return true;
        }
        end() {}
        cork() {
          corks.push("cork");
        }
        uncork() {
          corks.push("uncork");
        }
      }
      const tcp = new Peer() as unknown as Tcp;
      const writer = new FrameWriter(tcp);
      writer.takeOver(false);
      return { writer, written, corks, tcp };
    });
  }

  test.for([
    ["text", "to all"],
    ["bytes", new Uint8Array(100_000).fill(7)],
  ] as const)("of %s is the same memory on each connection", async ([, payload]) => {
    const all = servers(3);
    for (const { writer } of all) writer.write("before");
    shareFrame(payload, () => {
      for (const { writer } of all) expect(writer.write(payload)).toBe(true);
    });
    for (const { writer } of all) writer.write("after");
    await nextTurn();
    const [first] = all;
    for (const { written } of all) {
      expect(written).toHaveLength(3);
      expect(written[1]).toBe(first?.written[1]);
      const received: (string | number)[] = [];
      const receiver = new Receiver({ isServer: false });
      receiver.on("message", (data: Buffer, isBinary: boolean) => received.push(isBinary ? data.length : String(data)));
      for (const part of written) receiver.write(part);
      expect(received).toEqual(["before", typeof payload === "string" ? payload : payload.length, "after"]);
    }
  });

  test("is written without a cork at the end of a turn in which it was alone", async () => {
    const [a] = servers(1);
    shareFrame("alone", () => a?.writer.write("alone"));
    expect(a?.writer.pendingBytes).toBe(7);
    expect(a?.written).toEqual([]);
    await nextTurn();
    expect(a?.writer.pendingBytes).toBe(0);
    expect(Buffer.concat(a?.written ?? []).toString("latin1")).toBe("\x81\x05alone");
    expect(a?.corks).toEqual([]);
    shareFrame("again", () => a?.writer.write("again"));
    await nextTurn();
    expect(a?.written).toHaveLength(2);
  });

  test.for<[string, (writer: FrameWriter, tcp: Tcp) => void]>([
    ["another shared frame", (writer) => shareFrame("second", () => writer.write("second"))],
    ["a message for this client", (writer) => writer.write("second")],
    [
      "a message that ws frames",
      (writer, tcp) => {
        writer.cork();
        tcp.write(Buffer.from("\x81\x06second", "latin1"));
      },
    ],
    ["a ping of ws", (_, tcp) => void tcp.write(Buffer.from("\x81\x06second", "latin1"))],
  ])("is held back by the cork with %s that follows in its turn", async ([, follow]) => {
    const [a] = servers(1);
    if (!a) return expect.unreachable();
    shareFrame("first", () => a.writer.write("first"));
    follow(a.writer, a.tcp);
    expect(a.corks).toEqual(["cork"]);
    await nextTurn();
    expect(Buffer.concat(a.written).toString("latin1")).toBe("\x81\x05first\x81\x06second");
    expect(a.corks).toEqual(["cork", "uncork"]);
    expect(a.writer.pendingBytes).toBe(0);
  });

  test("is made for this payload and this call alone", async () => {
    const [a, b] = servers(2);
    const bytes = new Uint8Array([1]);
    shareFrame(bytes, () => void a?.writer.write(bytes));
    bytes[0] = 2;
    shareFrame(bytes, () => void a?.writer.write(bytes));
    b?.writer.write(bytes);
    expect(() =>
      shareFrame("x", () => {
        throw new Error("inside");
      }),
    ).toThrow("inside");
    b?.writer.write("x");
    await nextTurn();
    expect(a?.written.map((frame) => frame[2])).toEqual([1, 2]);
    expect(Buffer.concat(b?.written ?? []).toString("hex")).toBe("820102810178");
  });
});

test("a peer that does not read keeps no more memory than its messages take", async () => {
  const written: Uint8Array[] = [];
  class Stuck {
    writableLength = 1_000;
    write(data: Uint8Array) {
      written.push(data);
      return false;
    }
    end() {}
    cork() {}
    uncork() {}
  }
  const writer = new FrameWriter(new Stuck() as unknown as Tcp);
  writer.takeOver(true);
  writer.write("x".repeat(100));
  await nextTurn();
  expect(written).toHaveLength(1);
  // Node hands out parts of this pool for small buffers.
  expect(written[0]?.buffer.byteLength).toBe(Buffer.poolSize);
});
