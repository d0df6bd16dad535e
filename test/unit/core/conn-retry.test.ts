import { describe, expect, test, vi } from "vitest";
import { advance, createConn, openConn, record, rejection, settleMicrotasks, useFakeTime } from "../../support/conn.ts";

useFakeTime();

describe("the wait", () => {
  test("doubles its bound with every failed attempt", async () => {
    const { conn, net } = createConn();
    const waits = record(conn, "waiting");
    await settleMicrotasks();
    for (const ms of [1_000, 2_000, 4_000]) {
      net.last.refuse();
      await advance(ms - 1);
      expect(conn.state).toBe("waiting");
      await advance(1);
      expect(conn.state).toBe("connecting");
    }
    expect(waits).toEqual([
      { attempt: 1, delayMs: 1_000, reason: "backoff" },
      { attempt: 2, delayMs: 2_000, reason: "backoff" },
      { attempt: 3, delayMs: 4_000, reason: "backoff" },
    ]);
  });

  test("is jittered over the whole bound by default, drawn anew each time", async () => {
    const random = vi.spyOn(Math, "random");
    const { conn, net } = createConn({ backoff: undefined });
    const waits = record(conn, "waiting");
    await settleMicrotasks();
    for (const draw of [0.5, 0.75]) {
      random.mockReturnValue(draw);
      net.last.refuse();
      await advance(2_000);
    }
    expect(waits).toMatchObject([{ delayMs: 500 }, { delayMs: 1_500 }]);
  });

  test("is never under 250 ms after a connection that was not stable", async () => {
    const { conn, net, socket } = await openConn({ backoff: () => 0 });
    const waits = record(conn, "waiting");
    socket.drop();
    await advance(249);
    expect(net.sockets).toHaveLength(1);
    await advance(1);
    expect(net.sockets).toHaveLength(2);
    expect(waits).toMatchObject([{ delayMs: 250 }]);
  });

  test.for(["retry=0", "retry=0-0"])("grows as ever where a server asks for none at all, by %s", async (reason) => {
    const { conn, net } = createConn();
    const waits = record(conn, "waiting");
    await settleMicrotasks();
    for (const ms of [1_000, 2_000, 4_000]) {
      net.last.open();
      net.last.drop(1008, reason, true);
      await advance(ms);
    }
    expect(waits.map(({ delayMs }) => delayMs)).toEqual([1_000, 2_000, 4_000]);
    expect(waits[0]?.reason).toBe("backoff");
  });

  test("has no floor after a stable connection", async () => {
    const { conn, socket } = await openConn({ backoff: () => 0 });
    const waits = record(conn, "waiting");
    await advance(5_000);
    socket.drop();
    expect(waits).toMatchObject([{ delayMs: 0 }]);
  });

  test("starts over only after a connection that lasted stableAfterMs", async () => {
    const { conn, net, socket } = await openConn();
    const waits = record(conn, "waiting");
    await advance(4_999);
    socket.drop();
    await advance(1_000);
    net.last.open();
    await advance(4_999);
    net.last.drop();
    await advance(2_000);
    net.last.open();
    await advance(5_000);
    net.last.drop();
    expect(waits.map(({ delayMs }) => delayMs)).toEqual([1_000, 2_000, 1_000]);
  });

  test("grows while the server accepts and closes at once", async () => {
    const { net } = createConn();
    net.onDial = (socket) =>
      queueMicrotask(() => {
        socket.open();
        socket.drop();
      });
    await advance(60_000);
    // At 0, 1, 3, 7, 15, 31 and then every 30 s.
    expect(net.sockets).toHaveLength(6);
  });

  test.for([Number.NaN, -1, undefined as unknown as number])(
    "is the longest when backoff answers %s",
    async (answer) => {
      const { conn, net } = createConn({ backoff: () => answer });
      const waits = record(conn, "waiting");
      await settleMicrotasks();
      net.last.refuse();
      expect(waits).toMatchObject([{ delayMs: 30_000 }]);
    },
  );

  test("is the longest when backoff throws, and an error is emitted", async () => {
    const backoff = () => {
      throw new Error("boom");
    };
    const { conn, net } = createConn({ backoff });
    const [waits, errors] = [record(conn, "waiting"), record(conn, "error")];
    await settleMicrotasks();
    net.last.refuse();
    expect(waits).toMatchObject([{ delayMs: 30_000 }]);
    expect(errors).toMatchObject([{ cause: { message: "boom" } }]);
  });

  test("is never longer than a platform's timer holds", async () => {
    const { conn, net } = createConn({ backoff: () => Number.POSITIVE_INFINITY });
    await settleMicrotasks();
    net.last.refuse();
    await advance(1_000_000);
    expect(net.sockets).toHaveLength(1);
    expect(conn.state).toBe("waiting");
  });
});

