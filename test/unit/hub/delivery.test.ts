import { expect, test } from "vitest";
import { FakeStore } from "../../support/fake-engine.ts";
import { advance, useFakeTime } from "../../support/fake-time.ts";
import { codec, type HubClient } from "../../support/hub-client.ts";
import { createHub, HISTORY, publishAll, settle } from "../../support/hub-rig.ts";

useFakeTime();

/** A full connection, and one that has room again. */
const fill = (client: HubClient) => {
  client.bufferedAmount = 2 ** 16 + 1;
};
const drain = (client: HubClient) => {
  client.bufferedAmount = 0;
};

test("a subscriber gets what is published after its answer, each message once and in order", async () => {
  const { topics, client } = createHub();
  const ann = client();
  const request = ann.subscribe({ "all:a": {} });
  await settle();
  await publishAll(topics, "all:a", 3);
  expect(ann.frames.map(({ method, id }) => method ?? id)).toEqual([
    request,
    "$/attached",
    "$/message",
    "$/message",
    "$/message",
  ]);
  const [attached, ...messages] = ann.take();
  expect(attached).toEqual(["attached", "all:a", expect.stringMatching(/^0-/), expect.stringMatching(/^0-/), false]);
  expect(messages.map((message) => message.slice(4))).toEqual([[1], [2], [3]]);
  expect(messages.map(([, , previous]) => previous)).toEqual([attached?.[2], messages[0]?.[3], messages[1]?.[3]]);
});

test("a channel without history has no positions", async () => {
  const { topics, client } = createHub();
  const ann = client();
  ann.subscribe({ "plain:a": { after: "5-a" } });
  await settle();
  await topics.publish("plain:a", { text: "hello" });
  await settle();
  expect(ann.take()).toEqual([
    ["attached", "plain:a", null, null, false],
    ["message", "plain:a", null, null, { text: "hello" }],
  ]);
});

test("a message is marshalled once for all its subscribers", async () => {
  const { topics, client } = createHub();
  const clients = Array.from({ length: 20 }, () => client());
  for (const each of clients) each.subscribe({ "all:a": {} });
  await settle();
  codec.marshalled = 0;
  await publishAll(topics, "all:a", 3);
  expect(codec.marshalled).toBe(3);
  expect(clients.map((each) => each.takeData())).toEqual(clients.map(() => [1, 2, 3]));
});

test.each([
  [{ last: 2 }, [4, 5]],
  [{ last: 50 }, [1, 2, 3, 4, 5]],
  [{ last: 0 }, []],
  [{}, []],
])("a subscription with %j begins with %j of five messages", async (request, expected) => {
  const { topics, client, store } = createHub();
  await publishAll(topics, "all:a", 5);
  const ann = client();
  ann.subscribe({ "all:a": request });
  await settle();
  const [attached, ...messages] = ann.take();
  expect(messages.map((message) => message[4])).toEqual(expected);
  expect(attached?.slice(3)).toEqual([store.headOf("all:a"), false]);
  expect(attached?.[2]).toBe(messages[0]?.[2] ?? store.headOf("all:a"));
});

test("a client that returns after a position gets what follows it, and nothing twice", async () => {
  const { topics, client, store } = createHub();
  await publishAll(topics, "all:a", 5);
  const after = store.entriesOf("all:a")[1]?.position;
  const ann = client();
  ann.subscribe({ "all:a": { after } });
  await settle();
  await publishAll(topics, "all:a", 1, 6);
  expect(ann.take().map((frame) => [frame[0], frame[0] === "message" ? frame[4] : frame[4]])).toEqual([
    ["attached", false],
    ["message", 3],
    ["message", 4],
    ["message", 5],
    ["message", 6],
  ]);
});

test("a client that returns at the head gets no gap, though no message was ever published", async () => {
  const { topics, client } = createHub();
  const ann = client();
  ann.subscribe({ "all:a": {} });
  await settle();
  const [[, , after]] = ann.take() as [unknown[]];
  ann.drop();
  ann.reopen();
  ann.subscribe({ "all:a": { after } });
  await settle();
  expect(ann.take()).toEqual([["attached", "all:a", after, after, false]]);
  await publishAll(topics, "all:a", 1);
  expect(ann.takeData()).toEqual([1]);
});

