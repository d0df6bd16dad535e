import { expect, test, vi } from "vitest";
import { z } from "zod";
import { type RpcOptions, rpc } from "../../../src/rpc/index.ts";
import { advance, isSettled, settleMicrotasks, thrown, useFakeTime } from "../../support/conn.ts";
import { FakeRpcConn } from "../../support/fake-rpc-conn.ts";

useFakeTime();

function makePeer(options: object = {}) {
  const conn = new FakeRpcConn();
  return { conn, peer: rpc(conn, options as RpcOptions<{ readonly [method: string]: (params?: object) => unknown }>) };
}

/** A peer whose only handler never ends, so that it is at its bounds after `maxHandlers + maxWaiting` requests. */
function makeFullPeer(options: object = {}) {
  const ends: (() => void)[] = [];
  const wait = () => new Promise<void>((resolve) => ends.push(resolve));
  const { conn, peer } = makePeer({ handlers: { wait }, maxHandlers: 1, maxWaiting: 2, ...options });
  for (let id = 0; id < 3; id++) conn.deliver(request(id));
  return { conn, peer, ends };
}

const request = (id: unknown, params?: object) => ({ jsonrpc: "2.0", id, method: "wait", params });
const busy = (id: unknown) => ({ jsonrpc: "2.0", id, error: { code: -32001, message: "Too many requests wait." } });

// Notifications of the other end.

test("on() calls its listeners with the parameters of a notification until they unsubscribe", () => {
  const { conn, peer } = makePeer();
  const listener = vi.fn();
  const off = peer.on("price", listener);
  conn.deliver({ jsonrpc: "2.0", method: "price", params: { ROPE: 12.5 } }, { jsonrpc: "2.0", method: "price" });
  conn.deliver({ jsonrpc: "2.0", method: "other" });
  off();
  conn.deliver({ jsonrpc: "2.0", method: "price" });
  expect(listener.mock.calls).toEqual([[{ ROPE: 12.5 }], [undefined]]);
});

test("on() takes once and a signal", () => {
  const { conn, peer } = makePeer();
  const controller = new AbortController();
  const once = vi.fn();
  const until = vi.fn();
  peer.on("price", once, { once: true });
  peer.on("price", until, { signal: controller.signal });
  conn.deliver({ jsonrpc: "2.0", method: "price" }, { jsonrpc: "2.0", method: "price" });
  controller.abort();
  conn.deliver({ jsonrpc: "2.0", method: "price" });
  expect([once.mock.calls.length, until.mock.calls.length]).toEqual([1, 2]);
});

test("a request does not call listeners, and has no method for it", () => {
  const { conn, peer } = makePeer();
  const listener = vi.fn();
  peer.on("price", listener);
  conn.deliver({ jsonrpc: "2.0", id: 1, method: "price" });
  expect(listener).not.toHaveBeenCalled();
  expect(conn.last).toMatchObject({ error: { code: -32601 } });
});

test("a notification goes to its handler and its listeners", () => {
  const handler = vi.fn();
  const listener = vi.fn();
  const { conn, peer } = makePeer({ handlers: { price: handler } });
  peer.on("price", listener);
  conn.deliver({ jsonrpc: "2.0", method: "price", params: [1] });
  expect([handler.mock.lastCall?.[0], listener.mock.lastCall?.[0]]).toEqual([[1], [1]]);
});

test("a listener that throws or rejects is reported, and disturbs no other", async () => {
  const onError = vi.fn();
  const { conn, peer } = makePeer({ onError });
  const other = vi.fn();
  peer.on("price", () => {
    throw new Error("thrown");
  });
  peer.on("price", () => Promise.reject(new Error("rejected")) as never);
  peer.on("price", other);
  conn.deliver({ jsonrpc: "2.0", method: "price" });
  await settleMicrotasks();
  expect(onError.mock.calls).toEqual([
    [new Error("thrown"), "price"],
    [new Error("rejected"), "price"],
  ]);
  expect(other).toHaveBeenCalledOnce();
});

