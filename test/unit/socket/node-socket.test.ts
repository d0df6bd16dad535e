import { inspect } from "node:util";
import { beforeEach, describe, expect, test } from "vitest";
import { Conn, type ConnError, type ConnOptions, exponential, type Provider, type Url } from "../../../src/index.ts";
import { NodeSocket, type WsSocket } from "../../../src/socket/node-socket.ts";
import { advance, record, settleMicrotasks, thrown, uncaught, useFakeTime } from "../../support/conn.ts";
import { FakeWs } from "../../support/fake-ws.ts";

useFakeTime();

beforeEach(() => {
  FakeWs.made.length = 0;
});

function dial(options: ConnOptions = {}, url: Provider<Url> = "wss://x.test/path"): Conn {
  const backoff = exponential({ random: () => 1 });
  return new Conn(url, { WebSocket: FakeWs.class, backoff, ...options });
}

async function opened(options: ConnOptions = {}): Promise<{ conn: Conn; socket: FakeWs }> {
  const conn = dial(options);
  await settleMicrotasks();
  FakeWs.last.open();
  await settleMicrotasks();
  return { conn, socket: FakeWs.last };
}

describe("the upgrade", () => {
  test("has the URL's own origin, no compression, and the limit of a message", async () => {
    dial({ maxPayloadBytes: 5 });
    await settleMicrotasks();
    expect(FakeWs.last.options).toMatchObject({
      origin: "https://x.test",
      perMessageDeflate: false,
      maxPayload: 5,
    });
  });

  test("has the origin and the client options that were given", async () => {
    dial({ origin: "https://other.test", clientOptions: { perMessageDeflate: true, ca: "ca" } });
    await settleMicrotasks();
    expect(FakeWs.last.options).toMatchObject({ origin: "https://other.test", perMessageDeflate: true, ca: "ca" });
  });

  test("asks for its headers on each attempt, with the previous end", async () => {
    dial({ headers: ({ attempt, previous }) => ({ token: `${attempt} after ${previous?.status}` }) });
    await settleMicrotasks();
    FakeWs.last.refuse(401);
    await advance(1_000);
    expect(FakeWs.made.map(({ options }) => options.headers)).toEqual([
      { token: "0 after undefined" },
      { token: "1 after 401" },
    ]);
  });

  test.for([
    ["a b", "SECRET"],
    ["", "SECRET"],
    ["authorization", "SECRET\n"],
    ["authorization", undefined],
  ] as const)(
    "can't have a header %j that no request can have: the error does not quote its value",
    ([name, value]) => {
      const error = thrown(() => dial({ headers: { [name]: value as string } })) as ConnError;
      expect(error).toMatchObject({ name: "ConnError", code: "bad-option" });
      expect(error.message).toMatch(/^headers /);
      expect(error.message).toContain(JSON.stringify(name));
      expect(inspect(error, { depth: 5 })).not.toContain("SECRET");
    },
  );

  test.for([
    [
      { clientOptions: { headers: { a: "SECRET" } } },
      "clientOptions.headers is set by tautline: use the headers option.",
    ],
    [{ clientOptions: { origin: "SECRET" } }, "clientOptions.origin is set by tautline: use the origin option."],
    [{ clientOptions: { maxPayload: 5 } }, "clientOptions.maxPayload is set by tautline: use maxPayloadBytes."],
    [{ clientOptions: { closeTimeout: 5 } }, "clientOptions.closeTimeout is set by tautline: use closeTimeoutMs."],
    [{ clientOptions: { socketPath: "/x" } }, "clientOptions.socketPath is set by tautline: use createConnection."],
    [{ clientOptions: { port: 5 } }, "clientOptions.port is set by tautline: give it in the URL."],
    [{ headers: { Origin: "SECRET" } }, "headers.origin is set by tautline: use the origin option."],
    [
      { headers: { "Sec-WebSocket-Protocol": "SECRET" } },
      "headers.sec-websocket-protocol is set by tautline: use the protocols option.",
    ],
    [{ headers: { Connection: "close" } }, "headers.connection is set by tautline: leave it out."],
  ] as const)(
    "can't have %j, which ws would ignore or overwrite: the error names what to use",
    ([options, message]) => {
      expect(thrown(() => dial(options))).toMatchObject({ code: "bad-option", message });
    },
  );

  test.for([
    [0, 1],
    [0.5, 1],
    [1.5, 1],
    [2 ** 32, 2 ** 31 - 1],
    [Number.POSITIVE_INFINITY, 2 ** 31 - 1],
  ] as const)(
    "bounds a message by %d, for which ws is given %d, because zero and overflows mean no limit there",
    async ([maxPayloadBytes, maxPayload]) => {
      dial({ maxPayloadBytes, closeTimeoutMs: Number.POSITIVE_INFINITY });
      await settleMicrotasks();
      expect(FakeWs.last.options).toMatchObject({ maxPayload, closeTimeout: 2 ** 31 - 1 });
    },
  );

  test("can't have an origin that no request can have", () => {
    const error = thrown(() => dial({ origin: "https://x.test\n" })) as ConnError;
    expect(error).toMatchObject({ code: "bad-option" });
    expect(error.message).toMatch(/^origin /);
  });

  test.for([[new Headers({ a: "b" })], [new Map([["a", "b"]])], [[["a", "b"]]]])(
    "can't have headers that would be silently none: %o",
    ([headers]) => {
      const error = thrown(() => dial({ headers: headers as never })) as ConnError;
      expect(error).toMatchObject({ code: "bad-option" });
      expect(error.message).toMatch(/^headers /);
    },
  );

  test("fails the attempt where the function returns headers that no request can have, and emits an error", async () => {
    const conn = dial({ headers: ({ attempt }) => ({ a: attempt === 0 ? "SECRET\n" : "b" }) });
    const [errors, waits] = [record(conn, "error"), record(conn, "waiting")];
    await settleMicrotasks();
    expect(errors).toMatchObject([{ code: "provider", cause: { code: "bad-option" } }]);
    expect(inspect(errors, { depth: 5 })).not.toContain("SECRET");
    expect(waits).toMatchObject([{ attempt: 1, delayMs: 1_000, reason: "backoff" }]);
    expect(FakeWs.made).toHaveLength(0);
    await advance(1_000);
    expect(FakeWs.last.options.headers).toEqual({ a: "b" });
  });

  test.for([400, 404, 410])("refused with %i before the first open ends the Conn", async (status) => {
    const conn = dial();
    const lost = record(conn, "disconnected");
    await settleMicrotasks();
    FakeWs.last.refuse(status);
    expect(await conn.closed).toMatchObject({
      code: 1006,
      by: "policy",
      error: { cause: { code: "refused", status } },
    });
    expect(lost).toMatchObject([{ status, wasOpen: false, willRetry: false }]);
  });

  test("refused with 401 is final at once without a provider", async () => {
    const conn = dial();
    await settleMicrotasks();
    FakeWs.last.refuse(401);
    expect(conn.state).toBe("closed");
  });

  test("refused with 503 obeys Retry-After", async () => {
    const conn = dial();
    const waits = record(conn, "waiting");
    await settleMicrotasks();
    FakeWs.last.refuse(503, { "retry-after": "7" });
    expect(waits).toMatchObject([{ reason: "server" }]);
    expect(waits[0]?.delayMs).toBeGreaterThanOrEqual(7_000);
    expect(waits[0]?.delayMs).toBeLessThanOrEqual(8_750);
  });

  test.for(["0", "Sun, 06 Nov 1994 08:49:37 GMT", "-5", "1.5", "soon"])(
    "refused with a Retry-After of %j, which asks for no wait, waits longer with each attempt",
    async (after) => {
      const conn = dial();
      const waits = record(conn, "waiting");
      await settleMicrotasks();
      for (const ms of [1_000, 2_000, 4_000]) {
        FakeWs.last.refuse(503, { "retry-after": after });
        await advance(ms);
      }
      expect(waits.map(({ delayMs }) => delayMs)).toEqual([1_000, 2_000, 4_000]);
    },
  );

  test("that is abandoned ends in an error that is handled", async () => {
    const conn = dial();
    await settleMicrotasks();
    conn.close();
    await settleMicrotasks();
    expect(FakeWs.last.isTerminated).toBe(true);
    expect(FakeWs.last.listenerCount("error")).toBeGreaterThan(0);
  });
});

