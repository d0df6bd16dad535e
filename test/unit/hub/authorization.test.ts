import { expect, test, vi } from "vitest";
import type { AuthorizeRequest } from "../../../src/hub/index.ts";
import { advance, useFakeTime } from "../../support/fake-time.ts";
import { createHub, publishAll, settle } from "../../support/hub-rig.ts";

useFakeTime();

/** Decisions that the test makes, in the order in which they were asked for. */
function createJudge() {
  const asked: { readonly request: AuthorizeRequest; readonly decide: (answer: boolean) => void }[] = [];
  const authorize = (request: AuthorizeRequest) =>
    new Promise<boolean>((decide) => {
      asked.push({ request, decide });
    });
  return { asked, authorize };
}

test("the application is asked on each subscribe and each publish, with the client's id", async () => {
  const asked: AuthorizeRequest[] = [];
  const { client } = createHub({
    authorize: (request) => {
      asked.push(request);
      return true;
    },
  });
  const ann = client({ id: "ann" });
  ann.subscribe({ "room:a": { presence: true }, "all:b": {} });
  ann.publish("all:b", 1, "x");
  await settle();
  ann.subscribe({ "all:b": {} });
  await settle();
  client().subscribe({ "all:b": {} });
  await settle();
  expect(asked).toEqual(
    expect.arrayContaining([
      { client: "ann", channel: "room:a", action: "subscribe" },
      { client: "ann", channel: "room:a", action: "presence" },
      { client: "ann", channel: "all:b", action: "publish" },
      { client: undefined, channel: "all:b", action: "subscribe" },
    ]),
  );
  expect(asked.filter(({ channel, client: id }) => channel === "all:b" && id === "ann")).toHaveLength(3);
});

test("a channel that no pattern fits does not exist, and the application is not asked", async () => {
  const authorize = vi.fn(() => true);
  const { client } = createHub({ authorize });
  const ann = client();
  ann.subscribe({ other: {}, "all:": {}, "ALL:a": {}, __proto__x: {} });
  const publish = ann.publish("other", 1, "x");
  await settle();
  expect(ann.answerTo(publish)).toEqual([-32003, "denied"]);
  expect(ann.take()).toEqual(["other", "all:", "ALL:a", "__proto__x"].map((name) => ["refused", name, "denied"]));
  expect(authorize).not.toHaveBeenCalled();
});

test.each<[answer: unknown]>([[false], [undefined], [null], [1], ["yes"], [{}], [Promise.resolve("true")]])(
  "only true is a yes: %j denies",
  async (answer) => {
    const { client, topics } = createHub({ authorize: () => answer as boolean });
    const ann = client();
    ann.subscribe({ "all:a": {} });
    const publish = ann.publish("all:a", 1, "x");
    await settle();
    expect(ann.answerTo(publish)).toEqual([-32003, "denied"]);
    expect(ann.take()).toEqual([["refused", "all:a", "denied"]]);
    await publishAll(topics, "all:a", 1);
    expect(ann.take()).toEqual([]);
  },
);

test.each<[how: string, authorize: () => boolean | Promise<boolean>]>([
  [
    "throws",
    () => {
      throw new Error("no database");
    },
  ],
  ["rejects", () => Promise.reject(new Error("no database"))],
])("an application that %s refuses with unavailable, and its error is reported", async (_how, authorize) => {
  const { client, errors } = createHub({ authorize });
  const ann = client();
  ann.subscribe({ "all:a": {} });
  const publish = ann.publish("all:a", 1, "x");
  await settle();
  expect(ann.answerTo(publish)).toEqual([-32003, "unavailable"]);
  expect(ann.take()).toEqual([["refused", "all:a", "unavailable"]]);
  expect(errors.map(String)).toEqual(["Error: no database", "Error: no database"]);
});

test("an application that takes 5 s refuses with unavailable, and its late yes changes nothing", async () => {
  const { asked, authorize } = createJudge();
  const { client, topics } = createHub({ authorize });
  const ann = client();
  ann.subscribe({ "all:a": {} });
  await advance(4_999);
  expect(ann.take()).toEqual([]);
  await advance(1);
  expect(ann.take()).toEqual([["refused", "all:a", "unavailable"]]);
  asked[0]?.decide(true);
  await publishAll(topics, "all:a", 1);
  expect(ann.take()).toEqual([]);
});

test("an unsubscribe cancels a subscribe that is being authorised", async () => {
  const { asked, authorize } = createJudge();
  const { client, topics } = createHub({ authorize });
  const ann = client();
  ann.subscribe({ "all:a": {} });
  await settle();
  ann.unsubscribe("all:a");
  asked[0]?.decide(true);
  await settle();
  await publishAll(topics, "all:a", 1);
  expect(ann.take()).toEqual([]);
});

