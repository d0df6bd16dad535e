import { expect, test, vi } from "vitest";
import { memoryEngine } from "../../../src/hub/memory-engine.ts";
import { advance, useFakeTime } from "../../support/fake-time.ts";
import { createHub, settle } from "../../support/hub-rig.ts";

useFakeTime();

const PRESENT = { "room:a": { presence: true } };
/** Frames about members, in a form without the channel. */
const members = (frames: unknown[][]) =>
  frames.filter(([method]) => method === "members").map((frame) => frame.slice(2));

test("the first frame holds everybody, the next ones the difference, gathered for 100 ms", async () => {
  const { client } = createHub();
  const ann = client({ id: "ann", info: { name: "Ann" } });
  ann.subscribe(PRESENT);
  await advance(100);
  expect(members(ann.take())).toEqual([[[["ann", { name: "Ann" }]], null, 1]]);
  for (const id of ["bob", "cid", "dee"]) client({ id }).subscribe(PRESENT);
  await advance(50);
  expect(members(ann.take())).toEqual([]);
  await advance(100);
  const joined = ["bob", "cid", "dee"].map((id) => [id, null]);
  expect(members(ann.take())).toEqual([[joined, [], 4]]);
  const eve = client({ id: "eve" });
  eve.subscribe(PRESENT);
  await advance(100);
  expect(members(eve.take())).toEqual([[[["ann", { name: "Ann" }], ...joined, ["eve", null]], null, 5]]);
});

test("a member leaves at once when it unsubscribes, and 5 s after its connection ended otherwise", async () => {
  const { client } = createHub();
  const [ann, bob, cid] = [client({ id: "ann" }), client({ id: "bob" }), client({ id: "cid" })];
  for (const each of [ann, bob, cid]) each.subscribe(PRESENT);
  await advance(100);
  ann.take();
  bob.unsubscribe("room:a");
  await advance(300);
  expect(members(ann.take())).toEqual([[[], ["bob"], 2]]);
  cid.drop();
  await advance(5_000);
  expect(members(ann.take())).toEqual([]);
  await advance(300);
  expect(members(ann.take())).toEqual([[[], ["cid"], 1]]);
});

test("a client that returns within the grace neither leaves nor joins", async () => {
  const { client } = createHub();
  const [ann, bob] = [client({ id: "ann" }), client({ id: "bob" })];
  for (const each of [ann, bob]) each.subscribe(PRESENT);
  await advance(100);
  ann.take();
  bob.drop();
  await advance(4_900);
  bob.reopen();
  bob.subscribe({ "room:a": { presence: "again" } });
  await advance(20_000);
  expect(members(ann.take())).toEqual([]);
});

test("two tabs of one user are one member, which stays until the last tab has left", async () => {
  const { client } = createHub();
  const ann = client({ id: "ann" });
  const tabs = [client({ id: "bob", info: 1 }), client({ id: "bob", info: 2 })] as const;
  ann.subscribe(PRESENT);
  tabs[0].subscribe(PRESENT);
  await advance(100);
  expect(members(ann.take())).toEqual([
    [
      [
        ["ann", null],
        ["bob", 1],
      ],
      null,
      2,
    ],
  ]);
  tabs[1].subscribe(PRESENT);
  await advance(100);
  // The latest tab's info holds.
  expect(members(ann.take())).toEqual([[[["bob", 2]], [], 2]]);
  tabs[1].unsubscribe("room:a");
  await advance(6_000);
  expect(members(ann.take())).toEqual([]);
  tabs[0].unsubscribe("room:a");
  await advance(100);
  expect(members(ann.take())).toEqual([[[], ["bob"], 1]]);
});

test("a client on two nodes stays a member until it has left both", async () => {
  const first = createHub();
  const second = createHub({}, first.store);
  const ann = first.client({ id: "ann" });
  const bobs = [first.client({ id: "bob" }), second.client({ id: "bob" })] as const;
  ann.subscribe(PRESENT);
  for (const bob of bobs) bob.subscribe(PRESENT);
  await advance(100);
  ann.take();
  bobs[0].unsubscribe("room:a");
  await advance(3_000);
  expect(members(ann.take())).toEqual([]);
  bobs[1].unsubscribe("room:a");
  await advance(3_000);
  expect(members(ann.take())).toEqual([[[], ["bob"], 1]]);
});

test("the members of a node that died are gone when its lease has ended", async () => {
  const first = createHub();
  const second = createHub({}, first.store);
  const [ann, bob] = [first.client({ id: "ann" }), second.client({ id: "bob" })];
  for (const each of [ann, bob]) each.subscribe(PRESENT);
  await advance(100);
  expect(members(ann.take())[0]?.[2]).toBe(2);
  second.engine.vanish();
  await advance(300);
  expect(members(ann.take())).toEqual([[[], ["bob"], 1]]);
});

