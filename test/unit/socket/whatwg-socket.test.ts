import { runInNewContext } from "node:vm";
import { describe, expect, test, vi } from "vitest";
import { openRig, pass, rig, story, tick, told, useFakeTime } from "../../support/conn.ts";

useFakeTime();

describe("an abandoned socket", () => {
  test("is never heard again", async () => {
    const { conn, net, socket } = await openRig();
    net.answersClose = false;
    conn.reconnect();
    await tick();
    net.last.open();
    await tick();
    const [events, heard] = [story(conn), told(conn, "message")];
    socket.onopen?.({});
    socket.onmessage?.({ data: "late" });
    socket.onerror?.({ message: "late" });
    socket.onclose?.({ code: 1008, reason: "late", wasClean: true });
    await tick();
    expect(events).toEqual([]);
    expect(heard).toEqual([]);
    expect(conn.state).toBe("open");
  });

  test("keeps its handlers, so that its late error is handled", async () => {
    const { conn, socket } = await openRig();
    conn.reconnect();
    expect(socket.onerror).toBeTypeOf("function");
    expect(() => socket.error()).not.toThrow();
  });

  test("of an attempt that timed out can't open", async () => {
    const { conn, net } = rig();
    net.answersClose = false;
    await pass(10_000);
    expect(conn.state).toBe("waiting");
    expect(net.last.goodbye).toEqual({});
    net.last.onopen?.({});
    net.last.onclose?.({ code: 1006, reason: "", wasClean: false });
    await tick();
    expect(conn.state).toBe("waiting");
  });

  test("is not awaited: there is another one although its close never ends", async () => {
    const { conn, net, socket } = await openRig();
    net.answersClose = false;
    conn.reconnect();
    await tick();
    expect(socket.readyState).toBe(2);
    net.last.open();
    await tick();
    expect(conn.state).toBe("open");
  });

  test("may fail again inside its own close(), as Node 22's does", async () => {
    const { conn, net } = rig();
    await tick();
    const { last } = net;
    let closes = 0;
    last.close = () => {
      closes++;
      last.onerror?.({ message: "late" });
    };
    const events = story(conn);
    last.onerror?.({ message: "refused" });
    await tick();
    expect(closes).toBeGreaterThan(0);
    expect(events.filter((name) => name === "disconnected")).toHaveLength(1);
    expect(conn.state).toBe("waiting");
  });

  test("of another realm brings bytes, and of React Native an end without wasClean or reason", async () => {
    const { conn, socket } = await openRig();
    const lost = told(conn, "disconnected");
    const pull = conn.receive();
    socket.onmessage?.({ data: runInNewContext("new Uint8Array([1, 2]).buffer") });
    expect(await pull).toEqual(Uint8Array.of(1, 2));
    socket.onclose?.({ code: 1001, reason: null, wasClean: undefined } as never);
    await tick();
    expect(lost).toEqual([{ code: 1001, reason: "", clean: true, wasOpen: true, willRetry: true }]);
  });

  test("says nothing after its close", async () => {
    const { conn, socket } = await openRig();
    socket.drop();
    const events = story(conn);
    socket.drop();
    socket.error();
    expect(events).toEqual([]);
  });
});

describe("the end of a socket", () => {
  test("is an error before open, although no close comes", async () => {
    const { conn, net } = rig();
    const lost = told(conn, "disconnected");
    await tick();
    net.last.error("refused");
    expect(lost).toMatchObject([{ code: 1006, clean: false, wasOpen: false, willRetry: true }]);
    await pass(1_000);
    expect(net.sockets).toHaveLength(2);
  });

  test("is told once where error and close both come", async () => {
    const { conn, net } = rig();
    const events = story(conn);
    await tick();
    net.last.refuse();
    expect(events).toEqual(["idle>connecting", "connecting>waiting", "disconnected", "waiting"]);
  });

  test("is not an error while open: close follows, with the code", async () => {
    const { conn, socket } = await openRig();
    const lost = told(conn, "disconnected");
    socket.error();
    expect(conn.state).toBe("open");
    socket.drop(1011, "why", true);
    expect(lost).toMatchObject([{ code: 1011, reason: "why", clean: true }]);
  });

  test("with Deno's code 0 is 1006", async () => {
    const { conn, socket } = await openRig();
    const lost = told(conn, "disconnected");
    socket.drop(0);
    expect(lost).toMatchObject([{ code: 1006, clean: false }]);
  });

  test("is told as plain objects", async () => {
    const { conn, socket } = await openRig();
    const [lost, waiting] = [told(conn, "disconnected"), told(conn, "waiting")];
    socket.drop();
    for (const event of [lost[0], waiting[0]]) expect(Object.getPrototypeOf(event)).toBe(Object.prototype);
  });
});

describe("an attempt", () => {
  test("fails when none of the offered protocols is selected", async () => {
    const { conn, net } = rig({ protocols: "a" });
    const [lost, opens] = [told(conn, "disconnected"), told(conn, "open")];
    await tick();
    net.last.open();
    await tick();
    expect(opens).toEqual([]);
    expect(lost).toMatchObject([{ wasOpen: false, willRetry: true, cause: { code: "refused" } }]);
    expect(net.last.goodbye).toBeDefined();
  });

  test("fails when a protocol is selected that was not offered", async () => {
    const { conn, net } = rig({ protocols: ["a", "b"] });
    await tick();
    net.last.open({ protocol: "c" });
    await tick();
    expect(conn.state).toBe("waiting");
  });

  test("may end with no answer at all, after connectTimeoutMs", async () => {
    const { conn, net } = rig({ connectTimeoutMs: 3_000 });
    const lost = told(conn, "disconnected");
    await pass(2_999);
    expect(conn.state).toBe("connecting");
    await pass(1);
    expect(lost).toMatchObject([{ code: 1006, wasOpen: false, cause: { code: "timeout" } }]);
    expect(net.last.goodbye).toEqual({});
  });

  test("fails when the WebSocket class throws", async () => {
    const boom = new Error("boom");
    const WebSocket = class {
      constructor() {
        throw boom;
      }
    };
    const { conn } = rig({ WebSocket: WebSocket as never });
    const lost = told(conn, "disconnected");
    await tick();
    expect(lost).toMatchObject([{ code: 1006, wasOpen: false, willRetry: true, cause: boom }]);
  });

  test("keeps no two live sockets", async () => {
    const { conn, net } = rig({ connectTimeoutMs: 1_000 });
    let most = 0;
    net.onDial = () => {
      most = Math.max(most, net.sockets.filter(({ readyState }) => readyState < 2).length);
    };
    for (let i = 0; i < 20; i++) {
      await pass(700);
      if (i % 3 === 0) conn.reconnect();
      else if (net.last.readyState === 0) net.last.open();
    }
    expect(net.sockets.length).toBeGreaterThan(5);
    expect(most).toBe(1);
    await conn.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("sees http: URLs as ws:", async () => {
    const { net } = rig({}, "https://x.test/path?query");
    await tick();
    expect(net.last.url).toBe("wss://x.test/path?query");
  });
});
