import { describe, expect, test, vi } from "vitest";
import type { DisconnectInfo } from "../../../src/index.ts";
import { FINAL_CODES, REFUSED_CODES, RETRIED_CODES } from "../../support/close-codes.ts";
import { advance, createConn, openConn, record, settleMicrotasks, useFakeTime } from "../../support/conn.ts";

useFakeTime();

describe("the decision on an ending", () => {
  test.for(FINAL_CODES)("%i ends the Conn", async (code) => {
    const { conn, net, socket } = await openConn();
    socket.drop(code, "why", true);
    expect(await conn.closed).toMatchObject({ code, reason: "why", clean: true, by: "policy" });
    await advance(60_000);
    expect(net.sockets).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("1000 ends the Conn without an error", async () => {
    const { conn, socket } = await openConn();
    socket.drop(1000, "bye", true);
    const info = await conn.closed;
    expect(info).toMatchObject({ code: 1000, reason: "bye", clean: true, by: "peer" });
    expect(info.error).toBeUndefined();
  });

  test.for(RETRIED_CODES)("%i is retried", async (code) => {
    const { conn, net, socket } = await openConn();
    const lost = record(conn, "disconnected");
    socket.drop(code, "", code !== 1006);
    await advance(1_000);
    expect(net.sockets).toHaveLength(2);
    expect(lost).toMatchObject([{ code, wasOpen: true, willRetry: true }]);
  });

  test.for(REFUSED_CODES)("%i is final at once without a provider", async (code) => {
    const { conn, socket } = await openConn();
    socket.drop(code, "", true);
    expect(await conn.closed).toMatchObject({ code, by: "policy" });
  });

  test.for(REFUSED_CODES)("%i gets one more try with a provider", async (code) => {
    const { conn, net } = createConn({}, () => "ws://x.test/");
    await settleMicrotasks();
    net.last.open();
    await settleMicrotasks();
    net.last.drop(code, "", true);
    await advance(1_000);
    expect(net.sockets).toHaveLength(2);
    net.last.open();
    await settleMicrotasks();
    net.last.drop(code, "", true);
    expect(conn.state).toBe("closed");
  });

  test("gives a stable connection one more try, and not two", async () => {
    const { conn, net } = createConn({}, () => "ws://x.test/");
    await settleMicrotasks();
    net.last.open();
    await advance(6_000);
    net.last.drop(4401, "", true);
    await advance(1_000);
    expect(net.sockets).toHaveLength(2);
    net.last.open();
    await settleMicrotasks();
    net.last.drop(4401, "", true);
    expect(conn.state).toBe("closed");
  });

  test("gives every stable connection its one more try", async () => {
    const { conn, net } = createConn({ setup: () => {} });
    for (let i = 0; i < 3; i++) {
      await advance(2_000);
      net.last.open();
      await advance(5_000);
      net.last.drop(4401, "", true);
      expect(conn.state).toBe("waiting");
    }
  });
});

describe("shouldRetry", () => {
  test("overrules the decision both ways", async () => {
    const seen: DisconnectInfo[] = [];
    const shouldRetry = (info: DisconnectInfo) => {
      seen.push(info);
      return !info.willRetry;
    };
    const { conn, net, socket } = await openConn({ shouldRetry });
    socket.drop(1008, "", true);
    expect(conn.state).toBe("waiting");
    await advance(1_000);
    net.last.refuse();
    expect(await conn.closed).toMatchObject({ code: 1006, by: "policy" });
    expect(seen).toMatchObject([
      { code: 1008, wasOpen: true, willRetry: false },
      { code: 1006, wasOpen: false, willRetry: true },
    ]);
  });

  test("leaves the wait to backoff, which knows the ending", async () => {
    const seen: unknown[] = [];
    const backoff = (attempt: number, info: DisconnectInfo) => {
      seen.push([attempt, info.code, info.willRetry]);
      return 7_000;
    };
    const { net, socket } = await openConn({ shouldRetry: () => true, backoff });
    socket.drop(4404, "", true);
    await advance(6_999);
    expect(net.sockets).toHaveLength(1);
    await advance(1);
    expect(net.sockets).toHaveLength(2);
    expect(seen).toEqual([[1, 4404, true]]);
  });

  test.for([0, 7_000, undefined, Promise.resolve(false)])(
    "that returns no boolean, such as %s, changes nothing and is reported",
    async (answer) => {
      const { conn, socket } = await openConn({ shouldRetry: () => answer as unknown as boolean });
      const errors = record(conn, "error");
      socket.drop();
      expect(conn.state).toBe("waiting");
      expect(errors).toMatchObject([{ code: "provider", message: expect.stringContaining("true or false") }]);
    },
  );

  test("is not asked about the answer to our own close", async () => {
    const shouldRetry = vi.fn(() => true);
    const { conn } = await openConn({ shouldRetry });
    await conn.close();
    expect(shouldRetry).not.toHaveBeenCalled();
  });

  test("that throws leaves the decision as it was, and emits an error", async () => {
    const shouldRetry = () => {
      throw new Error("boom");
    };
    const { conn, socket } = await openConn({ shouldRetry });
    const errors = record(conn, "error");
    socket.drop();
    expect(conn.state).toBe("waiting");
    expect(errors).toMatchObject([{ cause: { message: "boom" } }]);
  });
});