test("a schema checks notifications too, and leaves out those that do not fit", () => {
  const onError = vi.fn();
  const { conn, peer } = makePeer({ onError, schemas: { price: z.object({ at: z.coerce.date() }) } });
  const listener = vi.fn();
  peer.on("price", listener);
  conn.deliver({ jsonrpc: "2.0", method: "price", params: { at: 0 } });
  conn.deliver({ jsonrpc: "2.0", method: "price", params: {} });
  expect(listener.mock.calls).toEqual([[{ at: new Date(0) }]]);
  expect(onError).not.toHaveBeenCalled();
});

// Messages that are not JSON-RPC.

const STRANGE = [
  5,
  "text",
  null,
  true,
  [],
  [1],
  {},
  { id: 1, method: "x" },
  { jsonrpc: "1.0", method: "x", id: 1 },
  [[]],
];

test.each(STRANGE.map((value) => [value]))("%j goes to others, and is not answered", (value) => {
  const others = vi.fn();
  const { conn } = makePeer({ others });
  conn.deliver(value);
  expect(others.mock.calls).toEqual([[value]]);
  expect(conn.written).toEqual([]);
});

test("without others, strange messages are errors of the Conn", () => {
  const { conn } = makePeer();
  conn.deliver(5, []);
  expect(conn.reported).toMatchObject([{ code: "unmarshal" }, { code: "unmarshal" }]);
});

test("others that throws is reported", () => {
  const onError = vi.fn();
  const { conn } = makePeer({
    onError,
    others: () => {
      throw new Error("mine");
    },
  });
  conn.deliver(5);
  expect(onError.mock.lastCall).toEqual([new Error("mine"), undefined]);
});

// Reading.

test("at its bounds a peer reads nothing more, and goes on when a handler ends", async () => {
  const { conn, ends } = makeFullPeer();
  conn.deliver(request(3), request(4));
  expect(conn.unread).toBe(2);
  ends[0]?.();
  await settleMicrotasks();
  expect(conn.unread).toBe(1);
  expect(conn.written).toEqual([{ jsonrpc: "2.0", id: 0, result: null }]);
});

test.each([{ maxWaiting: 0 }, { maxWaitingBytes: 0 }])(
  "with %j a peer reads while there is a place",
  async (options) => {
    const ends: (() => void)[] = [];
    const wait = () => new Promise<void>((resolve) => ends.push(resolve));
    const { conn } = makePeer({ handlers: { wait }, maxHandlers: 2, ...options });
    for (let id = 0; id < 4; id++) conn.deliver(request(id));
    expect([ends.length, conn.unread]).toEqual([2, 2]);
    for (let n = 0; n < 4; n++) {
      ends[n]?.();
      await settleMicrotasks();
    }
    expect(conn.written.map((answer) => (answer as { id: unknown }).id)).toEqual([0, 1, 2, 3]);
  },
);

test("the bytes that wait are bounded too", () => {
  const { conn } = makePeer({
    handlers: { wait: () => new Promise(() => {}) },
    maxHandlers: 1,
    maxWaitingBytes: 1_000,
  });
  for (let id = 0; id < 4; id++) conn.deliver(request(id, { text: "x".repeat(600) }));
  expect(conn.unread).toBe(1);
});

test("by default 128 handlers run, and 1,024 requests or 1 MiB wait", () => {
  const small = makePeer({ handlers: { wait: () => new Promise(() => {}) } }).conn;
  for (let id = 0; id < 2_000; id++) small.deliver(request(id));
  expect(small.unread).toBe(2_000 - 128 - 1_024);
  const large = makePeer({ handlers: { wait: () => new Promise(() => {}) } }).conn;
  for (let id = 0; id < 400; id++) large.deliver(request(id, { text: "x".repeat(16_384) }));
  expect(large.unread).toBe(400 - 128 - 64);
});

