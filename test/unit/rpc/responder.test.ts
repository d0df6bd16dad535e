import { expect, test, vi } from "vitest";
import { z } from "zod";
import { ConnError } from "../../../src/base/errors.ts";
import { type HandlerContext, RpcError, type RpcOptions, rpc } from "../../../src/rpc/index.ts";
import { advance, settleMicrotasks, useFakeTime } from "../../support/conn.ts";
import { FakeRpcConn } from "../../support/fake-rpc-conn.ts";

useFakeTime();

type AnyOptions = RpcOptions<{ readonly [method: string]: (params?: never) => unknown }>;

function makePeer(handlers: object = {}, options: AnyOptions = {}) {
  const conn = new FakeRpcConn();
  const onError = vi.fn();
  const peer = rpc(conn, {
    onError,
    ...(options as object),
    handlers: handlers as { [method: string]: () => unknown },
  });
  return { conn, peer, onError };
}

const request = (method: string, params?: object, id: unknown = 1) => ({ jsonrpc: "2.0", id, method, params });
const error = (code: number, message: string, id: unknown = 1) => ({ jsonrpc: "2.0", id, error: { code, message } });

/** A handler that runs until the test lets it end. */
function gate() {
  const running: { end(value?: unknown): void; fail(error: unknown): void; signal: AbortSignal }[] = [];
  const handler = (_params: unknown, { signal }: HandlerContext) =>
    new Promise((resolve, reject) => running.push({ end: resolve, fail: reject, signal }));
  return { running, handler };
}

test("a request is answered with what its handler returns", () => {
  const { conn } = makePeer({ sum: ([a, b]: [number, number]) => a + b });
  conn.deliver(request("sum", [2, 3], "id"));
  expect(conn.written).toEqual([{ jsonrpc: "2.0", id: "id", result: 5 }]);
});

test("a promise is awaited, and undefined becomes null", async () => {
  const { conn } = makePeer({ later: async () => "late", none: () => undefined, nothing: async () => {} });
  for (const [index, method] of ["later", "none", "nothing"].entries()) conn.deliver(request(method, undefined, index));
  await settleMicrotasks();
  expect(conn.written).toEqual([
    { jsonrpc: "2.0", id: 1, result: null },
    { jsonrpc: "2.0", id: 0, result: "late" },
    { jsonrpc: "2.0", id: 2, result: null },
  ]);
});

test.each([0, -1, 1.5, 2 ** 53, "", "x", null])("an identifier of %j comes back as it is", (id) => {
  const { conn } = makePeer({ one: () => 1 });
  conn.deliver(request("one", undefined, id));
  expect(conn.last).toEqual({ jsonrpc: "2.0", id, result: 1 });
});

test("null for the parameters is none", () => {
  const one = vi.fn();
  const { conn } = makePeer({ one });
  conn.deliverRaw({ jsonrpc: "2.0", id: 1, method: "one", params: null });
  expect(one.mock.lastCall?.[0]).toBeUndefined();
});

test("a handler is called on the object that it belongs to", () => {
  const { conn } = makePeer({
    twice: ([n]: [number]) => n * 2,
    fourTimes(this: { twice(params: [number]): number }, [n]: [number]) {
      return this.twice([this.twice([n])]);
    },
  });
  conn.deliver(request("fourTimes", [3]));
  expect(conn.last).toMatchObject({ result: 12 });
});

test("RpcError is sent as it is, thrown or rejected", async () => {
  const fail = new RpcError(4, "No stock.", { left: 0 });
  const { conn, onError } = makePeer({
    thrown: () => {
      throw fail;
    },
    rejected: () => Promise.reject(fail),
  });
  conn.deliver(request("thrown"), request("rejected"));
  await settleMicrotasks();
  const answer = { jsonrpc: "2.0", id: 1, error: { code: 4, message: "No stock.", data: { left: 0 } } };
  expect(conn.written).toEqual([answer, answer]);
  expect(onError).not.toHaveBeenCalled();
});

test("any other error becomes -32603, of which nothing but the fact leaves the process", async () => {
  const secret = new Error("password=hunter2");
  const { conn, onError } = makePeer({
    thrown: () => {
      throw secret;
    },
    rejected: () => Promise.reject(secret),
    odd: () => Promise.reject(undefined),
  });
  for (const method of ["thrown", "rejected", "odd"]) conn.deliver(request(method));
  await settleMicrotasks();
  const answer = error(-32603, "The handler failed.");
  expect(conn.written).toEqual([answer, answer, answer]);
  expect(onError.mock.calls).toEqual([
    [secret, "thrown"],
    [secret, "rejected"],
    [undefined, "odd"],
  ]);
});

