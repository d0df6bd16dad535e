import { expect, test, vi } from "vitest";
import { memoryEngine } from "../../../src/hub/index.ts";
import { advance, useFakeTime } from "../../support/fake-time.ts";
import { createHub, HISTORY, publishAll, settle } from "../../support/hub-rig.ts";

useFakeTime();

/** Two nodes on one store, and a client of the second that is attached to `all:a`. */
async function createTwo() {
  const first = createHub();
  const second = createHub({}, first.store);
  const ann = second.client({ id: "ann" });
  ann.subscribe({ "all:a": {}, "newest:a": {}, "plain:a": {} });
  await settle();
  ann.take();
  return { first, second, store: first.store, ann };
}

test("what was published while the engine was away is read when it is back, in order and once", async () => {
  const { first, second, ann } = await createTwo();
  await publishAll(first.topics, "all:a", 2);
  second.engine.down();
  await publishAll(first.topics, "all:a", 2, 3);
  expect(ann.takeData()).toEqual([1, 2]);
  second.engine.up();
  await settle();
  await publishAll(first.topics, "all:a", 1, 5);
  await publishAll(first.topics, "plain:a", 1, 6);
  expect(ann.takeData()).toEqual([3, 4, 5, 6]);
});

test("more than the log held is a gap for those who want all, and the newest for those who want that", async () => {
  const { first, second, ann, store } = await createTwo();
  second.engine.down();
  await publishAll(first.topics, "all:a", 20);
  await publishAll(first.topics, "newest:a", 20);
  second.engine.up();
  await settle();
  const frames = ann.take();
  const head = store.headOf("all:a");
  expect(frames.filter(([, channel]) => channel === "all:a")).toEqual([["attached", "all:a", head, head, true]]);
  expect(frames.filter(([, channel]) => channel === "newest:a").map((frame) => [frame[0], frame[4]])).toEqual([
    ["attached", false],
    ["message", 20],
  ]);
});

test("publishes are refused with unavailable while the engine is away", async () => {
  const { second, ann } = await createTwo();
  second.engine.down();
  const publish = ann.publish("all:a", 1, "x");
  await settle();
  expect(ann.answerTo(publish)).toEqual([-32003, "unavailable"]);
  await expect(second.topics.publish("all:a", 1)).rejects.toMatchObject({ code: "unavailable" });
});

test("a channel that has no feed is refused with unavailable while the engine is away", async () => {
  const { second, ann } = await createTwo();
  second.engine.down();
  ann.subscribe({ "all:new": {} });
  await settle();
  expect(ann.take()).toEqual([["refused", "all:new", "unavailable"]]);
  second.engine.up();
  await settle();
  ann.subscribe({ "all:new": {} });
  await settle();
  expect(ann.take().map(([method]) => method)).toEqual(["attached"]);
});

test("a right that was revoked during the outage ends before anything else is delivered", async () => {
  const { first, second, ann } = await createTwo();
  second.engine.down();
  await publishAll(first.topics, "all:a", 2);
  await first.topics.revoke({ client: "ann", channel: "all:a" });
  await publishAll(first.topics, "newest:a", 1, 7);
  second.engine.up();
  await settle();
  expect(ann.take().map((frame) => [frame[0], frame[1], frame[0] === "refused" ? frame[2] : frame[4]])).toEqual([
    ["refused", "all:a", "revoked"],
    ["message", "newest:a", 7],
  ]);
});

test("nothing is delivered while revocations can't be read", async () => {
  const store = createHub().store;
  const first = createHub({}, store);
  const second = createHub({}, store);
  const ann = second.client({ id: "ann" });
  ann.subscribe({ "all:a": {} });
  await settle();
  ann.take();
  second.engine.down();
  await first.topics.revoke({ client: "ann", channel: "all:a" });
  const read = vi.spyOn(second.engine, "heads").mockRejectedValueOnce(new Error("away again"));
  second.engine.up();
  await settle();
  await publishAll(first.topics, "all:a", 1);
  expect(ann.take()).toEqual([]);
  await advance(1_000);
  expect(read.mock.calls.length).toBeGreaterThan(1);
  expect(ann.take()).toEqual([["refused", "all:a", "revoked"]]);
});