test("bytes are the caller's again after write(), also where a generateMask of zeros would have ws share them", async () => {
  const { conn, socket } = await opened({ clientOptions: { generateMask: (mask: Uint8Array) => mask.fill(0) } });
  const bytes = Uint8Array.of(1, 2, 3);
  conn.write(bytes);
  bytes.fill(0);
  expect(socket.sent).toEqual([Uint8Array.of(1, 2, 3)]);
});

describe("the heartbeat", () => {
  test("pings by protocol every 15 s, and emits the latency", async () => {
    const { conn, socket } = await opened();
    const latencies = record(conn, "latency");
    await advance(15_000);
    expect(socket.pings).toBe(1);
    await advance(20);
    socket.emit("pong");
    expect(latencies).toEqual([{ rttMs: 20 }]);
    await advance(15_000);
    expect(socket.pings).toBe(2);
  });

  test("abandons a silent peer 25 s after the last traffic, at once", async () => {
    const { conn, socket } = await opened();
    await advance(24_999);
    expect(conn.state).toBe("open");
    await advance(1);
    expect(conn.state).toBe("waiting");
    expect(socket.isTerminated).toBe(true);
  });

  test("is none with false", async () => {
    const { conn, socket } = await opened({ heartbeat: false });
    await advance(600_000);
    expect(socket.pings).toBe(0);
    expect(conn.state).toBe("open");
  });
});

