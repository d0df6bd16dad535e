import { expect, test } from "vitest";
import { json } from "../../../src/codec/codec.ts";
import { rpc } from "../../../src/rpc/index.ts";
import { advance, createConn, settleMicrotasks, useFakeTime } from "../../support/conn.ts";

// The fake Conn of the other tests delivers and emits by itself: these depend on the order in which a Conn does.

useFakeTime();

test("requests that waited in a Conn when its connection ended are not answered on the next one", async () => {
  const { conn, net } = createConn({ codec: json<unknown, unknown>() });
  const ends: (() => void)[] = [];
  const wait = () => new Promise<void>((resolve) => ends.push(resolve));
  const deliver = async (id: string) => {
    net.last.message(JSON.stringify({ jsonrpc: "2.0", id, method: "wait" }));
    await settleMicrotasks();
  };
  rpc(conn, { handlers: { wait }, maxHandlers: 1, maxWaiting: 1 });
  await settleMicrotasks();
  net.last.open();
  await settleMicrotasks();
  const first = net.last;
  for (const id of ["runs", "waits", "unread"]) await deliver(id);
  expect(conn.stats.inbox.messages).toBe(1);
  first.drop();
  await settleMicrotasks();
  expect(conn.stats.inbox.messages).toBe(0);
  await advance(2_000);
  net.last.open();
  await settleMicrotasks();
  await deliver("fresh");
  for (let n = 0; n < 2; n++) {
    ends[n]?.();
    await settleMicrotasks();
  }
  expect(first.sent).toEqual([]);
  expect(net.last.sent).toEqual(['{"jsonrpc":"2.0","id":"fresh","result":null}']);
});