test("without onError, a handler's error goes to the console", () => {
  const log = vi.spyOn(console, "error").mockImplementation(() => {});
  const conn = new FakeRpcConn();
  rpc(conn, {
    handlers: {
      x: () => {
        throw new Error("mine");
      },
    },
  });
  conn.deliver(request("x"));
  expect(log.mock.lastCall).toEqual([new Error("mine"), "x"]);
});

test("a result that the codec can't send becomes -32603", () => {
  const { conn, onError } = makePeer({ big: () => 1n });
  conn.deliver(request("big"));
  expect(conn.last).toEqual(error(-32603, "The result can't be sent."));
  expect(onError.mock.lastCall).toMatchObject([{ code: "marshal" }, "big"]);
});

test.each(["missing", "constructor", "toString", "__proto__", "hasOwnProperty", "", "$/x"])(
  "the method %j is unknown",
  (method) => {
    const { conn, onError } = makePeer({ one: () => 1 });
    conn.deliverRaw(JSON.parse(`{"jsonrpc":"2.0","id":1,"method":${JSON.stringify(method)}}`));
    expect(conn.written).toEqual([error(-32601, "The method is unknown.")]);
    expect(onError).not.toHaveBeenCalled();
  },
);

test("a handler that is inherited is unknown", () => {
  const { conn } = makePeer(Object.create({ one: () => 1 }));
  conn.deliver(request("one"));
  expect(conn.last).toMatchObject({ error: { code: -32601 } });
});

test.each([
  { jsonrpc: "2.0" },
  { jsonrpc: "2.0", id: 1 },
  { jsonrpc: "2.0", id: 1, method: 5 },
  { jsonrpc: "2.0", id: {}, method: "one" },
  { jsonrpc: "2.0", id: [1], method: "one" },
  { jsonrpc: "2.0", id: true, method: "one" },
  { jsonrpc: "2.0", id: 1, method: "one", params: 5 },
  { jsonrpc: "2.0", id: 1, method: "one", params: "x" },
  { jsonrpc: "2.0", method: "one", params: false },
])("%j is answered with -32600, without an identifier", (frame) => {
  const { conn } = makePeer({ one: () => 1 });
  conn.deliver(frame);
  expect(conn.written).toEqual([error(-32600, "The request is not valid.", null)]);
});

test("a notification runs its handler and has no answer, whatever comes of it", async () => {
  const note = vi.fn();
  const { conn, onError } = makePeer({
    note,
    fail: () => {
      throw new Error("mine");
    },
    refuse: async () => {
      throw new RpcError(1, "No.");
    },
  });
  for (const method of ["note", "fail", "refuse", "missing"]) conn.deliver({ jsonrpc: "2.0", method, params: [1] });
  await settleMicrotasks();
  expect(note.mock.lastCall?.[0]).toEqual([1]);
  expect(conn.written).toEqual([]);
  expect(onError.mock.calls).toEqual([[new Error("mine"), "fail"]]);
});

test("a schema checks the parameters, and the handler gets its value", () => {
  const add = vi.fn(({ by }: { by: number }) => by + 1);
  const { conn } = makePeer({ add }, { schemas: { add: z.object({ by: z.coerce.number().default(10) }) } } as never);
  conn.deliver(request("add", { by: "5" }), request("add", {}));
  expect(conn.written.map((answer) => (answer as { result?: unknown }).result)).toEqual([6, 11]);
  conn.deliver(request("add", { by: "x" }));
  expect(conn.last).toMatchObject({
    error: { code: -32602, message: "The parameters are not valid.", data: [{ path: ["by"] }] },
  });
  expect(add).toHaveBeenCalledTimes(2);
});

test("a schema may answer with a promise", async () => {
  const schema = z.object({ name: z.string().refine(async (name) => name !== "taken") });
  const { conn } = makePeer({ join: ({ name }: { name: string }) => name }, { schemas: { join: schema } } as never);
  conn.deliver(request("join", { name: "free" }), request("join", { name: "taken" }, 2));
  await settleMicrotasks();
  expect(conn.written).toMatchObject([{ result: "free" }, { id: 2, error: { code: -32602 } }]);
});

test("of a hundred issues of a schema, three are sent", () => {
  const { conn } = makePeer({ all: () => 1 }, { schemas: { all: z.array(z.number()) } } as never);
  conn.deliver(request("all", Array(100).fill("x")));
  expect(conn.last).toMatchObject({ error: { data: { length: 3 } } });
});

test("a schema that throws is our fault: -32603", () => {
  const broken = {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: () => {
        throw new Error("mine");
      },
    },
  };
  const { conn, onError } = makePeer({ one: () => 1 }, { schemas: { one: broken } } as never);
  conn.deliver(request("one"));
  expect(conn.last).toEqual(error(-32603, "The handler failed."));
  expect(onError).toHaveBeenCalledOnce();
});