describe("a full inbox", () => {
  test("pauses the socket at the high-water mark, and resumes it when half is left", async () => {
    const { conn, socket } = await opened({ inbox: { highWaterMark: 200 } });
    for (const value of ["a", "b", "c"]) socket.message(value);
    expect(socket.isPaused).toBe(false);
    socket.message("d");
    expect(socket.isPaused).toBe(true);
    for (const value of ["a", "b"]) expect(await conn.receive()).toBe(value);
    expect(socket.isPaused).toBe(true);
    await conn.receive();
    expect(socket.isPaused).toBe(false);
  });

  test("suspends the timeout while paused, and sends pongs so that the peer keeps the connection", async () => {
    const { conn, socket } = await opened({ inbox: { highWaterMark: 1 } });
    socket.message("a");
    expect(socket.isPaused).toBe(true);
    await advance(120_000);
    expect(conn.state).toBe("open");
    // Two in each wait of a peer with the same options.
    expect(socket.pongs).toBe(24);
    await conn.receive();
    expect(socket.isPaused).toBe(false);
    await settleMicrotasks();
    expect(socket.pings).toBe(1);
    socket.emit("pong");
    await advance(10_000);
    expect(conn.state).toBe("open");
  });

  test("is resumed for close(), so that the peer's close frame is received", async () => {
    const { conn, socket } = await opened({ inbox: { highWaterMark: 1 } });
    socket.message("a");
    conn.close();
    expect(socket.isPaused).toBe(false);
  });
});

test("text that is longer than a string can be is refused as too large", async () => {
  const { conn, socket } = await opened({ maxPayloadBytes: Number.POSITIVE_INFINITY });
  // Only its length is read, so that the test needs no half a gigabyte.
  socket.emit("message", { length: 2 ** 29, toString: () => expect.unreachable() }, false);
  expect(await conn.closed).toMatchObject({ code: 1009, error: { cause: { code: "too-large" } } });
});

test("a send() that throws ends the connection, and its message goes out on the next", async () => {
  const { conn, socket } = await opened();
  const ends = record(conn, "disconnected");
  const cause = new TypeError("b.mask is not a function");
  socket.send = () => {
    throw cause;
  };
  const sent = conn.send("x");
  await settleMicrotasks();
  expect(ends).toMatchObject([{ code: 1006, cause, willRetry: true }]);
  await advance(1_000);
  FakeWs.last.open();
  await sent;
  expect(FakeWs.last.sent).toEqual(["x"]);
});

test.for([1, 64, 65, 1_000])("a waiting message of %d bytes holds no network chunk", async (size) => {
  const { conn, socket } = await opened();
  const chunk = Buffer.alloc(65_536, 7);
  socket.emit("message", chunk.subarray(0, size), true);
  const message = (await conn.receive()) as Uint8Array;
  expect(message).toEqual(new Uint8Array(size).fill(7));
  expect(message.buffer.byteLength).toBe(size);
});

test("a message that ws emits has memory of its own, and is copied where it has not", async () => {
  const { conn, socket } = await opened();
  const chunk = Buffer.from(new ArrayBuffer(65_536));
  socket.emit("message", chunk.subarray(0, 65_535), true);
  socket.emit("message", chunk, true);
  expect(((await conn.receive()) as Uint8Array).buffer.byteLength).toBe(65_535);
  expect(((await conn.receive()) as Uint8Array).buffer).toBe(chunk.buffer);
});

