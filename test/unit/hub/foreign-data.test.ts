import { expect, test } from "vitest";
import { advance, useFakeTime } from "../../support/fake-time.ts";
import { createHub, HISTORY, settle } from "../../support/hub-rig.ts";

useFakeTime();

const PRESENT = { "room:a": { presence: true } };
const CHANGES = "\u0001members:room:a";
const REVOCATIONS = "\u0001revocations";
const members = (frames: unknown[][]) =>
  frames.filter(([method]) => method === "members").map((frame) => frame.slice(2));

/** A hub with a client that sees the members of a room, and another node of the same store. */
async function createWatched() {
  const rig = createHub();
  const other = rig.store.engine();
  const ann = rig.client({ id: "ann" });
  ann.subscribe({ ...PRESENT, "all:a": {} });
  await advance(200);
  ann.take();
  await rig.store.drain();
  return { ...rig, other, ann };
}

test.each([
  ["no JSON", "{"],
  ["null", "null"],
  ["a number", "1"],
  ["an empty list", "[]"],
  ["a change without a client", '{"node":"x"}'],
  ["a change without a node", '{"client":"bob"}'],
  ["a client that is no text", '{"node":"x","client":1}'],
  ["an info that is no text", '{"node":"x","client":"bob","info":{}}'],
  ["an info that is no JSON", '{"node":"x","client":"bob","info":"{"}'],
  ["bytes", new Uint8Array([0xff, 0xfe])],
])(
  "an entry of others among the changes of members is reported, and the list is read anew: %s",
  async (_name, data) => {
    const { other, ann, client, errors } = await createWatched();
    await other.publish(CHANGES, data, { history: HISTORY });
    await advance(1_000);
    expect(errors).toMatchObject([{ code: "unavailable", message: expect.stringContaining("room:a") }]);
    expect(members(ann.take())).toEqual([]);
    client({ id: "cid" }).subscribe(PRESENT);
    await advance(1_000);
    expect(members(ann.take())).toEqual([[[["cid", null]], [], 2]]);
  },
);

test("a member of others whose info is no JSON is left out and reported, and the others are listed", async () => {
  const { other, ann, engine, client, errors } = await createWatched();
  await other.setMember("room:a", "bad", "{");
  await other.setMember("room:a", "bob", "1");
  engine.down();
  engine.up();
  await advance(1_000);
  expect(members(ann.take())).toEqual([[[["bob", 1]], [], 2]]);
  expect(errors).toMatchObject([{ code: "unavailable", message: expect.stringContaining("room:a") }]);
  const cid = client({ id: "cid" });
  cid.subscribe(PRESENT);
  await advance(1_000);
  expect(members(cid.take())[0]?.[2]).toBe(3);
});

test.each([
  ["no JSON", "{"],
  ["null", "null"],
  ["another version", '{"version":2,"clients":["ann"]}'],
  ["a channel that is no text", '{"client":"ann","channel":{"pattern":"all:*"}}'],
  ["bytes", new Uint8Array([0xff])],
])(
  "an entry of others among the revocations has the application asked again for every right: %s",
  async (_name, data) => {
    let mayRead = true;
    const { store, client } = createHub({ authorize: () => mayRead });
    const other = store.engine();
    const ann = client({ id: "ann" });
    ann.subscribe({ "all:a": {} });
    await settle();
    ann.take();
    mayRead = false;
    await other.publish(REVOCATIONS, data, { history: HISTORY });
    await advance(100);
    expect(ann.take()).toEqual([["refused", "all:a", "revoked"]]);
  },
);

test.each([
  ["no JSON", "{"],
  ["nothing", ""],
  ["bytes", new Uint8Array([0xff])],
])("a message of others that the codec can't read is reported, and the next one arrives: %s", async (_name, data) => {
  const { other, ann, topics, errors } = await createWatched();
  await other.publish("all:a", data, { history: HISTORY });
  await settle();
  await topics.publish("all:a", 2);
  await settle();
  expect(ann.takeData()).toEqual([2]);
  expect(errors).toMatchObject([{ code: "unmarshal" }]);
});
