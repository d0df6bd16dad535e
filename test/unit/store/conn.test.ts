import { expect, test } from "vitest";
import { ConnError } from "../../../src/base/errors.ts";
import { type Codec, json } from "../../../src/codec/codec.ts";
import type { Conn } from "../../../src/core/conn.ts";
import { type Status, type StatusSource, status, store } from "../../../src/store/index.ts";
import { advance, createConn, openConn, record, settleMicrotasks, useFakeTime } from "../../support/conn.ts";

useFakeTime();

type Price = { readonly price: number };
const codec: Codec<Price, string> = json<Price, string>();

test("a store of a Conn takes what comes, also while no component listens, and nothing waits in the inbox", async () => {
  const { conn, socket } = await openConn({ codec });
  const total = store(conn, 0, (sum, { price }) => sum + price);
  for (let price = 1; price <= 4; price++) socket.message(JSON.stringify({ price }));
  await settleMicrotasks();
  expect(total.get()).toBe(10);
  expect(conn.stats.inbox).toEqual({ messages: 0, bytes: 0 });
});

test("a store made late takes what waited", async () => {
  const { conn, socket } = await openConn({ codec });
  socket.message('{"price":7}');
  const total = store(conn, 0, (sum, { price }) => sum + price);
  await settleMicrotasks();
  expect(total.get()).toBe(7);
});

test("a reducer that throws is an error event of the Conn, which stays open", async () => {
  const { conn, socket } = await openConn({ codec });
  const errors = record(conn, "error");
  const total = store(conn, 5, (_sum, { price }) => {
    throw new RangeError(`${price} is no price`);
  });
  socket.message('{"price":1}');
  await settleMicrotasks();
  expect(errors).toEqual([expect.any(ConnError)]);
  expect(errors[0]).toMatchObject({
    code: "provider",
    message: "A store's reducer failed, so its value stays: RangeError: 1 is no price",
  });
  expect([total.get(), conn.state]).toEqual([5, "open"]);
});

test("a store keeps its last value when its Conn has ended, and a new one of an ended Conn has its initial value", async () => {
  const { conn, socket } = await openConn({ codec });
  const total = store(conn, 0, (sum, { price }) => sum + price);
  socket.message('{"price":3}');
  await settleMicrotasks();
  void conn.close();
  await advance(5_000);
  expect([conn.state, total.get()]).toEqual(["closed", 3]);
  expect(store(conn, 0, (sum, { price }) => sum + price).get()).toBe(0);
  expect(status(conn).get().state).toBe("closed");
});

/** The same Conn to `status()`, which has not seen it before. */
const pick = (conn: Conn<Price, string>): StatusSource => ({
  state: conn.state,
  waiting: conn.waiting,
  on: () => () => {},
});

test("status() is true at every moment of a life with a drop", async () => {
  const { conn, net } = createConn({ codec });
  const now = status(conn as Conn<Price, string>);
  const seen: Status[] = [];
  now.onChange(() => seen.push(now.get()));
  // Before and after every event of the Conn, whoever is called first.
  const check = () => expect(now.get().state).toBe(conn.state);
  for (const event of ["state", "open", "disconnected", "waiting", "closed"] as const) conn.on(event, check);
  await settleMicrotasks();
  net.last.open();
  await settleMicrotasks();
  await advance(2_000);
  const droppedAt = Date.now();
  net.last.drop();
  expect(now.get()).toMatchObject({ state: "waiting", attempt: 1, retryAt: droppedAt + 1_000, since: droppedAt });
  await advance(1_000);
  expect(now.get()).toMatchObject({ state: "connecting", attempt: 1, retryAt: undefined, since: droppedAt });
  net.last.refuse();
  expect(status(pick(conn)).get()).toMatchObject({ state: "waiting", attempt: 2, retryAt: Date.now() + 2_000 });
  expect(now.get()).toMatchObject({ state: "waiting", attempt: 2, retryAt: Date.now() + 2_000, since: droppedAt });
  await advance(250);
  conn.connect();
  await settleMicrotasks();
  net.last.open();
  await settleMicrotasks();
  expect(now.get()).toMatchObject({ state: "open", attempt: 0, resumed: false, since: Date.now() });
  void conn.close();
  await advance(5_000);
  expect(now.get()).toMatchObject({ state: "closed", attempt: 0, retryAt: undefined, resumed: undefined });
  expect(seen.map(({ state }) => state).filter((state, i, all) => state !== all[i - 1])).toEqual([
    "connecting",
    "open",
    "waiting",
    "connecting",
    "waiting",
    "connecting",
    "open",
    "closing",
    "closed",
  ]);
});
