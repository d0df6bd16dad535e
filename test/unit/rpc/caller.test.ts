import { expect, test, vi } from "vitest";
import { ConnError } from "../../../src/base/errors.ts";
import { RpcError, rpc } from "../../../src/rpc/index.ts";
import { advance, isSettled, rejection, settleMicrotasks, thrown, useFakeTime } from "../../support/conn.ts";
import { FakeRpcConn } from "../../support/fake-rpc-conn.ts";

useFakeTime();

const REQUEST = { symbol: "ROPE" };

function makePeer(options = {}, session = false) {
  const conn = new FakeRpcConn();
  conn.hasSession = session;
  return { conn, peer: rpc(conn, options) };
}

const requests = (conn: FakeRpcConn) =>
  conn.written as unknown as { readonly id?: number; readonly method: string; readonly params?: unknown }[];

test("a call sends a request of JSON-RPC 2.0 and resolves with the result", async () => {
  const { conn, peer } = makePeer();
  const call = peer.call("quote", REQUEST);
  const { id } = conn.last;
  expect(conn.written).toEqual([{ jsonrpc: "2.0", method: "quote", params: REQUEST, id }]);
  conn.answer({ price: 12.5 });
  expect(await call).toEqual({ price: 12.5 });
  expect(vi.getTimerCount()).toBe(0);
});

test("a call without parameters sends none", () => {
  const { conn, peer } = makePeer();
  peer.call("time");
  expect(Object.keys(conn.last)).toEqual(["jsonrpc", "method", "id"]);
});

test("answers find their calls in any order", async () => {
  const { conn, peer } = makePeer();
  const calls = [peer.call("a"), peer.call("b")];
  const [first, second] = requests(conn);
  conn.answer("second", second?.id);
  conn.answer("first", first?.id);
  expect(await Promise.all(calls)).toEqual(["first", "second"]);
});

test("a result of null, false or 0 resolves the call", async () => {
  const { conn, peer } = makePeer();
  for (const result of [null, false, 0, ""]) {
    const call = peer.call("x");
    conn.answer(result);
    expect(await call).toBe(result);
  }
});

test("an error object rejects the call with RpcError", async () => {
  const { conn, peer } = makePeer();
  const call = peer.call("quote", REQUEST);
  conn.deliver({ jsonrpc: "2.0", id: conn.last.id, error: { code: -32601, message: "No.", data: [1] } });
  const error = await rejection(call);
  expect(error).toBeInstanceOf(RpcError);
  expect(error).toMatchObject({ name: "RpcError", code: -32601, message: "No.", data: [1] });
});

test("an answer whose error is null has the result that it names", async () => {
  const { conn, peer } = makePeer();
  const call = peer.call("quote");
  conn.deliver({ jsonrpc: "2.0", id: conn.last.id, result: 1, error: null });
  expect(await call).toBe(1);
});

test.each([{ code: "x", message: "No." }, { code: 1.5, message: "No." }, { code: 1 }, "no", 7, []])(
  "an answer with the malformed error %j rejects its call with unmarshal",
  async (error) => {
    const { conn, peer } = makePeer();
    const call = peer.call("quote");
    conn.deliver({ jsonrpc: "2.0", id: conn.last.id, error });
    expect(await rejection(call)).toMatchObject({ code: "unmarshal" });
  },
);

test("a codec that reads integers as bigint gives an identifier back", async () => {
  const { conn, peer } = makePeer();
  const call = peer.call("quote");
  conn.deliverRaw({ jsonrpc: "2.0", id: BigInt(conn.last.id as number), result: 1 });
  expect(await call).toBe(1);
});

test("an answer to nothing is ignored, and a second answer to a call too", async () => {
  const { conn, peer } = makePeer();
  const call = peer.call("quote");
  const { id } = conn.last;
  for (const other of [null, "x", 0, -1, 1e300]) conn.answer("wrong", other);
  conn.answer("right", id);
  conn.answer("wrong", id);
  expect(await call).toBe("right");
  expect(conn.written).toHaveLength(1);
});

test("the deadline rejects with timeout and has the other end cancel", async () => {
  const { conn, peer } = makePeer();
  const call = peer.call("quote", REQUEST, { timeoutMs: 3_000 });
  const { id } = conn.last;
  await advance(2_999);
  expect(await isSettled(call)).toBe(false);
  await advance(1);
  expect(await rejection(call)).toMatchObject({ code: "timeout", message: "quote was not answered within 3000 ms." });
  expect(conn.last).toEqual({ jsonrpc: "2.0", method: "$/cancelRequest", params: { id } });
  conn.answer("late", id);
  expect(vi.getTimerCount()).toBe(0);
});

