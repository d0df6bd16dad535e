import { equal, ok } from "../assert.ts";
import { next, type StepCase, type StepStage, step, thrown } from "./stage.ts";

async function echo(socket: WebSocket, data: string | ArrayBuffer | ArrayBufferView<ArrayBuffer> | Blob) {
  const message = next(socket, "message");
  socket.send(data);
  return (await message).data;
}

/** The bytes of a message, whatever `binaryType` made of them. */
async function bytesOf(data: unknown): Promise<Uint8Array> {
  return new Uint8Array(data instanceof Blob ? await readBlob(data) : (data as ArrayBuffer));
}

function readBlob(blob: Blob): Promise<ArrayBuffer> {
  // jsdom's has no arrayBuffer().
  if (blob.arrayBuffer) return blob.arrayBuffer();
  return new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as ArrayBuffer);
    reader.readAsArrayBuffer(blob);
  });
}

const BYTES = Uint8Array.from({ length: 256 }, (_, i) => i);

async function openBinary(stage: StepStage): Promise<WebSocket> {
  const socket = await stage.open();
  socket.binaryType = "arraybuffer";
  return socket;
}

/** `send()`, `bufferedAmount` and what arrives. */
export const sending: readonly StepCase[] = [
  step("send(data), step 1: while CONNECTING it throws InvalidStateError", (stage) => {
    const socket = stage.socket();
    equal(
      ["", "text", new Uint8Array(1)].map((data) => thrown(() => socket.send(data))),
      ["InvalidStateError", "InvalidStateError", "InvalidStateError"],
    );
    equal(socket.bufferedAmount, 0);
  }),

  step("send(data) needs an argument", async (stage) => {
    const socket = await stage.open();
    equal(
      thrown(() => (socket as unknown as { send(): void }).send()),
      "TypeError",
    );
  }),

  step("send(data), step 2, a string: it arrives as text, empty and Unicode too", async (stage) => {
    const socket = await stage.open();
    for (const text of ["text", "", "grüße, 你好, 👩‍👩‍👧 \u0000\u2028"]) equal(await echo(socket, text), text);
  }),

  step("send(data), step 2, a string: lone surrogates become U+FFFD", async (stage) => {
    const socket = await stage.open();
    equal(await echo(socket, "a\ud800b\udc00\ud83d\ude00c\ud83d"), "a\ufffdb\ufffd\u{1f600}c\ufffd");
  }),

  step("send(data), step 2: what is no string, Blob or buffer becomes a string", async (stage) => {
    const socket = await stage.open();
    for (const [value, text] of [
      [7, "7"],
      [null, "null"],
      [{ toString: () => "object" }, "object"],
      [[1, 2], "1,2"],
    ]) {
      equal(await echo(socket, value as string), text);
    }
  }),

  step("send(data), step 2, an ArrayBuffer: it arrives as bytes", async (stage) => {
    const socket = await openBinary(stage);
    equal(await bytesOf(await echo(socket, BYTES.slice().buffer)), BYTES);
    equal(await bytesOf(await echo(socket, new ArrayBuffer(0))), new Uint8Array(0));
  }),

  step("send(data), step 2, a view: its part of the buffer arrives", async (stage) => {
    const socket = await openBinary(stage);
    equal(await bytesOf(await echo(socket, BYTES.subarray(10, 20))), BYTES.slice(10, 20));
    equal(await bytesOf(await echo(socket, new DataView(BYTES.buffer, 1, 3))), BYTES.slice(1, 4));
    equal(await bytesOf(await echo(socket, new Uint16Array([0x0201, 0x0403]))), Uint8Array.of(1, 2, 3, 4));
  }),

  step("send(data): bytes that change afterwards arrive as they were", async (stage) => {
    const socket = await openBinary(stage);
    const bytes = Uint8Array.of(1, 2, 3);
    const message = next(socket, "message");
    socket.send(bytes);
    bytes.fill(9);
    equal(await bytesOf((await message).data), Uint8Array.of(1, 2, 3));
  }),

  step("send(data), step 2, a Blob: it arrives as bytes", async (stage) => {
    const socket = await openBinary(stage);
    equal(await bytesOf(await echo(socket, new Blob(["bl", "ob"]))), new TextEncoder().encode("blob"));
  }),

  step("send(data): a Blob keeps its place among the others, and before close()", async (stage) => {
    const socket = await openBinary(stage);
    socket.send("one");
    socket.send(new Blob([new Uint8Array(100_000)]));
    socket.send("three");
    socket.send(new Blob([]));
    socket.send("five");
    const data: unknown[] = [];
    await new Promise<void>((resolve) => {
      socket.onmessage = (event) => data.push(event.data) === 5 && resolve();
    });
    equal(
      data.map((each) => (typeof each === "string" ? each : (each as ArrayBuffer).byteLength)),
      ["one", 100_000, "three", 0, "five"],
    );
    socket.send(new Blob([new Uint8Array(100_000)]));
    socket.send("last");
    socket.close();
    equal((await next(socket, "close")).wasClean, true);
    equal((await stage.gone()).texts, ["one", "three", "five", "last"]);
    equal((await stage.gone()).bytes, 200_000 + "onethreefivelast".length);
  }),

  step("bufferedAmount counts bytes, text as UTF-8, and does not fall within the turn", async (stage) => {
    const socket = await stage.open();
    socket.send("grüße");
    equal(socket.bufferedAmount, 7);
    socket.send(new Uint8Array(10));
    equal(socket.bufferedAmount, 17);
    socket.send(new Blob(["blob"]));
    equal(socket.bufferedAmount, 21);
  }),

  step("bufferedAmount falls to 0 when all has left", async (stage) => {
    const socket = await stage.open();
    await echo(socket, "text");
    const end = performance.now() + 1_000;
    while (socket.bufferedAmount > 0) {
      ok(performance.now() < end, `${socket.bufferedAmount} bytes are left.`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }),

  step("bufferedAmount grows by what is sent after close(), and stays when the socket is CLOSED", async (stage) => {
    const socket = await stage.open();
    socket.close();
    socket.send("text");
    equal(socket.bufferedAmount, 4);
    await next(socket, "close");
    equal(socket.bufferedAmount, 4);
    socket.send(new Uint8Array(3));
    equal(socket.bufferedAmount, 7);
    socket.send(new Blob(["blob"]));
    equal(socket.bufferedAmount, 11);
    equal((await stage.log()).texts, []);
  }),

  step(
    "message received, step 2: bytes are a Blob or an ArrayBuffer as binaryType says when they come",
    async (stage) => {
      const socket = await stage.open();
      const blob = await echo(socket, BYTES);
      ok(blob instanceof Blob, "No Blob came.");
      equal(await bytesOf(blob), BYTES);
      socket.binaryType = "arraybuffer";
      const buffer = await echo(socket, BYTES);
      ok(buffer instanceof ArrayBuffer, "No ArrayBuffer came.");
      equal(await bytesOf(buffer), BYTES);
    },
  ),

  step("message received: messages come in order, text and bytes mixed", async (stage) => {
    const socket = await openBinary(stage);
    const data: unknown[] = [];
    const all = new Promise<void>((resolve) => {
      socket.onmessage = (event) => data.push(event.data) === 100 && resolve();
    });
    for (let i = 0; i < 100; i++) socket.send(i % 2 ? `${i}` : Uint8Array.of(i));
    await all;
    equal(
      data.map((each) => (typeof each === "string" ? Number(each) : new Uint8Array(each as ArrayBuffer)[0])),
      Array.from({ length: 100 }, (_, i) => i),
    );
  }),

  step("message received, step 1: nothing is delivered after close()", async (stage) => {
    const socket = await stage.open("/first-message", { count: 3 });
    const data: unknown[] = [];
    socket.addEventListener("message", (event) => data.push(event.data));
    socket.send("echoed");
    socket.close();
    await next(socket, "close");
    ok(!data.includes("echoed"), "A message came after close().");
  }),
];