test("a log of revocations that does not reach back has the application asked again for every right", async () => {
  const rights = new Set(["all:a", "newest:a", "plain:a"]);
  const first = createHub();
  const second = createHub({ authorize: ({ channel }) => rights.has(channel) }, first.store);
  const ann = second.client({ id: "ann" });
  ann.subscribe({ "all:a": {}, "newest:a": {}, "plain:a": {} });
  await settle();
  ann.take();
  second.engine.down();
  rights.delete("all:a");
  first.store.beginAnew("\u0001revocations");
  second.engine.up();
  await settle();
  await publishAll(first.topics, "all:a", 1);
  await publishAll(first.topics, "plain:a", 1);
  const frames = ann.take();
  expect(frames.filter(([method]) => method === "refused")).toEqual([["refused", "all:a", "revoked"]]);
  expect(frames.filter(([method]) => method === "message").map(([, channel]) => channel)).toEqual(["plain:a"]);
});

test.each([
  [2, 2, 0],
  [2, 3, 1],
])(
  "of %i revocations that are kept and %i that were missed, %i subscriptions are asked about again",
  async (kept, missed, asked) => {
    const authorize = vi.fn(() => true);
    const first = createHub({ maxRevocations: kept });
    const second = createHub({ maxRevocations: kept, authorize }, first.store);
    const ann = second.client({ id: "ann" });
    ann.subscribe({ "all:a": {} });
    await settle();
    second.engine.down();
    for (let i = 0; i < missed; i++) await first.topics.revoke({ client: `other ${i}` });
    authorize.mockClear();
    second.engine.up();
    await advance(1_000);
    expect(authorize).toHaveBeenCalledTimes(asked);
  },
);

test("revocations are kept for revocationTtlMs", async () => {
  const histories: unknown[] = [];
  const engine = memoryEngine();
  const subscribe = engine.subscribe.bind(engine);
  engine.subscribe = (channel, history, onEntry) => {
    histories.push(history);
    return subscribe(channel, history, onEntry);
  };
  createHub({ engine, maxRevocations: 7, revocationTtlMs: 1_000 });
  await settle();
  expect(histories).toEqual([{ size: 7, ttlMs: 1_000 }]);
});

test("a failover that loses the last writes and then uses their numbers again is a gap", async () => {
  const { first, second, store, ann } = await createTwo();
  await publishAll(first.topics, "all:a", 5);
  ann.take();
  second.engine.down();
  store.loseWrites(3);
  await publishAll(first.topics, "all:a", 3, 13);
  second.engine.up();
  await settle();
  const head = store.headOf("all:a");
  expect(ann.take()).toEqual([["attached", "all:a", head, head, true]]);
  await publishAll(first.topics, "all:a", 1, 16);
  expect(ann.takeData()).toEqual([16]);
});

test("a failover that nobody noticed is a gap with the first message after it", async () => {
  const { first, store, ann } = await createTwo();
  await publishAll(first.topics, "all:a", 5);
  ann.take();
  store.loseWrites(3);
  await publishAll(first.topics, "all:a", 1, 13);
  const head = store.headOf("all:a");
  expect(ann.take()).toEqual([["attached", "all:a", head, head, true]]);
});

test("a log that was deleted and begun anew is a gap", async () => {
  const { first, store, ann } = await createTwo();
  await publishAll(first.topics, "all:a", 2);
  ann.take();
  store.beginAnew("all:a");
  await publishAll(first.topics, "all:a", 1, 3);
  const head = store.headOf("all:a");
  expect(ann.take()).toEqual([["attached", "all:a", head, head, true]]);
});

