import { connect } from "node:net";
import { Duplex } from "node:stream";
import { expect, onTestFinished, test } from "vitest";
import { handler } from "../../../src/server/index.ts";
import { encode, text } from "../../support/frames.ts";
import { site, until, upgradeRequest } from "../../support/ws-server.ts";

const invert = (chunk: Uint8Array) => Buffer.from(chunk.map((byte) => byte ^ 0xff));

/** A stream around `tcp`, on which every byte is inverted. */
function invertedStream(tcp: Duplex): Duplex {
  const stream = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      tcp.write(invert(chunk), done);
    },
  });
  tcp.on("data", (chunk: Buffer) => stream.push(invert(chunk)));
  tcp.on("close", () => stream.destroy());
  return stream;
}

test("a handler reads and writes the stream that it was given, and not the socket of the request", async () => {
  const received: unknown[] = [];
  const echo = handler(async (conn) => {
    for await (const message of conn) {
      received.push(message);
      await conn.send(message);
    }
  });
  const { port } = await site((server) => {
    server.on("upgrade", (request, tcp, head) => echo.upgrade(request, invertedStream(tcp), head));
  });
  const tcp = connect(port, "127.0.0.1");
  onTestFinished(() => void tcp.destroy());
  let answer = "";
  tcp.on("data", (chunk) => {
    answer += invert(chunk).toString("latin1");
  });
  // The request itself is read by the server of Node.
  tcp.write(upgradeRequest("/"));
  await until(() => expect(answer).toMatch(/\r\n\r\n$/));
  answer = "";
  const messages = ["first", "second", "third"];
  for (const message of messages) tcp.write(invert(encode(text(message), true)));
  await until(() => expect(answer).toBe(messages.map((it) => encode(text(it), false).toString("latin1")).join("")));
  expect(received).toEqual(messages);
});
