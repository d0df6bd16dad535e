import type { Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { Conn, type DisconnectInfo, type Payload } from "../../../src/index.ts";
import { FakeWs } from "../../support/fake-ws.ts";
import fc from "../../support/fuzz.ts";
import { decodeStrictly, nearlyUtf8 } from "../../support/utf8.ts";
import { site, until } from "../../support/ws-server.ts";

const TEXT = 0x81;
const CLOSE = 0x88;

/** A frame as a server sends it (RFC 6455, section 5.2); `first` has the opcode, and whether it is the last of a message. */
const frame = (first: number, payload: readonly number[]) => Buffer.from([first, payload.length, ...payload]);
const utf8 = (text: string) => [...Buffer.from(text)];

/** A Conn to a server that says what it likes, byte by byte, on the first connection. */
async function told(...frames: readonly Buffer[]) {
  const codes: number[] = [];
  const { url } = await site((server) => {
    new WebSocketServer({ server }).on("connection", (socket: WebSocket, request: { readonly socket: Socket }) => {
      const nth = codes.push(0) - 1;
      // The socket receives its own text.
      socket.on("error", () => {});
      socket.on("close", (code) => {
        codes[nth] = code;
      });
      if (nth === 0) request.socket.write(Buffer.concat(frames));
      else socket.send("from the next");
    });
  });
  const heard: Payload[] = [];
  const lost: DisconnectInfo[] = [];
  const conn = new Conn(url(), { backoff: () => 0, heartbeat: false });
  onTestFinished(() => void conn.close());
  conn.on("message", (message) => heard.push(message));
  conn.on("disconnected", (info) => lost.push(info));
  return { heard, lost, codes };
}

describe("text", () => {
  test.for([
    ["a byte that never comes", [0xff]],
    ["a byte too few", [0xe2, 0x82]],
    ["a byte too many", [0xc3, 0xa4, 0xa4]],
    ["more bytes than it takes", [0xc0, 0x80]],
    ["a surrogate", [0xed, 0xa0, 0x80]],
    ["what is beyond Unicode", [0xf4, 0x90, 0x80, 0x80]],
    ["an error in a long text", [...utf8("x".repeat(50)), 0xff, ...utf8("x".repeat(50))]],
    ["an error beside a replacement character", [...utf8("\uFFFD"), 0xff]],
  ] as const)(
    "with %s is delivered to nobody: the peer receives 1007, and the next connection continues",
    async ([, bytes]) => {
      const { heard, lost, codes } = await told(
        frame(TEXT, utf8("before")),
        frame(TEXT, bytes),
        frame(TEXT, utf8("after")),
      );
      await until(() => expect(heard).toContain("from the next"));
      expect(heard).toEqual(["before", "from the next"]);
      expect(lost).toMatchObject([{ code: 1006, clean: false, willRetry: true, cause: expect.any(TypeError) }]);
      expect(String(lost[0]?.cause)).toContain("UTF-8");
      await until(() => expect(codes[0]).toBe(1007));
    },
  );

  test("is valid with a replacement character of the peer's own, and in pieces that part a character", async () => {
    const [first, second, third] = utf8("€") as [number, number, number];
    const { heard, lost } = await told(
      frame(TEXT, utf8("a \uFFFD")),
      frame(0x01, [first]),
      frame(0x00, [second]),
      frame(0x80, [third]),
      frame(TEXT, utf8("\uFEFFand a mark")),
    );
    await until(() => expect(heard).toHaveLength(3));
    expect(heard).toEqual(["a \uFFFD", "€", "\uFEFFand a mark"]);
    expect(lost).toEqual([]);
  });

  test("is delivered if and only if it is UTF-8, and as it was meant", async () => {
    await fc.assert(
      fc.asyncProperty(nearlyUtf8, async (data) => {
        FakeWs.made.length = 0;
        const conn = new Conn("ws://x.test/", { WebSocket: FakeWs.class, heartbeat: false });
        await new Promise((resolve) => setImmediate(resolve));
        FakeWs.last.open();
        await new Promise((resolve) => setImmediate(resolve));
        const heard: Payload[] = [];
        conn.on("message", (message) => heard.push(message));
        FakeWs.last.emit("message", data, false);
        const text = decodeStrictly(data);
        expect(heard).toEqual(text === undefined ? [] : [text]);
        conn.close(1000, "", { signal: AbortSignal.abort() });
      }),
      { numRuns: 500 },
    );
  });
});

test("a close reason that is no UTF-8 is not believed, nor is its code", async () => {
  const { heard, lost } = await told(frame(CLOSE, [1000 >> 8, 1000 & 0xff, 0xff]));
  await until(() => expect(heard).toEqual(["from the next"]));
  expect(lost).toMatchObject([{ code: 1006, reason: "", clean: false, willRetry: true, cause: expect.any(TypeError) }]);
});
