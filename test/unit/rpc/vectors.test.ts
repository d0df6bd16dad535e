import { expect, test } from "vitest";
import vectors from "../../../docs/internals/rpc-vectors.json" with { type: "json" };
import { type HandlerContext, RpcError, rpc } from "../../../src/rpc/index.ts";
import { rejection, settleMicrotasks, useFakeTime } from "../../support/conn.ts";
import { FakeRpcConn } from "../../support/fake-rpc-conn.ts";

// The test vectors of docs/internals/rpc.md, which other implementations can run too.

useFakeTime();

const handlers = {
  sum: (numbers: number[]) => numbers.reduce((sum, n) => sum + n, 0),
  greet: ({ name }: { name: string }) => `Hello, ${name}`,
  none: () => {},
  refuse: () => {
    throw new RpcError(4, "No stock.", { left: 0 });
  },
  fail: () => {
    throw new Error("a secret");
  },
  wait: (_params: unknown, { signal }: HandlerContext) =>
    new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
};

test("the vectors name the handlers that they need", () => {
  expect(Object.keys(vectors.server.handlers)).toEqual(Object.keys(handlers));
});

test.each(vectors.server.cases)("server: $name", async ({ receives, sends }) => {
  const conn = new FakeRpcConn();
  rpc(conn, { handlers, onError: () => {} });
  conn.deliver(...receives);
  await settleMicrotasks();
  expect(conn.written).toEqual(sends);
});

test.each(vectors.client.cases)("client: $name", async ({ calls, sends, receives, resolves, rejects }) => {
  const conn = new FakeRpcConn();
  const { method, params, aborts } = calls as { method: string; params?: object; aborts?: boolean };
  const controller = new AbortController();
  const call = rpc(conn).call(method, params, { signal: controller.signal });
  if (aborts) controller.abort();
  const { id } = conn.written[0] as { id: number };
  const withId = (frames: unknown) => JSON.parse(JSON.stringify(frames).replaceAll('"$id"', String(id)));
  expect(conn.written).toEqual(withId(sends));
  conn.deliver(withId(receives));
  if (rejects) expect(await rejection(call)).toMatchObject(rejects);
  else expect(await call).toEqual(resolves);
});
