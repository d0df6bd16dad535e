import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { bytes, json, type Payload, readable, writable } from "../../../src/index.ts";
import {
  advance,
  createConn,
  isSettled,
  openConn,
  record,
  rejection,
  settleMicrotasks,
  useFakeTime,
} from "../../support/conn.ts";

useFakeTime();

const shout = () =>
  new TransformStream<Payload, Payload>({ transform: (text, to) => to.enqueue(`${String(text).toUpperCase()}!`) });

describe("readable", () => {
  test("takes nothing without a reader", async () => {
    const { conn, socket } = await openConn();
    const stream = readable(conn);
    socket.message("a");
    await settleMicrotasks();
    expect(conn.stats.inbox.messages).toBe(1);
    expect(await stream.getReader().read()).toEqual({ done: false, value: "a" });
    expect(conn.stats.inbox.messages).toBe(0);
  });

  test("goes on across connections, and ends when the Conn ends well", async () => {
    const { conn, net, socket } = await openConn();
    const heard: Payload[] = [];
    const done = readable(conn).pipeTo(new WritableStream({ write: (message) => void heard.push(message) }));
    socket.message("a");
    socket.drop();
    await advance(1_000);
    net.last.open();
    net.last.message("b");
    await settleMicrotasks();
    conn.close();
    await done;
    expect(heard).toEqual(["a", "b"]);
  });

  test("fails as the Conn does", async () => {
    const { conn, socket } = await openConn();
    const reading = readable(conn).getReader().read();
    socket.drop(1008, "no", true);
    expect(await rejection(reading)).toMatchObject({ code: "closed" });
  });

  test("skips what can't be decoded", async () => {
    const { conn, socket } = await openConn({ codec: json<number>() });
    const errors = record(conn, "error");
    const reader = readable(conn).getReader();
    socket.message("{");
    socket.message("1");
    expect(await reader.read()).toEqual({ done: false, value: 1 });
    expect(errors).toMatchObject([{ code: "unmarshal" }]);
  });

  test("lets go when it is cancelled: what comes later is for others", async () => {
    const { conn, socket } = await openConn();
    const reader = readable(conn).getReader();
    const reading = reader.read();
    await reader.cancel();
    expect(await reading).toEqual({ done: true, value: undefined });
    socket.message("a");
    expect(await conn.receive()).toBe("a");
    expect(conn.state).toBe("open");
  });

  test("is one of Node's too", async () => {
    const { conn, socket } = await openConn();
    const stream = Readable.fromWeb(readable(conn) as Parameters<typeof Readable.fromWeb>[0], { objectMode: true });
    socket.message("a");
    socket.message("b");
    const heard: unknown[] = [];
    for await (const message of stream) {
      heard.push(message);
      if (heard.length === 2) break;
    }
    expect(heard).toEqual(["a", "b"]);
  });
});

describe("writable", () => {
  test("asks for the next chunk when the connection has room", async () => {
    const { conn, socket } = await openConn({ codec: bytes, outbox: { highWaterMark: 10 } });
    const writer = writable(conn).getWriter();
    socket.stall(100);
    const first = writer.write(new Uint8Array(1));
    const second = writer.write(new Uint8Array(2));
    await settleMicrotasks();
    expect(socket.sent).toHaveLength(1);
    expect(await isSettled(first)).toBe(false);
    socket.stall(0);
    await advance(100);
    expect(await isSettled(Promise.all([first, second]))).toBe(true);
    expect(socket.sent).toHaveLength(2);
  });

  test("closes the Conn when it is closed or aborted, after what was written", async () => {
    for (const end of ["close", "abort"] as const) {
      const { conn, socket } = await openConn();
      const writer = writable(conn).getWriter();
      writer.write("a");
      await settleMicrotasks();
      await writer[end]();
      expect(socket.sent).toEqual(["a"]);
      expect(await conn.closed).toMatchObject({ code: 1000, by: "local" });
    }
  });

  test("fails when the Conn ends, and with a value that can't be marshalled", async () => {
    const ended = await openConn();
    const writer = writable(ended.conn).getWriter();
    ended.socket.drop(1008, "", true);
    expect(await rejection(writer.closed)).toMatchObject({ code: "closed" });
    const wrong = createConn({ codec: json() });
    const refused = writable<unknown>(wrong.conn).getWriter().write(undefined);
    expect(await rejection(refused)).toMatchObject({ code: "marshal" });
    await wrong.conn.close();
  });
});

test("piped into each other they echo, through whatever lies between", async () => {
  const { conn, socket } = await openConn();
  const done = readable(conn).pipeThrough(shout()).pipeTo(writable(conn));
  socket.message("a");
  socket.message("b");
  await settleMicrotasks();
  expect(socket.sent).toEqual(["A!", "B!"]);
  conn.close();
  await rejection(done);
});
