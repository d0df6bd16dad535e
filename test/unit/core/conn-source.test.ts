import { describe, expect, test } from "vitest";
import type { LifecycleSource } from "../../../src/index.ts";
import {
  advance,
  createConn,
  isSettled,
  openConn,
  record,
  settleMicrotasks,
  thrown,
  useFakeTime,
} from "../../support/conn.ts";
import { FakeLifecycle } from "../../support/fake-lifecycle.ts";

useFakeTime();

const boom = (): never => {
  throw new Error("boom");
};

describe("a source of the user's", () => {
  test("without subscribe() and isOnline() is a bad option", () => {
    for (const lifecycle of [{}, { subscribe: boom }, { isOnline: boom }]) {
      const error = thrown(() => createConn({ lifecycle: lifecycle as LifecycleSource, autoConnect: false }));
      expect(error).toMatchObject({ code: "bad-option" });
    }
  });

  test("whose subscribe() throws emits an error, and the Conn works without it", async () => {
    const { conn, net } = createConn({ lifecycle: { isOnline: () => true, subscribe: boom } });
    const errors = record(conn, "error");
    await settleMicrotasks();
    net.last.open();
    await settleMicrotasks();
    expect(conn.state).toBe("open");
    await conn.close();
    expect(errors).toMatchObject([{ code: "provider" }]);
  });

  test("whose subscribe() gives no undo is asked once", async () => {
    let calls = 0;
    const subscribe = () => void calls++ as never;
    const { conn, net, socket } = await openConn({ lifecycle: { isOnline: () => true, subscribe } });
    socket.drop();
    await advance(5_000);
    expect(net.sockets).toHaveLength(2);
    expect(calls).toBe(1);
    await conn.close();
  });

  test("whose isOnline() throws emits an error, and the Conn reconnects", async () => {
    const { conn, net, socket } = await openConn({ lifecycle: { isOnline: boom, subscribe: () => () => {} } });
    const errors = record(conn, "error");
    socket.drop();
    await advance(5_000);
    expect(net.sockets).toHaveLength(2);
    expect(errors).toMatchObject([{ code: "provider" }]);
  });

  test("whose undo throws does not keep the Conn open", async () => {
    const { conn } = await openConn({ lifecycle: { isOnline: () => true, subscribe: () => boom } });
    conn.close();
    await settleMicrotasks();
    expect(await isSettled(conn.closed)).toBe(true);
  });
});

describe("giveUpAfterMs", () => {
  test("leaves a page that was cached for longer an attempt", async () => {
    const lifecycle = new FakeLifecycle();
    const { conn, net } = await openConn({ lifecycle, giveUpAfterMs: 60_000 });
    await advance(5_000);
    lifecycle.emit("suspend");
    await advance(600_000);
    lifecycle.emit("restore");
    await advance(5);
    expect(conn.state).toBe("connecting");
    net.last.open();
    await settleMicrotasks();
    expect(conn.state).toBe("open");
  });

  test("under the longest wait outlasts a short spell offline", async () => {
    const lifecycle = new FakeLifecycle();
    const { conn, socket } = await openConn({ lifecycle, giveUpAfterMs: 20_000 });
    await advance(5_000);
    lifecycle.emit("offline");
    socket.drop();
    await advance(1_000);
    expect(conn.state).toBe("waiting");
    lifecycle.emit("online");
    expect(conn.state).toBe("connecting");
  });
});

test("a WebSocket class whose close() throws does not keep the Conn open", async () => {
  const { conn, socket } = await openConn({ closeTimeoutMs: 100 });
  socket.close = boom;
  conn.close();
  await advance(100);
  expect(await conn.closed).toMatchObject({ code: 1006, by: "local" });
});