describe("a delay that the server requests", () => {
  test("in the close reason is obeyed, drawn from its window", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    const { conn, net, socket } = await openConn();
    const waits = record(conn, "waiting");
    await advance(5_000);
    socket.drop(1012, "retry=100-200", true);
    expect(waits).toEqual([{ attempt: 1, delayMs: 150, reason: "server" }]);
    await advance(150);
    expect(net.sockets).toHaveLength(2);
  });

  test("of one value is spread over a quarter more", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const { conn, socket } = await openConn();
    const waits = record(conn, "waiting");
    socket.drop(1013, "retry=4000", true);
    expect(waits).toMatchObject([{ delayMs: 5_000, reason: "server" }]);
  });

  test("makes a final code worth another attempt", async () => {
    const { conn, socket } = await openConn();
    socket.drop(1008, "retry=1000-2000", true);
    expect(conn.state).toBe("waiting");
  });

  test("is cut short by connect()", async () => {
    const { conn, net, socket } = await openConn();
    await advance(250);
    socket.drop(1012, "retry=60000", true);
    conn.connect();
    await settleMicrotasks();
    expect(net.sockets).toHaveLength(2);
  });
});

describe("giving up", () => {
  test.for([0, 2])("comes after maxRetries: %i", async (maxRetries) => {
    const { conn, net } = createConn({ maxRetries });
    const ready = conn.ready();
    net.onDial = (socket) => queueMicrotask(() => socket.refuse());
    await advance(60_000);
    expect(net.sockets).toHaveLength(maxRetries + 1);
    expect(await conn.closed).toMatchObject({ by: "gave-up", code: 1006, clean: false, error: { code: "closed" } });
    expect(await rejection(ready)).toMatchObject({ code: "closed" });
    expect(vi.getTimerCount()).toBe(0);
  });

  test("counts retries anew after a stable connection", async () => {
    const { conn, net } = createConn({ maxRetries: 1 });
    for (let i = 0; i < 3; i++) {
      await advance(1_000);
      net.last.open();
      await advance(5_000);
      net.last.drop();
      expect(conn.state).toBe("waiting");
    }
  });

  test("comes within giveUpAfterMs without a connection", async () => {
    const { conn, net } = createConn({ giveUpAfterMs: 3_500, backoff: () => 1_000 });
    net.onDial = (socket) => queueMicrotask(() => socket.refuse());
    await advance(3_500);
    expect(await conn.closed).toMatchObject({ by: "gave-up" });
    expect(net.sockets).toHaveLength(4);
  });

  test("comes within giveUpAfterMs although an attempt hangs", async () => {
    const { conn } = createConn({ giveUpAfterMs: 3_000 });
    await advance(2_999);
    expect(conn.state).toBe("connecting");
    await advance(1);
    expect(conn.state).toBe("closed");
    expect(await conn.closed).toMatchObject({ by: "gave-up" });
  });

  test("counts giveUpAfterMs anew from the loss of each connection", async () => {
    const { conn, net, socket } = await openConn({ giveUpAfterMs: 2_500, backoff: () => 1_000 });
    await advance(10_000);
    socket.drop();
    await advance(1_000);
    net.last.refuse();
    await advance(1_000);
    expect(conn.state).toBe("connecting");
    net.last.refuse();
    expect(conn.state).toBe("closed");
  });

  test("makes later sends reject, with the reason", async () => {
    const { conn, net } = createConn({ maxRetries: 0 });
    await settleMicrotasks();
    net.last.error("connect ECONNREFUSED 127.0.0.1:1");
    expect(await rejection(conn.send("x"))).toMatchObject({
      code: "closed",
      message:
        "The Conn is closed. Ended by gave-up, 1006: connect ECONNREFUSED 127.0.0.1:1. Make a new Conn to connect again.",
    });
  });
});