test("while a call of its own is pending, a peer at its bounds reads everything, and answers requests with busy", async () => {
  const { conn, peer } = makeFullPeer();
  conn.deliver(request(3));
  expect(conn.unread).toBe(1);
  const call = peer.call("x");
  await settleMicrotasks();
  const { id } = conn.written[0] as { id: number };
  // The call adds a place, which the first request that waits takes.
  conn.deliver(request(4), request(5));
  expect(conn.unread).toBe(0);
  expect(conn.written.slice(1)).toEqual([busy(4), busy(5)]);
  conn.answer("answer", id);
  expect(await call).toBe("answer");
  conn.deliver(request(6));
  expect(conn.unread).toBe(1);
});

test("handlers of two ends that wait for each other's do not stand still", async () => {
  const { conn, peer } = makePeer({
    maxHandlers: 1,
    handlers: { outer: () => peer.call("theirs"), inner: () => "inner" },
  });
  conn.deliver({ jsonrpc: "2.0", id: 1, method: "outer" }, { jsonrpc: "2.0", id: 2, method: "outer" });
  conn.deliver({ jsonrpc: "2.0", id: 3, method: "inner" });
  await settleMicrotasks();
  expect(conn.written).toMatchObject([{ method: "theirs" }, { method: "theirs" }, { id: 3, result: "inner" }]);
});

test("busy answers are volatile, so that a peer that does not read gets none", async () => {
  const { conn, peer } = makeFullPeer();
  peer.call("x");
  conn.hold();
  for (let i = 0; i < 1_000; i++) conn.deliver(request(i));
  expect(conn.waiting).toBe(0);
});

test("members of a batch beyond the bounds are answered with busy", async () => {
  const ends: (() => void)[] = [];
  const wait = () => new Promise<void>((resolve) => ends.push(resolve));
  const { conn } = makePeer({ handlers: { wait }, maxHandlers: 1, maxWaiting: 2 });
  conn.deliver(request(0), [request(1), request(2), request(3)]);
  for (let i = 0; i < 3; i++) {
    ends[i]?.();
    await settleMicrotasks();
  }
  expect(conn.last).toEqual([
    busy(3),
    { jsonrpc: "2.0", id: 1, result: null },
    { jsonrpc: "2.0", id: 2, result: null },
  ]);
});

test("a notification with a handler is left out at the bounds, one with a listener is not", () => {
  const { conn, peer } = makeFullPeer();
  const listener = vi.fn();
  peer.on("note", listener);
  peer.call("x");
  conn.deliver({ jsonrpc: "2.0", method: "wait" }, { jsonrpc: "2.0", method: "note" });
  expect(listener).toHaveBeenCalledOnce();
});

test("a peer whose handlers wait for a message reads on after a second", async () => {
  const { conn } = makeFullPeer();
  conn.deliver({ jsonrpc: "2.0", method: "$/cancelRequest", params: { id: 1 } }, request(3));
  await advance(999);
  expect(conn.unread).toBe(2);
  await advance(1);
  expect(conn.unread).toBe(0);
  expect(conn.written).toEqual([busy(3)]);
});

test("after it has read on, a peer stops again at its bounds once a handler has ended", async () => {
  const { conn, ends } = makeFullPeer();
  await advance(1_000);
  ends[0]?.();
  await settleMicrotasks();
  conn.deliver(request(3), request(4));
  expect(conn.unread).toBe(1);
});

test("requests that waited in the Conn when their connection ended are not answered on the next one", async () => {
  const { conn, ends } = makeFullPeer();
  conn.deliver(request("stale"));
  expect(conn.unread).toBe(1);
  conn.drop();
  await settleMicrotasks();
  conn.reopen();
  conn.deliver(request("fresh"));
  for (let n = 0; n < 2; n++) {
    ends[n]?.();
    await settleMicrotasks();
  }
  expect(conn.unread).toBe(0);
  expect(conn.written).toEqual([{ jsonrpc: "2.0", id: "fresh", result: null }]);
});

// Layers.