test("there is a deadline of 30 seconds, and of the peer's own", async () => {
  const { conn, peer } = makePeer();
  const call = peer.call("quote");
  await advance(29_999);
  expect(await isSettled(call)).toBe(false);
  await advance(1);
  expect(await rejection(call)).toMatchObject({ code: "timeout" });
  const other = rpc(conn, { timeoutMs: 5 }).call("quote");
  await advance(5);
  expect(await rejection(other)).toMatchObject({ code: "timeout" });
});

test.each([0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, "5"])(
  "a deadline of %s is refused",
  (timeoutMs) => {
    const { conn, peer } = makePeer();
    expect(thrown(() => peer.call("quote", REQUEST, { timeoutMs: timeoutMs as number }))).toMatchObject({
      code: "bad-option",
    });
    expect(conn.written).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  },
);

test("the deadline takes an unwritten request back", async () => {
  const { conn, peer } = makePeer();
  conn.drop();
  const call = peer.call("quote", REQUEST, { timeoutMs: 100 });
  await advance(100);
  expect(await rejection(call)).toMatchObject({ code: "timeout" });
  conn.reopen();
  expect(conn.written).toEqual([]);
});

test("the signal rejects with aborted and has the other end cancel", async () => {
  const { conn, peer } = makePeer();
  const controller = new AbortController();
  const call = peer.call("quote", REQUEST, { signal: controller.signal });
  const { id } = conn.last;
  controller.abort("enough");
  expect(await rejection(call)).toMatchObject({ code: "aborted", cause: "enough" });
  expect(conn.last).toEqual({ jsonrpc: "2.0", method: "$/cancelRequest", params: { id } });
  expect(vi.getTimerCount()).toBe(0);
});

test("the signal takes an unwritten request back, and an aborted one sends nothing", async () => {
  const { conn, peer } = makePeer();
  conn.drop();
  const controller = new AbortController();
  const call = peer.call("quote", REQUEST, { signal: controller.signal });
  controller.abort();
  const late = peer.call("quote", REQUEST, { signal: controller.signal });
  expect(await rejection(call)).toMatchObject({ code: "aborted" });
  expect(await rejection(late)).toMatchObject({ code: "aborted" });
  conn.reopen();
  expect(conn.written).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});

test("a request that is written in the moment in which its caller gives up is cancelled", async () => {
  const { conn, peer } = makePeer();
  conn.hold();
  const call = peer.call("quote");
  peer.detach();
  expect(await rejection(call)).toMatchObject({ code: "aborted" });
  conn.release();
  const [request, cancel] = requests(conn);
  expect(cancel).toEqual({ jsonrpc: "2.0", method: "$/cancelRequest", params: { id: request?.id } });
});

test("an answer and a cancellation that cross settle the call once", async () => {
  const { conn, peer } = makePeer();
  const controller = new AbortController();
  const call = peer.call("quote", REQUEST, { signal: controller.signal });
  const { id } = conn.last;
  conn.answer("first", id);
  controller.abort();
  expect(await call).toBe("first");
  expect(conn.written).toHaveLength(1);
});

test("a request that no connection took waits for the next one", async () => {
  const { conn, peer } = makePeer();
  conn.drop();
  const call = peer.call("quote", REQUEST);
  await advance(20_000);
  expect(await isSettled(call)).toBe(false);
  conn.reopen();
  conn.answer(5);
  expect(await call).toBe(5);
});

test("without a session, the end of the connection interrupts what was written", async () => {
  const { conn, peer } = makePeer();
  const call = peer.call("quote", REQUEST);
  conn.drop();
  expect(await rejection(call)).toMatchObject({ code: "interrupted" });
  expect(vi.getTimerCount()).toBe(0);
});

test("with retry, the request is sent again on the next connection, under another identifier", async () => {
  const { conn, peer } = makePeer();
  const call = peer.call("quote", REQUEST, { retry: true });
  const first = conn.last.id;
  conn.drop();
  expect(await isSettled(call)).toBe(false);
  conn.reopen();
  const second = conn.last.id;
  expect(conn.written).toHaveLength(2);
  expect(second).not.toBe(first);
  conn.answer("late answer of the first try", first);
  expect(await isSettled(call)).toBe(false);
  conn.answer("second", second);
  expect(await call).toBe("second");
  expect(vi.getTimerCount()).toBe(0);
});