test("a cancellation aborts the handler's signal, and the request is answered with -32800", async () => {
  const { conn, onError } = makePeer({
    wait: (_params: unknown, { signal }: HandlerContext) =>
      new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  });
  conn.deliver(request("wait", undefined, 7));
  conn.deliver({ jsonrpc: "2.0", method: "$/cancelRequest", params: { id: 7 } });
  await settleMicrotasks();
  expect(conn.written).toEqual([error(-32800, "The request was cancelled.", 7)]);
  expect(onError).not.toHaveBeenCalled();
});

test("a handler that finishes in spite of a cancellation is answered", async () => {
  const { handler, running } = gate();
  const { conn } = makePeer({ wait: handler });
  conn.deliver(request("wait"));
  conn.deliver({ jsonrpc: "2.0", method: "$/cancelRequest", params: { id: 1 } });
  expect(running[0]?.signal.aborted).toBe(true);
  expect(running[0]?.signal.reason).toMatchObject({ code: "aborted" });
  running[0]?.end("done");
  await settleMicrotasks();
  expect(conn.last).toMatchObject({ id: 1, result: "done" });
});

test("a signal that is looked at only after the cancellation is aborted", async () => {
  let context: HandlerContext | undefined;
  const { conn } = makePeer({
    wait: (_params: unknown, given: HandlerContext) => {
      context = given;
      return new Promise(() => {});
    },
  });
  conn.deliver(request("wait"));
  conn.deliver({ jsonrpc: "2.0", method: "$/cancelRequest", params: { id: 1 } });
  expect(context?.signal.aborted).toBe(true);
});

test("a cancellation of nothing, or of anything odd, is ignored", () => {
  const { handler, running } = gate();
  const { conn } = makePeer({ wait: handler });
  conn.deliver(request("wait"));
  for (const params of [undefined, null, {}, [], { id: 2 }, { id: {} }, { id: "1" }, { id: null }]) {
    conn.deliverRaw({ jsonrpc: "2.0", method: "$/cancelRequest", params });
  }
  expect(running[0]?.signal.aborted).toBe(false);
  expect(conn.written).toEqual([]);
});

test("a cancellation without an identifier, or with null, ends no notification", () => {
  const { handler, running } = gate();
  const { conn } = makePeer({ wait: handler });
  conn.deliver({ jsonrpc: "2.0", method: "wait" }, request("wait", undefined, null));
  for (const params of [undefined, null, {}, { id: null }]) {
    conn.deliverRaw({ jsonrpc: "2.0", method: "$/cancelRequest", params });
  }
  expect(running.map(({ signal }) => signal.aborted)).toEqual([false, false]);
});

test("of two requests with one identifier, each is answered, and both are aborted with their connection", async () => {
  const { handler, running } = gate();
  const { conn } = makePeer({ wait: handler });
  conn.deliver(request("wait"), request("wait"), request("wait"), request("wait"));
  running[0]?.end("first");
  running[1]?.end("second");
  await settleMicrotasks();
  expect(conn.written).toMatchObject([{ result: "first" }, { result: "second" }]);
  conn.drop();
  expect(running.slice(2).map(({ signal }) => signal.aborted)).toEqual([true, true]);
  running[2]?.end("late");
  conn.reopen();
  await settleMicrotasks();
  expect(conn.written).toHaveLength(2);
});

test("an answer for which the outbox has no room is reported, and frees its place", async () => {
  const { conn, onError } = makePeer({ one: () => 1 }, { maxHandlers: 1 });
  const full = new ConnError("outbox-full");
  vi.spyOn(conn, "send").mockImplementation(() => Promise.reject(full));
  conn.deliver(request("one"));
  await settleMicrotasks();
  expect(onError.mock.calls).toEqual([[full, "one"]]);
  vi.restoreAllMocks();
  conn.deliver(request("one", undefined, 2));
  await settleMicrotasks();
  expect(conn.last).toMatchObject({ id: 2, result: 1 });
});

test("128 handlers run at a time, and further requests wait in order", async () => {
  const { handler, running } = gate();
  const { conn } = makePeer({ wait: handler });
  for (let id = 0; id < 200; id++) conn.deliver(request("wait", undefined, id));
  expect(running).toHaveLength(128);
  for (const { end } of running.slice(0, 72)) end();
  await settleMicrotasks();
  expect(running).toHaveLength(200);
});

