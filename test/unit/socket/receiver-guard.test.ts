import { describe, expect, onTestFinished, test } from "vitest";
import * as allOfWs from "ws";
// The adapter guards the parser as soon as it is loaded.
import "../../../src/socket/node-socket.ts";
import { CLOSE, encode, type Frame, text } from "../../support/frames.ts";

/** The parser of `ws`, which its types leave out. */
const { Receiver } = allOfWs as unknown as {
  readonly Receiver: new (options: object) => NodeJS.WritableStream;
};
const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Writes each frame in a chunk of its own, all in one turn. Returns what is emitted, and what is thrown. */
async function receive(frames: readonly Frame[], isServer: boolean): Promise<string[]> {
  const seen: string[] = [];
  const receiver = new Receiver({ isServer, allowSynchronousEvents: false });
  const onUncaught = (error: Error) => seen.push(`thrown ${error.message}`);
  process.prependOnceListener("uncaughtException", onUncaught);
  onTestFinished(() => void process.removeListener("uncaughtException", onUncaught));
  receiver.on("message", (data: Buffer) => seen.push(`message ${data}`));
  receiver.on("error", ({ message }) => seen.push(`error ${message}`));
  for (const frame of frames) receiver.write(encode(frame, isServer));
  for (let i = 0; i < 10; i++) await nextTurn();
  return seen;
}

describe("behind a frame that ws refused, and that waited for a message,", () => {
  test("nothing is thrown", async () => {
    const badClose: Frame = { opcode: CLOSE, payload: Buffer.from([0, 1]) };
    expect(await receive([text("first"), badClose, text("behind")], true)).toEqual([
      "message first",
      "error Invalid WebSocket frame: invalid status code 1",
    ]);
  });

  test("no message is emitted", async () => {
    const noOpcode: Frame = { opcode: 3, payload: Buffer.alloc(0) };
    expect(await receive([text("first"), noOpcode, text("behind"), text("last")], false)).toEqual([
      "message first",
      "error Invalid WebSocket frame: invalid opcode 3",
    ]);
  });
});