test("the members of a node that was only stopped are back when it is", async () => {
  const first = createHub();
  const second = createHub({}, first.store);
  const [ann, bob] = [first.client({ id: "ann" }), second.client({ id: "bob" })];
  for (const each of [ann, bob]) each.subscribe(PRESENT);
  await advance(100);
  ann.take();
  second.engine.lapse();
  await advance(300);
  expect(members(ann.take())).toEqual([[[], ["bob"], 1]]);
  second.engine.rejoin();
  await advance(300);
  expect(members(ann.take())).toEqual([[[["bob", null]], [], 2]]);
});

test("a client on a node that died, and on another, leaves with the other", async () => {
  const first = createHub();
  const [second, third] = [createHub({}, first.store), createHub({}, first.store)];
  const ann = first.client({ id: "ann" });
  const bobs = [second.client({ id: "bob" }), third.client({ id: "bob" })] as const;
  for (const each of [ann, ...bobs]) each.subscribe(PRESENT);
  await advance(100);
  ann.take();
  second.engine.vanish();
  await advance(300);
  expect(members(ann.take())).toEqual([]);
  bobs[1].unsubscribe("room:a");
  await advance(300);
  expect(members(ann.take())).toEqual([[[], ["bob"], 1]]);
});

test("a quiet list is not read again and again", async () => {
  const first = createHub();
  const second = createHub({}, first.store);
  const [ann, bob] = [first.client({ id: "ann" }), second.client({ id: "bob" })];
  for (const each of [ann, bob]) each.subscribe(PRESENT);
  await advance(1_000);
  const reads = first.store.counts.members;
  await advance(60_000);
  expect(first.store.counts.members).toBe(reads);
});

test.each([
  [5, 0],
  [4, 1],
])("with %i changes that are kept, a node whose feed lost 4 of 5 reads the list %i times", async (kept, reads) => {
  const first = createHub({ maxMemberChanges: kept });
  const second = createHub({ maxMemberChanges: kept }, first.store);
  const ann = first.client({ id: "ann" });
  ann.subscribe(PRESENT);
  const join = async (id: string) => {
    second.client({ id }).subscribe({ "room:a": { presence: true } });
    await advance(300);
  };
  await join("before");
  const deliver = vi.spyOn(first.engine, "deliver").mockImplementation(() => {});
  for (const id of ["b", "c", "d", "e"]) await join(id);
  deliver.mockRestore();
  const before = first.store.counts.members as number;
  ann.take();
  await join("f");
  expect((first.store.counts.members as number) - before).toBe(reads);
  expect(members(ann.take()).at(-1)?.[2]).toBe(7);
});

test("anonymous clients are members of their own", async () => {
  const { client } = createHub();
  const [ann, bob] = [client(), client()];
  for (const each of [ann, bob]) each.subscribe(PRESENT);
  await advance(100);
  const [[list, , count]] = members(ann.take()) as [[[string, unknown][], null, number]];
  expect(count).toBe(2);
  expect(new Set(list.map(([id]) => id)).size).toBe(2);
});

test("10,000 members in one channel are a number, and no list", async () => {
  const { client } = createHub({ engine: memoryEngine() });
  const ann = client({ id: "ann" });
  ann.subscribe(PRESENT);
  await advance(100);
  ann.take();
  const others = Array.from({ length: 9_999 }, (_, i) => client({ id: `c${i}` }));
  for (const other of others) other.subscribe(PRESENT);
  await advance(1_000);
  const frames = ann.take();
  expect(frames.at(-1)).toEqual(["members", "room:a", null, null, 10_000]);
  expect(Math.max(...frames.map((frame) => JSON.stringify(frame).length))).toBeLessThan(60_000);
  for (const other of others.slice(900)) other.unsubscribe("room:a");
  await advance(1_000);
  const [list, left, count] = members(ann.take()).at(-1) as [unknown[], null, number];
  expect([list, left, count]).toEqual([null, null, 901]);
  others[0]?.unsubscribe("room:a");
  await advance(200);
  const [again, none, number] = members(ann.take()).at(-1) as [unknown[], null, number];
  expect([again.length, none, number]).toEqual([900, null, 900]);
});

test("a subscriber that can't follow the changes gets everybody when it can", async () => {
  const { client } = createHub();
  const ann = client({ id: "ann" });
  ann.subscribe(PRESENT);
  await advance(100);
  ann.take();
  ann.bufferedAmount = 2 ** 17;
  const bob = client({ id: "bob" });
  bob.subscribe(PRESENT);
  await advance(200);
  expect(ann.take()).toEqual([]);
  ann.bufferedAmount = 0;
  await advance(200);
  expect(members(ann.take())).toEqual([
    [
      [
        ["ann", null],
        ["bob", null],
      ],
      null,
      2,
    ],
  ]);
});

