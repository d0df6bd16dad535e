import { describe, expect, test } from "vitest";
import type { StateName } from "../../../src/index.ts";
import {
  advance,
  createConn,
  openConn,
  record,
  recordAll,
  rejection,
  settleMicrotasks,
  thrown,
  useFakeTime,
} from "../../support/conn.ts";

useFakeTime();

test("dials a microtask after construction", async () => {
  const { conn, net } = createConn();
  expect(conn.state).toBe("idle");
  await undefined;
  expect(conn.state).toBe("connecting");
  await settleMicrotasks();
  expect(net.sockets).toHaveLength(1);
  expect(net.last.url).toBe("ws://x.test/");
});

test("receives messages that come in the same tick as open", async () => {
  const { conn, net } = createConn();
  await settleMicrotasks();
  net.last.open();
  net.last.message("first");
  expect(await conn.receive()).toBe("first");
});

test("opens although the socket opens before its maker has it", async () => {
  const { conn, net } = createConn();
  net.onDial = (socket) => queueMicrotask(() => socket.open());
  await settleMicrotasks();
  expect(conn.state).toBe("open");
});

test("tells what the server selected when it opens", async () => {
  const { conn, net } = createConn({ protocols: ["a", "b"] });
  const opens = record(conn, "open");
  await advance(30);
  expect(net.last.protocols).toEqual(["a", "b"]);
  net.last.open({ protocol: "b", extensions: "permessage-deflate" });
  await settleMicrotasks();
  expect(conn).toMatchObject({ protocol: "b", extensions: "permessage-deflate", url: "ws://x.test/" });
  expect(opens).toEqual([
    {
      protocol: "b",
      extensions: "permessage-deflate",
      attempt: 0,
      reconnected: false,
      resumed: false,
      session: false,
      downMs: 30,
    },
  ]);
});

test("tells of a reconnection how long the Conn was down", async () => {
  const { conn, net, socket } = await openConn();
  const opens = record(conn, "open");
  await advance(6_000);
  socket.drop();
  await advance(1_200);
  net.last.open();
  await settleMicrotasks();
  expect(opens).toMatchObject([{ reconnected: true, resumed: false, attempt: 1, downMs: 1_200 }]);
});

test("asks every socket for bytes as ArrayBuffers", async () => {
  const { conn, net, socket } = await openConn();
  socket.drop();
  await advance(1_000);
  net.last.open();
  net.last.message(new Uint8Array([1, 2]));
  expect(await conn.receive()).toEqual(new Uint8Array([1, 2]));
});

test("stays idle with autoConnect false until connect()", async () => {
  const { conn, net } = createConn({ autoConnect: false });
  await advance(60_000);
  expect(conn.state).toBe("idle");
  conn.connect();
  await settleMicrotasks();
  expect(net.sockets).toHaveLength(1);
});

test("ready() starts an idle Conn and resolves when it is open", async () => {
  const { conn, net } = createConn({ autoConnect: false });
  const ready = conn.ready();
  await settleMicrotasks();
  net.last.open();
  await ready;
  expect(conn.state).toBe("open");
  await conn.ready();
});

test("ready() waits through failed attempts", async () => {
  const { conn, net } = createConn();
  const ready = conn.ready();
  await settleMicrotasks();
  net.last.refuse();
  await advance(1_000);
  net.last.open();
  await expect(ready).resolves.toBeUndefined();
});

test("ready() rejects once its signal is aborted, and the Conn goes on", async () => {
  const { conn } = createConn();
  const controller = new AbortController();
  const ready = conn.ready({ signal: controller.signal });
  controller.abort("why");
  expect(await rejection(ready)).toMatchObject({ code: "aborted", cause: "why" });
  expect(await rejection(conn.ready({ signal: controller.signal }))).toMatchObject({ code: "aborted" });
  expect(conn.state).toBe("connecting");
});

test("ready() rejects when the Conn is closing or closed", async () => {
  const { conn, net } = await openConn();
  net.answersClose = false;
  conn.close();
  expect(await rejection(conn.ready())).toMatchObject({ code: "closed" });
  await advance(2_000);
  expect(await rejection(conn.ready())).toMatchObject({ code: "closed" });
});

test("connect() and reconnect() throw at the caller's line once closed", async () => {
  const { conn } = createConn();
  await conn.close();
  expect(thrown(() => conn.connect())).toMatchObject({ code: "closed" });
  expect(thrown(() => conn.reconnect())).toMatchObject({ code: "closed" });
});

test("connect() changes nothing while connecting or open", async () => {
  const { conn, net } = createConn();
  await settleMicrotasks();
  conn.connect();
  await settleMicrotasks();
  net.last.open();
  await settleMicrotasks();
  conn.connect();
  await advance(1_000);
  expect(net.sockets).toHaveLength(1);
  expect(conn.state).toBe("open");
});

test("connect() cuts a wait short", async () => {
  const { conn, net, socket } = await openConn();
  socket.drop();
  expect(conn.state).toBe("waiting");
  await advance(250);
  conn.connect();
  await settleMicrotasks();
  expect(net.sockets).toHaveLength(2);
  await advance(5_000);
  expect(net.sockets).toHaveLength(2);
});

test.for(["connect", "reconnect"] as const)(
  "%s() out of a wait dials no sooner than 250 ms after the last dial",
  async (method) => {
    const { conn, net, socket } = await openConn();
    conn.on("disconnected", () => conn[method]());
    socket.drop();
    await advance(249);
    expect(net.sockets).toHaveLength(1);
    await advance(1);
    expect(net.sockets).toHaveLength(2);
    for (let dials = 2; dials < 6; dials++) {
      net.last.refuse();
      await advance(249);
      expect(net.sockets).toHaveLength(dials);
      await advance(1);
    }
    await conn.close();
  },
);