test("all tries of a call have one deadline", async () => {
  const { conn, peer } = makePeer();
  const call = peer.call("quote", REQUEST, { retry: true, timeoutMs: 1_000 });
  await advance(600);
  conn.drop();
  await advance(399);
  expect(await isSettled(call)).toBe(false);
  await advance(1);
  expect(await rejection(call)).toMatchObject({ code: "timeout" });
  await advance(10);
  conn.reopen();
  expect(conn.written).toHaveLength(1);
});

test("with a session, calls wait while the connection is away, and are answered after it", async () => {
  const { conn, peer } = makePeer({}, true);
  const call = peer.call("quote", REQUEST);
  conn.drop();
  expect(await isSettled(call)).toBe(false);
  conn.reopen();
  conn.answer(1);
  expect(await call).toBe(1);
  expect(conn.written).toHaveLength(1);
});

test("a lost session interrupts calls that were delivered or in doubt, and no others", async () => {
  const { conn, peer } = makePeer({}, true);
  const delivered = peer.call("delivered");
  conn.acknowledge();
  const inDoubt = peer.call("in-doubt");
  const undelivered = peer.call("undelivered");
  conn.drop();
  const unwritten = peer.call("unwritten");
  conn.loseSession({ undelivered: 1 });
  expect(await rejection(delivered)).toMatchObject({ code: "interrupted" });
  expect(await rejection(inDoubt)).toMatchObject({ code: "interrupted" });
  conn.reopen();
  expect(await isSettled(undelivered)).toBe(false);
  expect(await isSettled(unwritten)).toBe(false);
  for (const { id, method } of requests(conn)) conn.answer(method, id);
  expect(await Promise.all([undelivered, unwritten])).toEqual(["undelivered", "unwritten"]);
});

test("with retry, a lost session has delivered and doubtful requests sent again", async () => {
  const { conn, peer } = makePeer({}, true);
  const calls = [peer.call("delivered", REQUEST, { retry: true })];
  conn.acknowledge();
  calls.push(peer.call("in-doubt", REQUEST, { retry: true }));
  conn.drop();
  conn.loseSession();
  conn.reopen();
  expect(
    requests(conn)
      .map(({ method }) => method)
      .sort(),
  ).toEqual(["delivered", "delivered", "in-doubt", "in-doubt"]);
  for (const { id, method } of requests(conn).slice(2)) conn.answer(method, id);
  expect(await Promise.all(calls)).toEqual(["delivered", "in-doubt"]);
});

test("the end of the Conn rejects with closed what was not written, and interrupts the rest", async () => {
  const { conn, peer } = makePeer({}, true);
  const written = peer.call("written");
  conn.drop();
  const unwritten = peer.call("unwritten");
  conn.end();
  expect(await rejection(written)).toMatchObject({ code: "interrupted" });
  expect(await rejection(unwritten)).toMatchObject({ code: "closed" });
  expect(vi.getTimerCount()).toBe(0);
  expect(conn.listenerCount).toBe(0);
});

test("a call that was written in an earlier try is interrupted, not closed", async () => {
  const { conn, peer } = makePeer();
  const call = peer.call("quote", REQUEST, { retry: true });
  conn.drop();
  conn.end();
  expect(await rejection(call)).toMatchObject({ code: "interrupted" });
});

test("a call on a Conn that has ended rejects with closed", async () => {
  const { conn, peer } = makePeer();
  conn.end();
  expect(await rejection(peer.call("quote"))).toMatchObject({ code: "closed" });
  expect(vi.getTimerCount()).toBe(0);
});

test("a Conn that is closing still delivers answers", async () => {
  const { conn, peer } = makePeer();
  const call = peer.call("quote");
  conn.state = "closing";
  conn.answer(1);
  expect(await call).toBe(1);
});

test("parameters that the codec can't send throw at the caller's line", async () => {
  const { conn, peer } = makePeer();
  expect(thrown(() => peer.call("quote", { big: 1n }))).toMatchObject({ code: "marshal" });
  expect(conn.written).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});