test("a request that is cancelled while it waits does not run", async () => {
  const { handler, running } = gate();
  const { conn } = makePeer({ wait: handler }, { maxHandlers: 1 });
  conn.deliver(request("wait", undefined, "a"), request("wait", undefined, "b"));
  conn.deliver({ jsonrpc: "2.0", method: "$/cancelRequest", params: { id: "b" } });
  running[0]?.end(1);
  await settleMicrotasks();
  expect(running).toHaveLength(1);
  expect(conn.written).toEqual([
    { jsonrpc: "2.0", id: "a", result: 1 },
    error(-32800, "The request was cancelled.", "b"),
  ]);
});

test("a place is taken until the answer is written, so that a peer that does not read is not served", async () => {
  const handler = vi.fn(() => 1);
  const { conn } = makePeer({ one: handler }, { maxHandlers: 2 });
  conn.hold();
  for (let id = 0; id < 5; id++) conn.deliver(request("one", undefined, id));
  await settleMicrotasks();
  expect(handler).toHaveBeenCalledTimes(2);
  conn.release();
  await settleMicrotasks();
  expect(handler).toHaveBeenCalledTimes(5);
  expect(conn.written).toHaveLength(5);
});

test("thousands of waiting requests whose handlers return at once are worked off without recursion", async () => {
  const { handler, running } = gate();
  const { conn } = makePeer({ wait: handler, one: () => 1 }, { maxHandlers: 1, maxWaiting: 50_000 });
  conn.deliver(request("wait"));
  for (let id = 0; id < 20_000; id++) conn.deliverRaw(request("one", undefined, id));
  running[0]?.end();
  await settleMicrotasks();
  expect(conn.written).toHaveLength(20_001);
});

test("after the connection, running handlers are aborted and their answers dropped", async () => {
  const { handler, running } = gate();
  const { conn } = makePeer({ wait: handler }, { maxHandlers: 1 });
  conn.deliver(request("wait", undefined, "runs"), request("wait", undefined, "waits"));
  conn.drop();
  expect(running[0]?.signal.reason).toMatchObject({ code: "interrupted" });
  conn.reopen();
  running[0]?.end("late");
  await settleMicrotasks();
  expect(running).toHaveLength(1);
  expect(conn.written).toEqual([]);
});

test("a handler that outlives its connection keeps its place until it ends", async () => {
  const { handler, running } = gate();
  const { conn } = makePeer({ wait: handler }, { maxHandlers: 1 });
  conn.deliver(request("wait", undefined, "old"));
  conn.drop();
  conn.reopen();
  conn.deliver(request("wait", undefined, "new"));
  expect(running).toHaveLength(1);
  running[0]?.fail(new Error("aborted"));
  await settleMicrotasks();
  running[1]?.end("new");
  await settleMicrotasks();
  expect(conn.written).toEqual([{ jsonrpc: "2.0", id: "new", result: "new" }]);
});

test("an answer that waits to be written is taken back when its connection ends", async () => {
  const { conn } = makePeer({ one: () => 1 });
  conn.hold();
  conn.deliver(request("one"));
  expect(conn.waiting).toBe(1);
  conn.drop();
  conn.reopen();
  expect(conn.written).toEqual([]);
});

test("with a session, handlers go on while the connection is away, and are answered after it", async () => {
  const { handler, running } = gate();
  const { conn } = makePeer({ wait: handler });
  conn.hasSession = true;
  conn.deliver(request("wait"));
  conn.drop();
  expect(running[0]?.signal.aborted).toBe(false);
  running[0]?.end("done");
  await settleMicrotasks();
  conn.reopen();
  expect(conn.last).toMatchObject({ id: 1, result: "done" });
});

test("a lost session aborts its handlers and drops their answers", async () => {
  const { handler, running } = gate();
  const { conn } = makePeer({ wait: handler });
  conn.hasSession = true;
  conn.deliver(request("wait"));
  conn.drop();
  conn.loseSession();
  expect(running[0]?.signal.aborted).toBe(true);
  running[0]?.end("late");
  await settleMicrotasks();
  conn.reopen();
  expect(conn.written).toEqual([]);
});

test("the end of the Conn aborts handlers, whose answers go nowhere", async () => {
  const { handler, running } = gate();
  const { conn, onError } = makePeer({ wait: handler });
  conn.deliver(request("wait"));
  conn.end();
  expect(running[0]?.signal.aborted).toBe(true);
  running[0]?.end("late");
  await settleMicrotasks();
  expect(conn.written).toEqual([]);
  expect(onError).not.toHaveBeenCalled();
});

test("a handler that closes the Conn ends quietly", async () => {
  const { conn, onError } = makePeer({
    quit: () => {
      conn.state = "closing";
      return 1;
    },
  });
  conn.deliver(request("quit"));
  await advance(1);
  expect(conn.written).toEqual([]);
  expect(onError).not.toHaveBeenCalled();
});