test("a subscribe replaces one that is being authorised, whichever is decided first", async () => {
  const { asked, authorize } = createJudge();
  const { client, topics } = createHub({ authorize });
  await publishAll(topics, "all:a", 2);
  const ann = client();
  ann.subscribe({ "all:a": { last: 2 } });
  await settle();
  ann.subscribe({ "all:a": { last: 1 } });
  await settle();
  asked[1]?.decide(true);
  await settle();
  asked[0]?.decide(true);
  await settle();
  expect(ann.take().map((frame) => [frame[0], frame[4]])).toEqual([
    ["attached", false],
    ["message", 2],
  ]);
});

test("a connection that ends cancels what is being authorised", async () => {
  const { asked, authorize } = createJudge();
  const { client, topics } = createHub({ authorize });
  const ann = client();
  ann.subscribe({ "all:a": {} });
  await settle();
  ann.drop();
  ann.reopen();
  asked[0]?.decide(true);
  await settle();
  await publishAll(topics, "all:a", 1);
  expect(ann.take()).toEqual([]);
});

test("a frame of 10,000 names is refused as a whole, and the application is asked nothing", async () => {
  const authorize = vi.fn(() => true);
  const { client } = createHub({ authorize });
  const ann = client();
  const channels = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`all:${i}`, {}]));
  const request = ann.subscribe(channels);
  await settle();
  expect(ann.answerTo(request)).toEqual([-32602, undefined]);
  expect(ann.take()).toEqual([]);
  expect(authorize).not.toHaveBeenCalled();
});

test("names with control characters and lone surrogates are malformed", async () => {
  const { client } = createHub();
  const ann = client();
  const names = ["all:\u0000", "all:\n", "all:\u007f", "\u0001revocations", "\u0001members:room:a", "all:\ud800", ""];
  const answers = names.map((name) => ann.subscribe({ [name]: {} }));
  const publishes = names.map((name) => ann.publish(name, 1, "x"));
  await settle();
  expect([...answers, ...publishes].map((request) => ann.answerTo(request))).toEqual(
    Array(14).fill([-32602, undefined]),
  );
  expect(ann.take()).toEqual([]);
});

test("the 129th channel of a client is refused, and one that is given up makes room", async () => {
  const { client } = createHub();
  const ann = client();
  ann.subscribe(Object.fromEntries(Array.from({ length: 128 }, (_, i) => [`plain:${i}`, {}])));
  ann.subscribe({ "plain:more": {} });
  await settle();
  const frames = ann.take();
  expect(frames.filter(([method]) => method === "attached")).toHaveLength(128);
  expect(frames.filter(([method]) => method === "refused")).toEqual([["refused", "plain:more", "too-many"]]);
  ann.unsubscribe("plain:0");
  ann.subscribe({ "plain:more": {} });
  await settle();
  expect(ann.take()).toEqual([["attached", "plain:more", null, null, false]]);
});

test("refusals that a client does not read are bounded: further channels are answered with busy", async () => {
  const { client } = createHub();
  const ann = client();
  ann.bufferedAmount = 2 ** 21;
  const frame = (start: number) => Object.fromEntries(Array.from({ length: 128 }, (_, i) => [`no:${start + i}`, {}]));
  const requests = [0, 128, 256].map((start) => ann.subscribe(frame(start)));
  await settle();
  expect(requests.map((request) => ann.answerTo(request))).toEqual([null, null, [-32001, undefined]]);
  ann.bufferedAmount = 0;
  await advance(20);
  expect(ann.take()).toHaveLength(256);
});

test("a client that asks and never reads is closed with 1008 after 1,024 frames", async () => {
  const { client } = createHub();
  const ann = client();
  ann.bufferedAmount = 2 ** 21;
  for (let i = 0; i < 1_024; i++) ann.subscribe({ "no:a": {} });
  expect(ann.closedWith).toBeUndefined();
  ann.subscribe({ "no:a": {} });
  expect(ann.closedWith).toBe(1008);
});

test("a publish of a client is appended, answered with its position, and once however often it is repeated", async () => {
  const { client, store, topics } = createHub();
  const ann = client({ id: "ann" });
  ann.subscribe({ "all:a": {} });
  await settle();
  const requests = [ann.publish("all:a", "hello", "x"), ann.publish("all:a", "hello", "x")];
  const plain = ann.publish("plain:a", "hello", "x");
  await settle();
  const position = store.headOf("all:a");
  expect(requests.map((request) => ann.answerTo(request))).toEqual([{ position }, { position }]);
  expect(ann.answerTo(plain)).toEqual({});
  expect(ann.takeData()).toEqual(["hello"]);
  await topics.publish("all:a", "later");
  expect(store.entriesOf("all:a").map(({ data }) => data)).toEqual(['"hello"', '"later"']);
});

