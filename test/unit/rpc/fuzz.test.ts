import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { frameType, type RpcMessage } from "../../../src/rpc/frames.ts";
import { rpc } from "../../../src/rpc/index.ts";
import { settleMicrotasks, useFakeTime } from "../../support/conn.ts";
import { FakeRpcConn } from "../../support/fake-rpc-conn.ts";

useFakeTime();

const METHODS = [
  "sum",
  "fail",
  "wait",
  "missing",
  "__proto__",
  "constructor",
  "$/cancelRequest",
  "$/layer",
  "$/none",
  "",
];

/** Values of every JSON type, and those that only binary codecs carry. */
const anything = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.bigInt(),
  fc.uint8Array({ maxLength: 8 }),
  fc.date(),
  fc.constantFrom(undefined, Number.NaN, Number.POSITIVE_INFINITY, -0),
);
const id = fc.oneof({ arbitrary: fc.integer({ min: 0, max: 4 }), weight: 4 }, anything);
const error = fc.oneof(
  fc.record({ code: fc.oneof(fc.integer(), anything), message: fc.oneof(fc.string(), anything) }, { requiredKeys: [] }),
  anything,
);

/** A frame of the wire, of which any member may be missing or of another type. */
const frame = fc.record(
  {
    jsonrpc: fc.oneof({ arbitrary: fc.constant("2.0"), weight: 19 }, anything),
    id,
    method: fc.oneof({ arbitrary: fc.constantFrom(...METHODS), weight: 9 }, anything),
    params: fc.oneof(fc.record({ id }), fc.array(fc.integer()), anything),
    result: anything,
    error,
  },
  { requiredKeys: [] },
);
const message = fc.oneof(frame, frame, fc.array(frame, { maxLength: 5 }), anything);

const answersOf = (written: readonly RpcMessage[]) => written.flat().filter((sent) => frameType(sent) === "answer");

test("no frame of the wire makes either end throw, hang or grow, and each request has at most one answer", async () => {
  const step = fc.oneof(
    { arbitrary: fc.record({ type: fc.constant("deliver" as const), message }), weight: 8 },
    { arbitrary: fc.record({ type: fc.constantFrom("call", "retry", "drop", "lose", "advance") }), weight: 2 },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.boolean(), async (steps, hasSession) => {
      const conn = new FakeRpcConn();
      conn.hasSession = hasSession;
      const settled = vi.fn();
      const log = vi.fn();
      const peer = rpc(conn, {
        handlers: {
          sum: (params: number[]) => params.reduce((sum, n) => sum + n, 0),
          fail: () => Promise.reject(new Error("mine")),
          wait: () => new Promise(() => {}),
        },
        maxHandlers: 3,
        maxWaiting: 3,
        onError: log,
      });
      peer.extend({ "$/layer": () => 1 });
      let calls = 0;
      let frames = 0;
      for (const next of steps) {
        if (next.type === "deliver") {
          const given = (next as { message: unknown }).message;
          frames += Array.isArray(given) ? given.length : 1;
          conn.deliverRaw(given);
        } else if (next.type === "call" || next.type === "retry") {
          calls++;
          peer.call("x", {}, { timeoutMs: 50, retry: next.type === "retry" }).then(settled, settled);
        } else if (next.type === "advance") await vi.advanceTimersByTimeAsync(60);
        else {
          conn.drop();
          if (hasSession && next.type === "lose") conn.loseSession();
          conn.reopen();
        }
        await settleMicrotasks();
      }
      expect(answersOf(conn.written).length).toBeLessThanOrEqual(frames);
      // After all that, the peer works as before.
      const { length } = conn.written;
      peer.extend({ "$/alive": () => "yes" });
      conn.deliver({ jsonrpc: "2.0", id: "alive", method: "$/alive" });
      expect(conn.written.slice(length)).toEqual([{ jsonrpc: "2.0", id: "alive", result: "yes" }]);
      peer.detach();
      await settleMicrotasks();
      expect(settled).toHaveBeenCalledTimes(calls);
      expect(vi.getTimerCount()).toBe(0);
      expect(conn.listenerCount).toBe(0);
    }),
    { numRuns: 500 },
  );
});

test("an answer of any form settles the call that it names once, or leaves it alone", async () => {
  await fc.assert(
    fc.asyncProperty(fc.record({ result: anything, error }, { requiredKeys: [] }), async (members) => {
      const conn = new FakeRpcConn();
      const peer = rpc(conn, { onError: () => {} });
      const outcomes: unknown[] = [];
      const note = (value: unknown) => outcomes.push(value);
      peer.call("x").then(note, note);
      const answer = { jsonrpc: "2.0", id: conn.last.id, ...members };
      conn.deliverRaw(answer);
      conn.deliverRaw(answer);
      await settleMicrotasks();
      expect(outcomes.length).toBe(frameType(answer) === "answer" ? 1 : 0);
      peer.detach();
    }),
  );
});
