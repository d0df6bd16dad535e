import { expect, test } from "vitest";
import type { StateName } from "../../../src/index.ts";
import { openRig, pass, rejection, rig, story, thrown, tick, told, useFakeTime } from "../../support/conn.ts";

useFakeTime();

test("dials a microtask after construction", async () => {
  const { conn, net } = rig();
  expect(conn.state).toBe("idle");
  await undefined;
  expect(conn.state).toBe("connecting");
  await tick();
  expect(net.sockets).toHaveLength(1);
  expect(net.last.url).toBe("ws://x.test/");
});

test("hears what comes in the same tick as open", async () => {
  const { conn, net } = rig();
  await tick();
  net.last.open();
  net.last.message("first");
  expect(await conn.receive()).toBe("first");
});

test("opens although the socket opens before its maker has it", async () => {
  const { conn, net } = rig();
  net.onDial = (socket) => queueMicrotask(() => socket.open());
  await tick();
  expect(conn.state).toBe("open");
});

test("tells what the server selected when it opens", async () => {
  const { conn, net } = rig({ protocols: ["a", "b"] });
  const opens = told(conn, "open");
  await pass(30);
  expect(net.last.protocols).toEqual(["a", "b"]);
  net.last.open({ protocol: "b", extensions: "permessage-deflate" });
  await tick();
  expect(conn).toMatchObject({ protocol: "b", extensions: "permessage-deflate", url: "ws://x.test/" });
  expect(opens).toEqual([
    { protocol: "b", extensions: "permessage-deflate", attempt: 0, reconnected: false, resumed: false, downMs: 30 },
  ]);
});

test("tells of a reconnection how long the Conn was down", async () => {
  const { conn, net, socket } = await openRig();
  const opens = told(conn, "open");
  await pass(6_000);
  socket.drop();
  await pass(1_200);
  net.last.open();
  await tick();
  expect(opens).toMatchObject([{ reconnected: true, resumed: false, attempt: 1, downMs: 1_200 }]);
});

test("asks every socket for bytes as ArrayBuffers", async () => {
  const { conn, net, socket } = await openRig();
  socket.drop();
  await pass(1_000);
  net.last.open();
  net.last.message(new Uint8Array([1, 2]));
  expect(await conn.receive()).toEqual(new Uint8Array([1, 2]));
});

test("stays idle with autoConnect false until connect()", async () => {
  const { conn, net } = rig({ autoConnect: false });
  await pass(60_000);
  expect(conn.state).toBe("idle");
  conn.connect();
  await tick();
  expect(net.sockets).toHaveLength(1);
});

test("ready() starts an idle Conn and resolves when it is open", async () => {
  const { conn, net } = rig({ autoConnect: false });
  const ready = conn.ready();
  await tick();
  net.last.open();
  await ready;
  expect(conn.state).toBe("open");
  await conn.ready();
});

test("ready() waits through failed attempts", async () => {
  const { conn, net } = rig();
  const ready = conn.ready();
  await tick();
  net.last.refuse();
  await pass(1_000);
  net.last.open();
  await expect(ready).resolves.toBeUndefined();
});

test("ready() rejects once its signal is aborted, and the Conn goes on", async () => {
  const { conn } = rig();
  const controller = new AbortController();
  const ready = conn.ready({ signal: controller.signal });
  controller.abort("why");
  expect(await rejection(ready)).toMatchObject({ code: "aborted", cause: "why" });
  expect(await rejection(conn.ready({ signal: controller.signal }))).toMatchObject({ code: "aborted" });
  expect(conn.state).toBe("connecting");
});

test("ready() rejects when the Conn is closing or closed", async () => {
  const { conn, net } = await openRig();
  net.answersClose = false;
  conn.close();
  expect(await rejection(conn.ready())).toMatchObject({ code: "closed" });
  await pass(2_000);
  expect(await rejection(conn.ready())).toMatchObject({ code: "closed" });
});

test("connect() and reconnect() throw at the caller's line once closed", async () => {
  const { conn } = rig();
  await conn.close();
  expect(thrown(() => conn.connect())).toMatchObject({ code: "closed" });
  expect(thrown(() => conn.reconnect())).toMatchObject({ code: "closed" });
});