test("the id of another client's publish, or of the server's own, is nobody else's", async () => {
  const { client, store, topics } = createHub();
  await topics.publish("all:a", 0, { id: "x" });
  await topics.publish("all:a", 9, { id: "x" });
  for (const [index, id] of ["ann", "bob", undefined, '","x'].entries())
    client({ id }).publish("all:a", index + 1, "x");
  await settle();
  expect(store.entriesOf("all:a").map(({ data }) => data)).toEqual(["0", "1", "2", "3", "4"]);
});

test("publishes of one channel go on in the order in which they came, though the first is decided last", async () => {
  const { asked, authorize } = createJudge();
  const { client, store } = createHub({ authorize });
  const ann = client();
  ann.publish("all:a", 1, "x");
  ann.publish("all:a", 2, "y");
  ann.publish("all:b", 3, "z");
  await settle();
  expect(asked.map(({ request }) => request.channel)).toEqual(["all:a", "all:b"]);
  for (let i = 0; i < 3; i++) {
    asked[i]?.decide(true);
    await settle();
  }
  expect(store.entriesOf("all:a").map(({ data }) => data)).toEqual(["1", "2"]);
  expect(store.entriesOf("all:b").map(({ data }) => data)).toEqual(["3"]);
});

test("the 65th publish that is under way is answered with busy", async () => {
  const { asked, authorize } = createJudge();
  const { client } = createHub({ authorize });
  const ann = client();
  const requests = Array.from({ length: 65 }, (_, i) => ann.publish(`all:${i}`, i, "x"));
  await settle();
  expect(ann.answerTo(requests[64] as number)).toEqual([-32001, undefined]);
  expect(asked).toHaveLength(64);
});

test("a right that is revoked ends at once, that of others stays", async () => {
  const { client, topics } = createHub();
  const [ann, tab, bob] = [client({ id: "ann" }), client({ id: "ann" }), client({ id: "bob" })];
  for (const each of [ann, tab, bob]) each.subscribe({ "all:a": {}, "all:b": {} });
  await settle();
  for (const each of [ann, tab, bob]) each.take();
  await topics.revoke({ client: "ann", channel: "all:a" });
  await settle();
  expect(ann.take()).toEqual([["refused", "all:a", "revoked"]]);
  expect(tab.take()).toEqual([["refused", "all:a", "revoked"]]);
  await publishAll(topics, "all:a", 1);
  await publishAll(topics, "all:b", 1);
  expect([ann, tab, bob].map((each) => each.takeData())).toEqual([[1], [1], [1, 1]]);
  await topics.revoke({ client: "ann" });
  await settle();
  expect(ann.take()).toEqual([["refused", "all:b", "revoked"]]);
});

test("a revocation ends a subscribe and a publish that are being authorised", async () => {
  const { asked, authorize } = createJudge();
  const { client, topics, store } = createHub({ authorize });
  const ann = client({ id: "ann" });
  ann.subscribe({ "all:a": {} });
  const publish = ann.publish("all:a", 1, "x");
  await settle();
  await topics.revoke({ client: "ann", channel: "all:a" });
  for (const { decide } of asked) decide(true);
  await settle();
  expect(ann.answerTo(publish)).toEqual([-32003, "revoked"]);
  expect(ann.take()).toEqual([["refused", "all:a", "revoked"]]);
  expect(store.entriesOf("all:a")).toEqual([]);
});

test("a revocation on one node ends the right on the others", async () => {
  const first = createHub();
  const second = createHub({}, first.store);
  const ann = second.client({ id: "ann" });
  ann.subscribe({ "all:a": {} });
  await settle();
  ann.take();
  await first.topics.revoke({ client: "ann", channel: "all:a" });
  await settle();
  expect(ann.take()).toEqual([["refused", "all:a", "revoked"]]);
});

test("a refusal reaches a client whose connection was full", async () => {
  const { client, topics } = createHub();
  const ann = client({ id: "ann" });
  ann.subscribe({ "all:a": {} });
  await settle();
  ann.take();
  ann.bufferedAmount = 2 ** 21;
  await topics.revoke({ client: "ann", channel: "all:a" });
  await publishAll(topics, "all:a", 1);
  expect(ann.take()).toEqual([]);
  ann.bufferedAmount = 0;
  await advance(20);
  expect(ann.take()).toEqual([["refused", "all:a", "revoked"]]);
});

test.each([
  [{}, "client must be the id of a client; got undefined."],
  [{ client: 5 }, "client must be the id of a client; got 5."],
  [{ client: "" }, 'client must be the id of a client; got "".'],
  [{ client: "bob", channel: "a\n" }, 'channel must be the name of a channel; got "a\\n".'],
  [{ client: "bob", chanel: "a" }, "chanel is not an option: use channel."],
])("revoke() refuses %j", (revocation, message) => {
  const { topics } = createHub();
  expect(() => topics.revoke(revocation as never)).toThrow(expect.objectContaining({ code: "bad-option", message }));
});