test.each(["3-zz", "nonsense", "9".repeat(10_000), "0-\n"])(
  "a position that never was (%.20s) is a gap, and the channel goes on at its head",
  async (after) => {
    const { topics, client, store } = createHub();
    await publishAll(topics, "all:a", 5);
    const ann = client();
    ann.subscribe({ "all:a": { after } });
    await settle();
    const head = store.headOf("all:a");
    expect(ann.take()).toEqual([["attached", "all:a", head, head, true]]);
    await publishAll(topics, "all:a", 1, 6);
    expect(ann.takeData()).toEqual([6]);
  },
);

test("a position that the log does not reach back to is a gap", async () => {
  const { topics, client, store } = createHub();
  await publishAll(topics, "all:a", 1);
  const after = store.headOf("all:a");
  await publishAll(topics, "all:a", 11, 2);
  const ann = client();
  ann.subscribe({ "all:a": { after } });
  await settle();
  expect(ann.take()).toEqual([["attached", "all:a", store.headOf("all:a"), store.headOf("all:a"), true]]);
});

test("a subscriber that can't follow reads the log as its connection drains, and is live again", async () => {
  const { topics, client, store } = createHub();
  const [ann, bob] = [client(), client()];
  for (const each of [ann, bob]) each.subscribe({ "all:a": {} });
  await settle();
  ann.take();
  ann.bytesPerFrame = 2 ** 15;
  await publishAll(topics, "all:a", 9);
  expect(bob.takeData()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(ann.takeData()).toEqual([1, 2, 3]);
  drain(ann);
  await advance(20);
  expect(ann.takeData()).toEqual([4, 5, 6]);
  drain(ann);
  ann.bytesPerFrame = 0;
  await advance(20);
  expect(ann.takeData()).toEqual([7, 8, 9]);
  await publishAll(topics, "all:a", 1, 10);
  expect(ann.takeData()).toEqual([10]);
  // The messages that the node remembers were enough.
  expect(store.counts.read).toBeUndefined();
});

test("a subscriber that stays away for longer than the log gets a gap, once", async () => {
  const { topics, client, store } = createHub({ maxRecentMessages: 2 });
  const ann = client();
  ann.subscribe({ "all:a": {} });
  await settle();
  ann.take();
  fill(ann);
  await publishAll(topics, "all:a", 30);
  drain(ann);
  await advance(20);
  const head = store.headOf("all:a");
  expect(ann.take()).toEqual([["attached", "all:a", head, head, true]]);
  await publishAll(topics, "all:a", 1, 31);
  expect(ann.takeData()).toEqual([31]);
});

test("a subscriber to the newest gets only the newest, after a frame that says from where it goes on", async () => {
  const { topics, client, store } = createHub();
  const ann = client();
  ann.subscribe({ "newest:a": {} });
  await settle();
  ann.take();
  fill(ann);
  await publishAll(topics, "newest:a", 30);
  drain(ann);
  await advance(20);
  const [before, head] = store
    .entriesOf("newest:a")
    .slice(-2)
    .map(({ position }) => position);
  expect(ann.take()).toEqual([
    ["attached", "newest:a", before, head, false],
    ["message", "newest:a", before, head, 30],
  ]);
  await publishAll(topics, "newest:a", 1, 31);
  expect(ann.take()).toEqual([["message", "newest:a", head, store.headOf("newest:a"), 31]]);
});

test.each([
  [{}, []],
  [{ last: 5 }, [3]],
  [{ after: "0-never" }, [3]],
])("a subscriber to the newest that begins with %j gets %j", async (request, expected) => {
  const { topics, client } = createHub();
  await publishAll(topics, "newest:a", 3);
  const ann = client();
  ann.subscribe({ "newest:a": request });
  await settle();
  const frames = ann.take();
  expect(frames[0]?.[4]).toBe(false);
  expect(frames.slice(1).map((frame) => frame[4])).toEqual(expected);
});

test("a subscriber of the newest that has the newest gets nothing", async () => {
  const { topics, client, store } = createHub();
  await publishAll(topics, "newest:a", 3);
  const ann = client();
  ann.subscribe({ "newest:a": { after: store.headOf("newest:a") } });
  await settle();
  expect(ann.take().map(([method]) => method)).toEqual(["attached"]);
});

test("a subscriber of what fits is left out while its connection is full, and goes on at the head", async () => {
  const { topics, client, store } = createHub();
  const ann = client();
  ann.subscribe({ "fitting:a": {}, "plain:a": {} });
  await settle();
  ann.take();
  fill(ann);
  await publishAll(topics, "fitting:a", 3);
  await publishAll(topics, "plain:a", 3);
  drain(ann);
  await advance(20);
  const head = store.headOf("fitting:a");
  expect(ann.take()).toEqual([["attached", "fitting:a", head, head, false]]);
  await publishAll(topics, "fitting:a", 1, 4);
  await publishAll(topics, "plain:a", 1, 4);
  expect(ann.takeData()).toEqual([4, 4]);
});

test("a slow channel of a client takes its turn with the others", async () => {
  const { topics, client } = createHub();
  const ann = client();
  ann.subscribe({ "all:a": {}, "all:b": {} });
  await settle();
  ann.take();
  fill(ann);
  await publishAll(topics, "all:a", 6);
  await publishAll(topics, "all:b", 6);
  ann.bytesPerFrame = 2 ** 15;
  const rounds: string[][] = [];
  for (let round = 0; round < 4; round++) {
    drain(ann);
    await advance(20);
    rounds.push([...new Set(ann.take().map((frame) => String(frame[1])))]);
  }
  expect(rounds).toEqual([["all:a"], ["all:b"], ["all:a"], ["all:b"]]);
});

test("2,000 clients that return after different positions cost one read of the log", async () => {
  const store = createHub().store;
  const first = createHub({}, store);
  await publishAll(first.topics, "all:a", 10);
  const positions = store.entriesOf("all:a").map(({ position }) => position);
  // Another process, whose memory is empty.
  const { client } = createHub({}, store);
  await settle();
  const before = store.counts.read ?? 0;
  const clients = Array.from({ length: 2_000 }, () => client());
  for (const [index, each] of clients.entries()) each.subscribe({ "all:a": { after: positions[index % 9] } });
  await settle();
  expect(clients.map((each) => each.takeData().length)).toEqual(clients.map((_, index) => 9 - (index % 9)));
  expect((store.counts.read ?? 0) - before).toBe(1);
});

test("a message that is too long for a subscriber's Conn is a gap for it, and no end", async () => {
  const { topics, client, errors } = createHub();
  const [ann, bob] = [client(), client()];
  for (const each of [ann, bob]) each.subscribe({ "all:a": {} });
  await settle();
  ann.take();
  bob.take();
  ann.maxSendBytes = 300;
  await topics.publish("all:a", "x".repeat(300));
  await settle();
  const position = bob.take()[0]?.[3];
  expect(ann.take()).toEqual([["attached", "all:a", position, position, true]]);
  await publishAll(topics, "all:a", 1);
  expect(ann.takeData()).toEqual([1]);
  expect(errors.map(String)).toEqual(["Error: too-large"]);
});

test("data in the log that the codec can't read is a gap for all, and no end", async () => {
  const { client, engine } = createHub();
  const ann = client();
  ann.subscribe({ "all:a": {} });
  await settle();
  ann.take();
  await engine.publish("all:a", "{", { history: { size: 10, ttlMs: 1_000 } });
  await settle();
  expect(ann.take().map((frame) => [frame[0], frame[4]])).toEqual([["attached", true]]);
});

/** A hub with ann attached to `all:a`, whose feed has lost three messages that are in the store. */
async function createBehind() {
  const store = new FakeStore({ manual: true });
  const { client } = createHub({}, store);
  await store.drain();
  const [ann, ben] = [client(), client()];
  ann.subscribe({ "all:a": {} });
  await settle();
  await store.drain();
  ann.take();
  for (const n of ["1", "2", "3"]) store.publish("all:a", n, HISTORY, undefined);
  for (const step of store.choices()) step.lose();
  return { store, ann, ben };
}

test("a head that the client was given and that is not on its way is replaced, so that the client knows when it is there", async () => {
  const { store, ben } = await createBehind();
  const [first, , last] = store.entriesOf("all:a").map(({ position }) => position);
  // Ben has seen the first message elsewhere.
  ben.subscribe({ "all:a": { after: first } });
  await settle();
  await store.drain();
  const frames = ben.take();
  expect(frames.map(([method, , position]) => [method, position]).at(-1)).toEqual(["attached", last]);
  expect(frames.filter(([method]) => method === "message").map((frame) => frame[4])).toEqual([2, 3]);
  expect(frames.at(-1)?.slice(2)).toEqual([last, last, false]);
});

test("after a gap a subscription goes on at the head of the log, and not where a feed is that is behind", async () => {
  const { store, ann, ben } = await createBehind();
  // Ben has seen all three, and a fourth that the store has lost.
  ben.subscribe({ "all:a": { after: "4-lost" } });
  await settle();
  await store.drain();
  const head = store.headOf("all:a");
  expect(ben.take()).toEqual([["attached", "all:a", head, head, true]]);
  expect(ann.takeData()).toEqual([1, 2, 3]);
});