test("a layer's methods take no places, and are called at the bounds", () => {
  const { conn, peer } = makeFullPeer();
  const off = peer.extend({ "$/sum": (params) => (params as number[]).reduce((sum, n) => sum + n) });
  conn.deliver({ jsonrpc: "2.0", id: "s", method: "$/sum", params: [1, 2] });
  expect(conn.last).toEqual({ jsonrpc: "2.0", id: "s", result: 3 });
  off();
  conn.deliver({ jsonrpc: "2.0", id: "s", method: "$/sum", params: [1, 2] });
  expect(conn.unread).toBe(1);
});

test("a layer takes notifications, and may call methods that are reserved", async () => {
  const { conn, peer } = makePeer();
  const message = vi.fn();
  peer.extend({ "$/message": message });
  conn.deliver({ jsonrpc: "2.0", method: "$/message", params: ["chat"] });
  expect(message.mock.lastCall?.[0]).toEqual(["chat"]);
  const call = peer.call("$/subscribe", { channels: {} });
  conn.answer(null);
  expect(await call).toBeNull();
});

test("reserved names are refused in handlers and listeners, and one name belongs to one layer", () => {
  const { peer } = makePeer();
  const bad = { code: "bad-option" };
  expect(thrown(() => makePeer({ handlers: { "$/x": () => 1 } }))).toMatchObject(bad);
  expect(thrown(() => peer.on("$/x", () => {}))).toMatchObject(bad);
  peer.extend({ "$/x": () => 1 });
  expect(thrown(() => peer.extend({ "$/y": () => 1, "$/x": () => 2 }))).toMatchObject({ code: "misuse" });
  peer.extend({ "$/y": () => 1 });
});

test.each([
  [{}, "an object"],
  [undefined, "undefined"],
])("a peer of what is no Conn is refused: %o", (conn, got) => {
  const error = { code: "bad-option", message: `conn must be a Conn; got ${got}.` };
  expect(thrown(() => rpc(conn as never))).toMatchObject(error);
});

// Ends.

test("closed is the Conn's", async () => {
  const { conn, peer } = makePeer();
  expect(await isSettled(peer.closed)).toBe(false);
  conn.end();
  expect(await peer.closed).toBe(await conn.closed);
});

test("a peer that was detached leaves nothing behind", async () => {
  const { conn, peer } = makeFullPeer();
  expect(vi.getTimerCount()).toBe(1);
  peer.detach();
  peer.detach();
  expect(vi.getTimerCount()).toBe(0);
  expect(conn.listenerCount).toBe(0);
  conn.deliver(request(9));
  expect(conn.unread).toBe(1);
});

test("its functions may be passed on alone", async () => {
  const { conn, peer } = makePeer();
  const { call, notify, on } = peer;
  on("x", () => {});
  notify("x");
  const answered = call("x");
  conn.answer(1);
  expect(await answered).toBe(1);
});

test.each([
  ["timeoutMs", 0],
  ["timeoutMs", "5"],
  ["maxCalls", 0],
  ["maxHandlers", 0],
  ["maxHandlers", Number.NaN],
  ["maxWaiting", -1],
  ["maxWaitingBytes", "1"],
])("%s: %j is refused, by name", (name, value) => {
  const error = thrown(() => makePeer({ [name]: value }));
  expect(error).toMatchObject({ code: "bad-option" });
  expect((error as Error).message).toContain(`${name} must be a number, at least`);
});

test.each([
  [{ handlers: { x: 5 } }, "handlers must be functions by name"],
  [{ onError: 5 }, "onError must be a function"],
  [{ others: {} }, "others must be a function"],
  [{ schemas: { x: {} } }, "schemas must be Standard Schemas by name"],
  [{ maxCall: 5 }, "maxCall is not an option: use maxCalls"],
])("%j is refused", (options, message) => {
  const error = thrown(() => makePeer(options));
  expect(error).toMatchObject({ code: "bad-option" });
  expect((error as Error).message).toContain(message);
});
