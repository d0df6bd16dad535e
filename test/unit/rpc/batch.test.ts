import { expect, test } from "vitest";
import { type HandlerContext, rpc } from "../../../src/rpc/index.ts";
import { settleMicrotasks, useFakeTime } from "../../support/conn.ts";
import { FakeRpcConn } from "../../support/fake-rpc-conn.ts";

useFakeTime();

/** A peer with a handler that returns at once, one that can't be sent, and one that runs until the test lets it end. */
function makePeer(options: object = {}) {
  const conn = new FakeRpcConn();
  const running: { end(value?: unknown): void; readonly signal: AbortSignal }[] = [];
  const handlers = {
    one: () => 1,
    big: () => 1n,
    wait: (_params: unknown, { signal }: HandlerContext) =>
      new Promise((resolve) => running.push({ end: resolve, signal })),
  };
  const peer = rpc(conn, { onError: () => {}, ...options, handlers });
  return { conn, peer, running };
}

const request = (method: string, id: unknown) => ({ jsonrpc: "2.0", id, method });
const error = (code: number, message: string, id: unknown) => ({ jsonrpc: "2.0", id, error: { code, message } });
const busy = (id: unknown) => error(-32001, "Too many requests wait.", id);

test("a batch is answered with one array, in the order in which its answers are ready", async () => {
  const { conn, running } = makePeer();
  conn.deliver([
    request("wait", "slow"),
    request("one", "fast"),
    { jsonrpc: "2.0", method: "one" },
    request("missing", "missing"),
    7,
    { jsonrpc: "2.0", id: "answer to nothing", result: 1 },
  ]);
  expect(conn.written).toEqual([]);
  running[0]?.end("late");
  await settleMicrotasks();
  expect(conn.written).toEqual([
    [
      { jsonrpc: "2.0", id: "fast", result: 1 },
      error(-32601, "The method is unknown.", "missing"),
      error(-32600, "The request is not valid.", null),
      { jsonrpc: "2.0", id: "slow", result: "late" },
    ],
  ]);
});

test("a batch of notifications and answers has no answer", () => {
  const { conn } = makePeer();
  conn.deliver([
    { jsonrpc: "2.0", method: "one" },
    { jsonrpc: "2.0", id: 5, result: 1 },
  ]);
  expect(conn.written).toEqual([]);
});

test("a batch of answers settles calls", async () => {
  const { conn, peer } = makePeer();
  const calls = [peer.call("a"), peer.call("b")];
  conn.deliver(conn.written.map((frame) => ({ jsonrpc: "2.0", id: (frame as { id: number }).id, result: true })));
  expect(await Promise.all(calls)).toEqual([true, true]);
});

test("a batch that is longer than what may run and wait is refused whole, with one answer", () => {
  const { conn } = makePeer();
  conn.deliver(Array.from({ length: 1_153 }, (_, id) => request("one", id)));
  expect(conn.written).toEqual([error(-32600, "The request is not valid.", null)]);
});

test("a batch with a result that can't be sent is answered with errors", () => {
  const { conn } = makePeer();
  conn.deliver([request("one", 1), request("big", 2)]);
  expect(conn.last).toEqual([
    error(-32603, "The result can't be sent.", 1),
    error(-32603, "The result can't be sent.", 2),
  ]);
});

test("a batch whose connection ends is not answered on the next one", async () => {
  const { conn, running } = makePeer();
  conn.deliver([request("one", 1), request("wait", 2)]);
  conn.drop();
  conn.reopen();
  running[0]?.end();
  await settleMicrotasks();
  expect(conn.written).toEqual([]);
});

test("answers that are held for their batches are bounded: a batch beyond the bound is answered with busy", async () => {
  const { conn, running } = makePeer({ maxHandlers: 4, maxWaiting: 4 });
  conn.deliver([request("wait", "slow"), request("one", "a"), 5, request("missing", "b"), request("one", "c")]);
  conn.deliver([request("wait", "d"), request("one", "e"), request("one", "f"), request("one", "g")]);
  expect(conn.written).toEqual([[busy("d"), busy("e"), busy("f"), busy("g")]]);
  conn.deliver([request("one", "h"), request("one", "i"), request("one", "j")]);
  expect(conn.written.slice(1)).toMatchObject([[{ id: "h" }, { id: "i" }, { id: "j" }]]);
  // The first is answered: there is room again.
  running[0]?.end();
  await settleMicrotasks();
  conn.deliver([request("one", "k"), request("one", "l"), request("one", "m"), request("one", "n")]);
  expect(conn.written.slice(2)).toMatchObject([{ length: 5 }, [{ id: "k", result: 1 }, {}, {}, { id: "n" }]]);
});

test("batches of a connection that has ended take no room of the next one's", () => {
  const { conn } = makePeer({ maxHandlers: 4, maxWaiting: 4 });
  const eight = [request("wait", 0), ...Array.from({ length: 7 }, (_, id) => request("one", id + 1))];
  conn.deliver(eight);
  conn.drop();
  conn.reopen();
  conn.deliver(eight.slice(1));
  expect(conn.last).toMatchObject([{ id: 1, result: 1 }, {}, {}, {}, {}, {}, { id: 7 }]);
});

test("of a thousand batches with one slow request each, all but the first are answered at once", () => {
  const { conn, running } = makePeer();
  for (let n = 0; n < 1_000; n++) conn.deliverRaw([request("wait", n), ...Array(1_000).fill(5)]);
  expect(conn.written).toHaveLength(999);
  expect(conn.last).toHaveLength(1_001);
  expect(running).toHaveLength(1);
});

test("batches that waited in the Conn when their connection ended take no room either", async () => {
  const { conn, running } = makePeer({ maxHandlers: 1, maxWaiting: 1 });
  conn.deliver(request("wait", 0), request("wait", 1), [request("one", 2), request("one", 3)]);
  expect(conn.unread).toBe(1);
  conn.drop();
  await settleMicrotasks();
  conn.reopen();
  expect(conn.unread).toBe(0);
  conn.deliver([request("missing", 4), { jsonrpc: "2.0", method: "one" }]);
  running[0]?.end();
  await settleMicrotasks();
  expect(conn.written).toEqual([[error(-32601, "The method is unknown.", 4)]]);
});
