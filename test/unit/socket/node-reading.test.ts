import { once } from "node:events";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import type { Payload } from "../../../src/base/payload.ts";
import { Conn, type DisconnectInfo } from "../../../src/index.ts";
import { NodeSocket, type WsSocket } from "../../../src/socket/node-socket.ts";
import { site, until } from "../../support/ws-server.ts";

/** A client's socket with the class given, what it received, and what its `ws` emitted; and the server's `ws`. */
async function client(Ws: typeof WebSocket = WebSocket, perMessageDeflate = false) {
  let accept = (_: WebSocket) => {};
  const accepted = new Promise<WebSocket>((resolve) => {
    accept = resolve;
  });
  const { url } = await site((server) => {
    new WebSocketServer({ server, perMessageDeflate }).on("connection", (peer) => accept(peer));
  });
  const ws = new Ws(url(), { perMessageDeflate, maxPayload: 100 });
  onTestFinished(() => ws.terminate());
  const received: Payload[] = [];
  const emitted: string[] = [];
  const onMessage = (payload: Payload) => void received.push(payload);
  new NodeSocket(ws as unknown as WsSocket, 100, { onOpen() {}, onMessage, onEnd() {}, onPong() {} });
  ws.on("message", (data) => emitted.push(String(data)));
  ws.on("error", () => {});
  await once(ws, "open");
  return { peer: await accepted, received, emitted, ws };
}

describe("messages behind the first one", () => {
  test("do not go through ws", async () => {
    const { peer, received, emitted } = await client();
    for (const data of ["1", Buffer.from([50]), "3".repeat(100)]) peer.send(data);
    await until(() => expect(received).toHaveLength(3));
    expect(received).toEqual(["1", new Uint8Array([50]), "3".repeat(100)]);
    expect(received[1]).not.toBeInstanceOf(Buffer);
    expect(emitted).toEqual(["1"]);
  });

  test("go through a class that extends ws, which may listen for them", async () => {
    const followed: string[] = [];
    class Own extends WebSocket {
      override emit(event: string | symbol, ...given: unknown[]): boolean {
        if (event === "message") followed.push(String(given[0]));
        return super.emit(event, ...given);
      }
    }
    const { peer, received } = await client(Own as typeof WebSocket);
    for (const data of ["1", "2", "3"]) peer.send(data);
    await until(() => expect(received).toEqual(["1", "2", "3"]));
    expect(followed).toEqual(["1", "2", "3"]);
  });

  test.for(["emit", "on"] as const)("go through ws where a tool has replaced its %s()", async (method) => {
    const original = WebSocket.prototype[method] as (...given: unknown[]) => unknown;
    // A spy calls the original, and counts as another method.
    vi.spyOn(WebSocket.prototype, method).mockImplementation(function (this: WebSocket, ...given: unknown[]) {
      return original.apply(this, given) as never;
    });
    const { peer, received, emitted } = await client();
    for (const data of ["1", "2", "3"]) peer.send(data);
    await until(() => expect(received).toEqual(["1", "2", "3"]));
    expect(emitted).toEqual(received);
  });

  test("go through ws where an extension was agreed on", async () => {
    const { peer, received, emitted, ws } = await client(WebSocket, true);
    expect(ws.extensions).toBe("permessage-deflate");
    for (const data of ["1", "2", "3"]) peer.send(data);
    await until(() => expect(received).toEqual(["1", "2", "3"]));
    expect(emitted).toEqual(received);
  });

  test("end the connection with 1009 where one is too long, and none behind it is delivered", async () => {
    const { peer, received } = await client();
    const closed = once(peer, "close");
    for (const data of ["1", "2", "x".repeat(101), "4"]) peer.send(data);
    expect((await closed)[0]).toBe(1009);
    expect(received).toEqual(["1", "2"]);
  });
});

test("a listener that transfers a message ends the connection once, and no process", async () => {
  const frame = (byte: number) => Buffer.concat([Buffer.from([0x82, 100]), Buffer.alloc(100, byte)]);
  const { url } = await site((server) => {
    new WebSocketServer({ server }).on("connection", (peer, { socket }) => {
      peer.on("error", () => {});
      // Later than the upgrade, because what comes with it waits in the inbox, which copies.
      peer.on("message", () => socket.write(Buffer.concat([1, 2, 3, 4].map(frame))));
    });
  });
  const conn = new Conn(url(), { backoff: () => 0, heartbeat: false });
  onTestFinished(() => void conn.close());
  const received: number[] = [];
  const ends: DisconnectInfo[] = [];
  conn.on("open", () => void conn.send("go"));
  conn.on("disconnected", (info) => ends.push(info));
  conn.on("message", (data) => {
    const bytes = data as Uint8Array<ArrayBuffer>;
    received.push(bytes[0] as number);
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  });
  await until(() => expect(received).toHaveLength(6));
  expect(received).toEqual([1, 2, 1, 2, 3, 4]);
  const cause = { code: "misuse", message: expect.stringContaining("transfer data.slice().buffer") };
  expect(ends).toMatchObject([{ code: 1006, willRetry: true, cause }]);
});