test("a message over maxPayloadBytes that ws refused is reported as 1009, by this end", async () => {
  const { conn, socket } = await opened();
  socket.emit("error", Object.assign(new RangeError("Max payload"), { code: "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH" }));
  socket.drop(1006);
  expect(await conn.closed).toMatchObject({ code: 1009, by: "local", error: { cause: { code: "too-large" } } });
});

test("a breach of the protocol ends the connection at once, though the peer never closes", async () => {
  const { conn, socket } = await opened();
  const lost = record(conn, "disconnected");
  const error = Object.assign(new RangeError("Invalid frame"), { code: "WS_ERR_UNEXPECTED_RSV_1" });
  // ws has sent its close frame by then, and would wait for the peer's.
  socket.close();
  socket.emit("error", error);
  expect(lost).toMatchObject([{ code: 1006, clean: false, wasOpen: true, willRetry: true, cause: error }]);
  expect(socket.isTerminated).toBe(false);
  await advance(1_000);
  expect(socket.isTerminated).toBe(true);
});

describe("an error of ws", () => {
  const failed = async (code: string) => {
    const { conn, socket } = await opened();
    const ends = record(conn, "disconnected");
    socket.emit("error", Object.assign(new RangeError("Invalid frame"), { code }));
    return { conn, ends };
  };

  test.for([
    "WS_ERR_EXPECTED_FIN",
    "WS_ERR_INVALID_CLOSE_CODE",
    "WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH",
    "WS_ERR_INVALID_OPCODE",
    "WS_ERR_INVALID_UTF8",
    "WS_ERR_UNEXPECTED_RSV_1",
    "WS_ERR_UNEXPECTED_RSV_2_3",
  ])("%s is retried", async (code) => {
    const { conn, ends } = await failed(code);
    expect(ends).toMatchObject([{ code: 1006, willRetry: true, cause: { code } }]);
    expect(conn.state).toBe("waiting");
  });

  test.for([
    ["WS_ERR_EXPECTED_MASK", /no client/],
    ["WS_ERR_UNEXPECTED_MASK", /no server/],
    ["WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH", /2\^53/],
    ["WS_ERR_TOO_MANY_BUFFERED_PARTS", /clientOptions/],
  ] as const)("%s is final, and says why", async ([code, message]) => {
    const { conn, ends } = await failed(code);
    expect(ends).toMatchObject([{ willRetry: false, cause: { code: "refused", cause: { code } } }]);
    expect(await conn.closed).toMatchObject({ by: "policy", error: { message: expect.stringMatching(message) } });
  });
});

test("the cause of an end is reported where ws knows it", async () => {
  const conn = dial();
  const lost = record(conn, "disconnected");
  await settleMicrotasks();
  const error = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
  FakeWs.last.emit("error", error);
  FakeWs.last.drop();
  expect(lost).toMatchObject([{ code: 1006, wasOpen: false, willRetry: true, cause: error }]);
});

describe("the end of a turn", () => {
  const tcp = (uncork: () => void) => ({ bytesRead: 0, writableLength: 0, setKeepAlive() {}, cork() {}, uncork });

  test("writes the messages of every connection, though one of them fails", async () => {
    const gone: string[] = [];
    const failures = uncaught();
    const conns = [dial(), dial()];
    await settleMicrotasks();
    const [bad, good] = FakeWs.made as [FakeWs, FakeWs];
    const failing = () => {
      throw new Error("of one");
    };
    bad.emit("upgrade", { socket: tcp(failing) });
    good.emit("upgrade", { socket: tcp(() => gone.push("gone")) });
    for (const socket of [bad, good]) socket.open();
    await settleMicrotasks();
    for (let turn = 1; turn <= 2; turn++) {
      for (const conn of conns) conn.send("x");
      await new Promise((resolve) => process.nextTick(resolve));
      await settleMicrotasks();
      expect(gone).toHaveLength(turn);
    }
    expect(failures).toHaveLength(2);
  });
});

test("bytes that ws would keep are copied, unless nobody changes them", () => {
  const ws = new FakeWs("", [], {});
  ws.readyState = 1;
  const owner = { onOpen() {}, onMessage() {}, onEnd() {}, onPong() {} };
  const socket = new NodeSocket(ws as unknown as WsSocket, 1_000, owner, undefined, true);
  const bytes = new Uint8Array([1, 2]);
  socket.write(bytes, { isConstant: true });
  socket.write(bytes);
  socket.write(bytes, {});
  expect(ws.sent).toEqual([bytes, bytes, bytes]);
  expect(ws.sent.map((sent) => sent === bytes)).toEqual([true, false, false]);
});