test.each([
  [5, "5"],
  ["x", '"x"'],
  [null, "null"],
  [true, "true"],
  [Symbol("x"), "Symbol(x)"],
])("parameters that JSON-RPC has no form for throw misuse and are named: %s", (params, named) => {
  const { peer } = makePeer();
  const error = { code: "misuse", message: `params must be an object or an array; got ${named}.` };
  expect(thrown(() => peer.call("quote", params as unknown as object))).toMatchObject(error);
  expect(thrown(() => peer.notify("quote", params as unknown as object))).toMatchObject(error);
});

test("a method that is no string throws misuse and is named", () => {
  const { peer } = makePeer();
  const error = { code: "misuse", message: "method must be a string; got Symbol(x)." };
  expect(thrown(() => peer.call(Symbol("x") as unknown as "quote", {}))).toMatchObject(error);
});

test("a call beyond maxCalls rejects with unavailable, and there is room again after an answer", async () => {
  const { conn, peer } = makePeer({ maxCalls: 2 });
  const calls = [peer.call("a"), peer.call("b")];
  expect(await rejection(peer.call("c"))).toMatchObject({ code: "unavailable" });
  conn.answer(1);
  peer.call("d");
  expect(requests(conn).map(({ method }) => method)).toEqual(["a", "b", "d"]);
  expect(await calls[1]).toBe(1);
});

test("by default 1,024 calls may be pending", async () => {
  const { peer } = makePeer();
  for (let i = 0; i < 1_024; i++) peer.call("x");
  expect(await rejection(peer.call("x"))).toMatchObject({ code: "unavailable" });
});

test("identifiers count from a random start of 48 bits", () => {
  const starts = Array.from({ length: 20 }, () => {
    const { conn, peer } = makePeer();
    peer.call("a");
    peer.call("b");
    const [first, second] = requests(conn).map(({ id }) => id as number);
    expect(second).toBe((first as number) + 1);
    return first as number;
  });
  expect(new Set(starts).size).toBe(20);
  expect(Math.max(...starts)).toBeGreaterThan(2 ** 32);
  expect(Math.max(...starts)).toBeLessThanOrEqual(2 ** 48);
});

test("of two peers on one Conn after each other, neither takes the other's answers", async () => {
  const { conn, peer } = makePeer();
  const early = peer.call("quote");
  const { id } = conn.last;
  peer.detach();
  expect(await rejection(early)).toMatchObject({ code: "aborted" });
  const next = rpc(conn);
  const call = next.call("quote");
  conn.answer("of the first peer", id);
  expect(await isSettled(call)).toBe(false);
});

test("a call after detach() is not sent, and rejects with aborted", async () => {
  const { conn, peer } = makePeer();
  peer.detach();
  expect(await rejection(peer.call("quote"))).toMatchObject({ code: "aborted" });
  expect(conn.written).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});

test("a cancellation that the codec can't send is reported, and the calls settle all the same", async () => {
  const onError = vi.fn();
  const { conn, peer } = makePeer({ onError });
  const refusal = new ConnError("marshal");
  const send = conn.send.bind(conn);
  vi.spyOn(conn, "send").mockImplementation((value, options) => {
    if ("method" in value && value.method === "$/cancelRequest") throw refusal;
    return send(value, options);
  });
  const calls = [peer.call("a", REQUEST, { timeoutMs: 10 }), peer.call("b", REQUEST, { timeoutMs: 10 })];
  await advance(10);
  for (const call of calls) expect(await rejection(call)).toMatchObject({ code: "timeout" });
  expect(onError.mock.calls).toEqual(Array(2).fill([refusal, "$/cancelRequest"]));
});

test("a rejection that nobody handles is never unhandled", async () => {
  const unhandled = vi.fn();
  process.on("unhandledRejection", unhandled);
  const { conn, peer } = makePeer();
  peer.call("quote");
  conn.drop();
  await settleMicrotasks();
  vi.useRealTimers();
  await new Promise((resolve) => setImmediate(resolve));
  process.off("unhandledRejection", unhandled);
  expect(unhandled).not.toHaveBeenCalled();
});

test("a notification has no identifier, and its options go to the Conn", async () => {
  const { conn, peer } = makePeer();
  peer.notify("typing", { room: 7 });
  expect(conn.written).toEqual([{ jsonrpc: "2.0", method: "typing", params: { room: 7 } }]);
  conn.drop();
  expect(await rejection(peer.notify("typing", { room: 7 }, { volatile: true }))).toMatchObject({
    code: "not-writable",
  });
});