test("connect() changes nothing while connecting or open", async () => {
  const { conn, net } = rig();
  await tick();
  conn.connect();
  await tick();
  net.last.open();
  await tick();
  conn.connect();
  await pass(1_000);
  expect(net.sockets).toHaveLength(1);
  expect(conn.state).toBe("open");
});

test("connect() cuts a wait short", async () => {
  const { conn, net, socket } = await openRig();
  socket.drop();
  expect(conn.state).toBe("waiting");
  await pass(250);
  conn.connect();
  await tick();
  expect(net.sockets).toHaveLength(2);
  await pass(5_000);
  expect(net.sockets).toHaveLength(2);
});

test.for(["connect", "reconnect"] as const)(
  "%s() out of a wait dials no sooner than 250 ms after the last dial",
  async (method) => {
    const { conn, net, socket } = await openRig();
    conn.on("disconnected", () => conn[method]());
    socket.drop();
    await pass(249);
    expect(net.sockets).toHaveLength(1);
    await pass(1);
    expect(net.sockets).toHaveLength(2);
    for (let dials = 2; dials < 6; dials++) {
      net.last.refuse();
      await pass(249);
      expect(net.sockets).toHaveLength(dials);
      await pass(1);
    }
    await conn.close();
  },
);

test("reconnect() while waiting dials at once, and once", async () => {
  const { conn, net, socket } = await openRig();
  socket.drop();
  conn.reconnect();
  await pass(5_000);
  expect(net.sockets).toHaveLength(2);
});

test("reconnect() while open leaves the connection and dials at once", async () => {
  const { conn, net, socket } = await openRig();
  const events = story(conn);
  conn.reconnect();
  await tick();
  expect(socket.goodbye).toBeDefined();
  expect(net.sockets).toHaveLength(2);
  net.last.open();
  await tick();
  expect(events).toEqual(["open>connecting", "connecting>open", "open"]);
});

test("reconnect() while connecting leaves the attempt and dials at once", async () => {
  const { conn, net } = rig();
  await tick();
  conn.reconnect();
  await tick();
  expect(net.at(0).goodbye).toEqual({});
  expect(net.sockets).toHaveLength(2);
});

test("tells state, then lost, then waiting", async () => {
  const { conn, socket } = await openRig();
  const events = story(conn);
  socket.drop();
  expect(events).toEqual(["open>waiting", "disconnected", "waiting"]);
});

test("tells state, then lost, then closed, and settles promises after", async () => {
  const { conn, socket } = await openRig();
  const events = story(conn);
  conn.closed.then(() => events.push("settled closed"));
  conn.receive().catch(() => events.push("settled receive"));
  socket.drop(1008, "", true);
  expect(events).toEqual(["open>closed", "disconnected", "closed"]);
  await tick();
  expect(events).toHaveLength(5);
});

test("tells of an end that it was final, and who ended it", async () => {
  const { conn, socket } = await openRig();
  const [lost, closed] = [told(conn, "disconnected"), told(conn, "closed")];
  socket.drop(1008, "no", true);
  expect(lost).toMatchObject([{ code: 1008, reason: "no", clean: true, wasOpen: true, willRetry: false }]);
  expect(closed).toMatchObject([{ code: 1008, reason: "no", clean: true, by: "policy", unsent: [], inDoubt: [] }]);
  expect(closed[0]?.error).toMatchObject({ code: "closed" });
});

test("tells no lost of a connection that we closed ourselves", async () => {
  const { conn } = await openRig();
  const events = story(conn);
  await conn.close();
  expect(events).toEqual(["open>closing", "closing>closed", "closed"]);
});

test("has the state that it tells of", async () => {
  const { conn, socket } = await openRig();
  const seen: [StateName, StateName][] = [];
  conn.on("state", ({ to }) => seen.push([to, conn.state]));
  socket.drop();
  await pass(1_000);
  await conn.close();
  expect(seen).toEqual([
    ["waiting", "waiting"],
    ["connecting", "connecting"],
    ["closed", "closed"],
  ]);
});
