import { describe, expect, test, vi } from "vitest";
import { json } from "../../../src/index.ts";
import {
  advance,
  createConn,
  isSettled,
  openConn,
  record,
  rejection,
  settleMicrotasks,
  thrown,
  useFakeTime,
} from "../../support/conn.ts";

useFakeTime();

describe("send()", () => {
  test("writes at once while open, in the caller's turn", async () => {
    const { conn, socket } = await openConn();
    const sent = conn.send("a");
    expect(socket.sent).toEqual(["a"]);
    await expect(sent).resolves.toBeUndefined();
    expect(conn.stats).toMatchObject({ sent: 1, outbox: { messages: 0, bytes: 0 } });
  });

  test("sends strings as text and bytes as binary", async () => {
    const { conn, socket } = await openConn();
    conn.send("text");
    conn.send(new Uint8Array([0, 255]));
    expect(socket.sent).toEqual(["text", new Uint8Array([0, 255])]);
  });

  test("waits while there is no connection, and goes out in order", async () => {
    const { conn, net } = createConn();
    const fates = ["a", "b", "c"].map((value) => conn.send(value));
    expect(conn.stats).toMatchObject({ sent: 0, outbox: { messages: 3, bytes: 3 } });
    expect(await isSettled(Promise.race(fates))).toBe(false);
    net.last.open();
    await Promise.all(fates);
    expect(net.last.sent).toEqual(["a", "b", "c"]);
    expect(conn.stats).toMatchObject({ sent: 3, outbox: { messages: 0, bytes: 0 } });
  });

  test("copies the bytes that wait: the caller's buffer is his again", async () => {
    const { conn, net } = createConn();
    const buffer = new Uint8Array([1, 2]);
    conn.send(buffer);
    buffer.fill(9);
    await settleMicrotasks();
    net.last.open();
    await settleMicrotasks();
    expect(net.last.sent).toEqual([new Uint8Array([1, 2])]);
  });

  test("keeps order when the connection drops during a flush", async () => {
    const { conn, net } = createConn();
    const values = Array.from({ length: 10 }, (_, i) => `m${i}`);
    const fates = values.map((value) => conn.send(value));
    net.onDial = (socket) => {
      socket.onSend = () => socket.sent.length === 3 && socket.drop();
    };
    for (let i = 0; i < 4; i++) {
      await advance(8_000);
      net.last.open();
    }
    await Promise.all(fates);
    expect(net.sockets.map(({ sent }) => sent)).toEqual([
      ["m0", "m1", "m2"],
      ["m3", "m4", "m5"],
      ["m6", "m7", "m8"],
      ["m9"],
    ]);
  });

  test("keeps for the next connection what a dead one would swallow", async () => {
    const { conn, net, socket } = await openConn();
    socket.die();
    const sent = conn.send("a");
    conn.send("b");
    expect(await isSettled(sent)).toBe(false);
    socket.drop();
    await advance(1_000);
    net.last.open();
    await sent;
    expect(socket.sent).toEqual([]);
    expect(net.last.sent).toEqual(["a", "b"]);
  });

  test("keeps order when a listener sends while the rest is flushed", async () => {
    const { conn, net } = createConn();
    conn.on("drained", () => void conn.send("from drained"));
    conn.send("a").then(() => conn.send("from promise"));
    conn.on("open", () => void conn.send("from open"));
    conn.send("b");
    await settleMicrotasks();
    net.last.open();
    await settleMicrotasks();
    expect(net.last.sent).toEqual(["a", "b", "from open", "from promise"]);
  });

  test("throws at the caller's line what can't be marshalled", async () => {
    const { conn, socket } = await openConn({ codec: json() });
    const cycle: Record<string, unknown> = {};
    cycle.cycle = cycle;
    for (const value of [cycle, undefined, () => {}, 1n]) {
      expect(thrown(() => conn.send(value))).toMatchObject({ name: "ConnError", code: "marshal" });
    }
    expect(socket.sent).toEqual([]);
  });

  test("throws at the caller's line when a codec gives neither string nor bytes", async () => {
    const codec = { marshal: () => 5 as unknown as string, unmarshal: String };
    const { conn } = await openConn({ codec });
    const message = "A message must be a string or bytes: give codec: json() for other values.";
    expect(thrown(() => conn.send("x"))).toMatchObject({ code: "marshal", message });
    expect(thrown(() => conn.write({} as string))).toMatchObject({ code: "marshal", message });
  });

  test("throws too-large for more than maxSendBytes of UTF-8, with the payload", async () => {
    const { conn, socket } = await openConn({ maxSendBytes: 4 });
    expect(thrown(() => conn.send("ééé"))).toMatchObject({ code: "too-large", payload: "ééé" });
    expect(thrown(() => conn.write(new Uint8Array(5)))).toMatchObject({ code: "too-large" });
    await conn.send("éé");
    expect(socket.sent).toEqual(["éé"]);
  });

  test("rejects with closed while closing and once closed, with the payload, and emits nothing", async () => {
    const { conn, net } = await openConn();
    const dropped = record(conn, "dropped");
    net.answersClose = false;
    conn.close();
    expect(await rejection(conn.send("x"))).toMatchObject({ code: "closed", payload: "x" });
    await advance(2_000);
    expect(await rejection(conn.write("x"))).toMatchObject({ code: "closed", payload: "x" });
    expect(dropped).toEqual([]);
  });

  test("to a closed Conn is no unhandled rejection when it is ignored", async () => {
    const { conn } = await openConn();
    conn.close();
    const unhandled = vi.fn();
    process.on("unhandledRejection", unhandled);
    conn.send("x");
    await advance(1);
    vi.useRealTimers();
    await new Promise((resolve) => setImmediate(resolve));
    process.off("unhandledRejection", unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });

  test.for([{ ttlMs: 0 }, { ttlMs: -1 }, { ttlMs: Number.NaN }, { key: 5 as unknown as string }])(
    "throws bad-option for %o",
    async (options) => {
      const { conn } = createConn();
      expect(thrown(() => conn.send("x", options))).toMatchObject({ code: "bad-option" });
    },
  );

  test("leaves an ignored rejection handled", async () => {
    vi.useRealTimers();
    const unhandled = vi.fn();
    process.on("unhandledRejection", unhandled);
    const { conn } = createConn({ outbox: { maxMessages: 1 } });
    conn.send("kept");
    conn.send("refused");
    conn.send("volatile", { volatile: true });
    conn.send("aborted", { signal: AbortSignal.abort() });
    conn.receive();
    conn.ready();
    conn.flush();
    conn.flush({ signal: AbortSignal.abort() });
    await conn.close();
    conn.receive();
    conn.ready();
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    process.off("unhandledRejection", unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });
});

describe("write()", () => {
  test("bypasses the codec", async () => {
    const { conn, socket } = await openConn({ codec: json() });
    conn.write("{raw");
    expect(socket.sent).toEqual(["{raw"]);
  });

  test("frames bytes as payloadType says", async () => {
    const { conn, socket } = await openConn();
    const utf8 = new TextEncoder().encode("é");
    expect(conn.payloadType).toBe("binary");
    conn.write(utf8);
    conn.payloadType = "text";
    conn.write(utf8);
    conn.write("text");
    expect(socket.sent).toEqual([utf8, "é", "text"]);
  });

  test("frames one payload as its options say, whatever payloadType says", async () => {
    const { conn, socket } = await openConn();
    const utf8 = new TextEncoder().encode("é");
    conn.write(utf8, { as: "text" });
    conn.write("é", { as: "binary" });
    conn.payloadType = "text";
    conn.write(utf8, { as: "binary" });
    conn.write(utf8, { as: undefined });
    expect(socket.sent).toEqual(["é", utf8, utf8, "é"]);
  });

  test("throws bad-option for a frame that is neither text nor binary, with the value", async () => {
    const { conn, socket } = await openConn();
    const error = thrown(() => conn.write("x", { as: "blob" as "text" }));
    expect(error).toMatchObject({ code: "bad-option", message: 'as must be "text" or "binary"; got blob.' });
    expect(socket.sent).toEqual([]);
  });

  test("throws marshal for bytes that are no UTF-8 when payloadType is text", async () => {
    const { conn, socket } = await openConn();
    conn.payloadType = "text";
    expect(thrown(() => conn.write(new Uint8Array([0xff])))).toMatchObject({ code: "marshal" });
    expect(socket.sent).toEqual([]);
  });

  test("throws marshal for what is neither string nor bytes", async () => {
    const { conn } = await openConn();
    for (const payload of [undefined, 5, {}, new ArrayBuffer(1)]) {
      expect(thrown(() => conn.write(payload as string))).toMatchObject({ code: "marshal" });
    }
  });
});