test("a server that restarts makes no flood: those who return are sent the members once others are back", async () => {
  const former = createHub();
  const ids = Array.from({ length: 200 }, (_, i) => `c${i}`);
  const before = ids.map((id) => former.client({ id }));
  for (const each of before) each.subscribe(PRESENT);
  await advance(200);
  await former.topics.close();
  await advance(1_000);
  // Another process, whose clients come back over 3 s.
  const latter = createHub();
  const clients = ids.map((id) => latter.client({ id }));
  for (const each of clients) {
    each.subscribe({ "room:a": { presence: "again" } });
    await advance(15);
  }
  await advance(6_000);
  const all = clients.map((each) => members(each.take()));
  expect(Math.max(...all.map(({ length }) => length))).toBe(1);
  expect(new Set(all.flat().map(([list, left, count]) => [(list as []).length, left, count].join()))).toEqual(
    new Set(["200,,200"]),
  );
  // A new one does not wait.
  const ann = latter.client({ id: "ann" });
  ann.subscribe(PRESENT);
  await advance(100);
  expect(members(ann.take())[0]?.[2]).toBe(201);
});

test("a hub that closes makes no leave of those who are members elsewhere within the grace, and one of the others", async () => {
  const near = createHub();
  const far = createHub({}, near.store);
  const ann = near.client({ id: "ann" });
  ann.subscribe(PRESENT);
  const before = ["bob", "cid"].map((id) => far.client({ id }));
  for (const each of before) each.subscribe(PRESENT);
  await advance(300);
  ann.take();
  for (const each of before) each.drop();
  await far.topics.close();
  await advance(3_000);
  near.client({ id: "bob" }).subscribe({ "room:a": { presence: "again" } });
  await advance(1_900);
  expect(members(ann.take())).toEqual([]);
  await advance(500);
  expect(members(ann.take())).toEqual([[[], ["cid"], 2]]);
});

test("presence is refused where the channel has none, and where the application says no", async () => {
  const { client } = createHub({ authorize: ({ action }) => action === "subscribe" });
  const ann = client({ id: "ann" });
  ann.subscribe({ "all:a": { presence: true }, "room:a": { presence: true }, "room:b": {} });
  await settle();
  const frames = ann.take().map((frame) => frame.slice(0, 3));
  expect(frames).toHaveLength(3);
  expect(frames).toEqual(
    expect.arrayContaining([
      ["attached", "room:b", null],
      ["refused", "all:a", "denied"],
      ["refused", "room:a", "denied"],
    ]),
  );
});

test("a subscriber that does not ask for presence is no member and sees none", async () => {
  const { client } = createHub();
  const [ann, bob] = [client({ id: "ann" }), client({ id: "bob" })];
  ann.subscribe({ "room:a": {} });
  bob.subscribe(PRESENT);
  await advance(200);
  expect(members(ann.take())).toEqual([]);
  expect(members(bob.take())).toEqual([[[["bob", null]], null, 1]]);
});

test("changes that the engine did not take are taken when it is back", async () => {
  const first = createHub();
  const second = createHub({}, first.store);
  const [ann, bob] = [first.client({ id: "ann" }), second.client({ id: "bob" })];
  for (const each of [ann, bob]) each.subscribe(PRESENT);
  await advance(200);
  ann.take();
  bob.take();
  second.engine.down();
  bob.unsubscribe("room:a");
  const cid = second.client({ id: "cid" });
  await advance(3_000);
  second.engine.up();
  cid.subscribe(PRESENT);
  await advance(2_000);
  expect(members(ann.take()).at(-1)?.[2]).toBe(2);
  const dee = first.client({ id: "dee" });
  dee.subscribe(PRESENT);
  await advance(1_200);
  expect(members(dee.take())[0]).toEqual([
    [
      ["ann", null],
      ["cid", null],
      ["dee", null],
    ],
    null,
    3,
  ]);
});

test("info that is not JSON, or longer than 1,024 bytes, is refused at the caller's line", () => {
  const { client } = createHub();
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  for (const info of [cycle, "x".repeat(1_023), 5n, () => 0]) {
    expect(() => client({ id: "ann", info })).toThrow("info must be a value of at most 1024 bytes of JSON");
  }
  expect(() => client({ id: "" })).toThrow("id must be a string, not empty");
  client({ id: "ann", info: "x".repeat(1_022) });
});