test("entries that the feed lost are read after the next one, and those that it repeats are dropped", async () => {
  const store = createHub().store;
  const { topics, client, engine } = createHub({}, store);
  const ann = client();
  ann.subscribe({ "all:a": {} });
  await settle();
  ann.take();
  const deliver = vi.spyOn(engine, "deliver").mockImplementationOnce(() => {});
  await publishAll(topics, "all:a", 1);
  expect(ann.takeData()).toEqual([]);
  await publishAll(topics, "all:a", 1, 2);
  expect(ann.takeData()).toEqual([1, 2]);
  for (const [channel, entry] of [...deliver.mock.calls]) engine.deliver(channel, entry);
  await settle();
  await publishAll(topics, "all:a", 1, 3);
  expect(ann.takeData()).toEqual([3]);
});

test("a feed that has stalled without a word is found within 25 s", async () => {
  const { topics, client, engine } = createHub();
  const ann = client();
  ann.subscribe({ "all:a": {} });
  await settle();
  ann.take();
  await publishAll(topics, "all:a", 1);
  ann.take();
  // Right after an entry, when the feed is taken for a busy one at the next look.
  vi.spyOn(engine, "deliver").mockImplementationOnce(() => {});
  await publishAll(topics, "all:a", 1, 2);
  await advance(24_000);
  expect(ann.takeData()).toEqual([]);
  await advance(1_000);
  expect(ann.takeData()).toEqual([2]);
});

test("quiet feeds cost one look in 12.5 s for all of them, and busy ones none", async () => {
  const { topics, client, engine } = createHub();
  const ann = client();
  ann.subscribe(Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`all:${i}`, {}])));
  await advance(12_500);
  const heads = vi.spyOn(engine, "heads");
  await publishAll(topics, "all:7", 1);
  await advance(12_500);
  const asked = heads.mock.calls.map(([channels]) => channels.map(({ channel }) => channel));
  expect(asked.map(({ length }) => length)).toEqual([1, 99]);
  expect(asked[1]).not.toContain("all:7");
});

test("a client that is ahead of this node's feed waits for it, and misses nothing", async () => {
  const store = createHub().store;
  const first = createHub({}, store);
  const second = createHub({}, store);
  const bob = second.client();
  bob.subscribe({ "all:a": {} });
  await settle();
  const lost = vi.spyOn(second.engine, "deliver").mockImplementation(() => {});
  await publishAll(first.topics, "all:a", 3);
  lost.mockRestore();
  const ann = second.client();
  ann.subscribe({ "all:a": { after: store.headOf("all:a") } });
  await settle();
  await publishAll(first.topics, "all:a", 1, 4);
  expect(ann.takeData()).toEqual([4]);
  expect(bob.takeData()).toEqual([1, 2, 3, 4]);
});

test("a feed stays for 5 s after its last subscriber, and then ends", async () => {
  const { client, engine } = createHub();
  const unsubscribe = vi.spyOn(engine, "unsubscribe");
  const ann = client();
  ann.subscribe({ "all:a": {} });
  await settle();
  ann.unsubscribe("all:a");
  await advance(4_000);
  expect(unsubscribe).not.toHaveBeenCalled();
  await advance(7_000);
  expect(unsubscribe).toHaveBeenCalledExactlyOnceWith("all:a");
});

test("close() ends timers, feeds and the engine, and leaves the Conns open", async () => {
  const { client, engine, topics } = createHub();
  const ann = client({ id: "ann" });
  ann.subscribe({ "all:a": {}, "room:a": { presence: true } });
  await settle();
  await topics.close();
  expect(vi.getTimerCount()).toBe(0);
  expect(ann.state).toBe("open");
  await expect(engine.publish("all:a", "1", { history: HISTORY })).rejects.toMatchObject({ code: "closed" });
  expect(() => client()).toThrow("The hub is closed.");
});

test("a hub keeps nothing of a Conn that has ended", async () => {
  const { client, topics } = createHub();
  const ann = client({ id: "ann" });
  ann.subscribe({ "all:a": {} });
  await settle();
  ann.end();
  await expect(ann.served).resolves.toMatchObject({ code: 1000 });
  await settle();
  expect(ann.listenerCount).toBe(0);
  await publishAll(topics, "all:a", 1);
  expect(ann.takeData()).toEqual([]);
});