test("reconnect() while waiting dials at once, and once", async () => {
  const { conn, net, socket } = await openConn();
  await advance(250);
  socket.drop();
  conn.reconnect();
  await settleMicrotasks();
  expect(net.sockets).toHaveLength(2);
  await advance(5_000);
  expect(net.sockets).toHaveLength(2);
});

test("reconnect() while open leaves the connection and dials at once", async () => {
  const { conn, net, socket } = await openConn();
  await advance(250);
  const events = recordAll(conn);
  conn.reconnect();
  await settleMicrotasks();
  expect(socket.closedWith).toEqual({ code: 4001 });
  expect(net.sockets).toHaveLength(2);
  net.last.open();
  await settleMicrotasks();
  expect(events).toEqual(["open>connecting", "connecting>open", "open"]);
});

test("reconnect() while connecting leaves the attempt and dials at once", async () => {
  const { conn, net } = createConn();
  await advance(250);
  conn.reconnect();
  await settleMicrotasks();
  expect(net.at(0).closedWith).toEqual({});
  expect(net.sockets).toHaveLength(2);
});

test.for(["connecting", "open"])(
  "reconnect() while %s waits for the rest of 250 ms since the last dial",
  async (state) => {
    const { conn, net } = createConn();
    const waits = record(conn, "waiting");
    await settleMicrotasks();
    if (state === "open") net.last.open();
    await advance(100);
    expect(conn.state).toBe(state);
    conn.reconnect();
    expect(waits).toEqual([{ attempt: 0, delayMs: 150, reason: "backoff" }]);
    await advance(149);
    expect(net.sockets).toHaveLength(1);
    await advance(1);
    expect(net.sockets).toHaveLength(2);
  },
);

test("tells state, then lost, then waiting", async () => {
  const { conn, socket } = await openConn();
  const events = recordAll(conn);
  socket.drop();
  expect(events).toEqual(["open>waiting", "disconnected", "waiting"]);
});

test("tells state, then lost, then closed, and settles promises after", async () => {
  const { conn, socket } = await openConn();
  const events = recordAll(conn);
  conn.closed.then(() => events.push("settled closed"));
  conn.receive().catch(() => events.push("settled receive"));
  socket.drop(1008, "", true);
  expect(events).toEqual(["open>closed", "disconnected", "closed"]);
  await settleMicrotasks();
  expect(events.slice(3).sort()).toEqual(["settled closed", "settled receive"]);
});

test("tells of an end that it was final, and who ended it", async () => {
  const { conn, socket } = await openConn();
  const [lost, closed] = [record(conn, "disconnected"), record(conn, "closed")];
  socket.drop(1008, "no", true);
  expect(lost).toMatchObject([{ code: 1008, reason: "no", clean: true, wasOpen: true, willRetry: false }]);
  expect(closed).toMatchObject([{ code: 1008, reason: "no", clean: true, by: "policy", unsent: [], inDoubt: [] }]);
  expect(closed[0]?.error).toMatchObject({ code: "closed" });
});

test("tells no lost of a connection that we closed ourselves", async () => {
  const { conn } = await openConn();
  const events = recordAll(conn);
  await conn.close();
  expect(events).toEqual(["open>closing", "closing>closed", "closed"]);
});

test("has the state that it tells of", async () => {
  const { conn, socket } = await openConn();
  const seen: [StateName, StateName][] = [];
  conn.on("state", ({ to }) => seen.push([to, conn.state]));
  socket.drop();
  await advance(1_000);
  await conn.close();
  expect(seen).toEqual([
    ["waiting", "waiting"],
    ["connecting", "connecting"],
    ["closed", "closed"],
  ]);
});

describe("a server that selects none of the protocols", () => {
  const dial = async () => {
    const { conn, net } = createConn({ protocols: ["a", "b"] });
    const ends = record(conn, "disconnected");
    const messages = record(conn, "message");
    await settleMicrotasks();
    net.last.open();
    return { conn, net, ends, messages };
  };

  test.each([1000, 1005, 1006, 1013, 4401, 4404])(
    "and closes with %i ends the attempt with this code",
    async (code) => {
      const { net, ends } = await dial();
      await advance(99);
      net.last.drop(code, "why", true);
      await advance(1);
      expect(ends).toMatchObject([{ code, reason: "why", clean: true, wasOpen: false }]);
    },
  );

  test("and does not close is left after 100 ms", async () => {
    const { net, ends } = await dial();
    await advance(99);
    expect(ends).toEqual([]);
    await advance(1);
    expect(ends).toMatchObject([{ code: 1006, clean: false, willRetry: true, cause: { code: "refused" } }]);
    expect(net.last.closedWith).toEqual({});
  });

  test("brings no message to the application", async () => {
    const { net, messages } = await dial();
    net.last.message("not for this protocol");
    net.last.drop();
    await settleMicrotasks();
    expect(messages).toEqual([]);
  });

  test("does not fail the attempt that follows its own", async () => {
    const { conn, net, ends } = await dial();
    net.last.drop(1012);
    await settleMicrotasks();
    conn.connect();
    await advance(250);
    net.last.open({ protocol: "a" });
    await advance(1_000);
    expect(conn.state).toBe("open");
    expect(ends).toHaveLength(1);
  });
});
