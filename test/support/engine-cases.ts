import { expect } from "vitest";
import type { Engine, History, LogEntry, Position } from "../../src/server/engine.ts";

/** Makes nodes on one empty store, and lets time pass. */
export interface EngineHarness {
  nodes(count: 1 | 2): Promise<readonly Engine[]>;
  /** Waits until `isDone`, or fails. */
  until(isDone: () => boolean): Promise<void>;
  /** Waits as long as entries with this time to live are kept, and longer. Undefined where logs do not expire. */
  outlive: ((ttlMs: number) => Promise<void>) | undefined;
  /** Lets time pass. */
  pass(ms: number): Promise<void>;
}

type Case = (harness: EngineHarness) => Promise<void>;

const HISTORY: History = { size: 10, ttlMs: 60_000 };
const ALL = { messages: 1_000, bytes: 2 ** 20 };

async function one(harness: EngineHarness): Promise<Engine> {
  const [engine] = await harness.nodes(1);
  return engine as Engine;
}

async function two(harness: EngineHarness): Promise<readonly [Engine, Engine]> {
  return (await harness.nodes(2)) as [Engine, Engine];
}

const publishAll = async (engine: Engine, channel: string, ...all: string[]): Promise<Position[]> => {
  const positions: Position[] = [];
  for (const data of all) positions.push((await engine.publish(channel, data, { history: HISTORY })) as Position);
  return positions;
};

const dataOf = (entries: readonly LogEntry[] | undefined) => entries?.map(({ data }) => data);

/** Entries name their predecessors, from `previous` on. */
function expectChain(entries: readonly LogEntry[], previous: Position | null): void {
  let last = previous;
  for (const entry of entries) {
    expect(entry.previous).toBe(last);
    last = entry.position;
  }
}

/** Every engine behaves like this, with one node. */
export const engineCases: Readonly<Record<string, Case>> = {
  "a subscription resolves with the head, and later publishes follow it in order": async (harness) => {
    const engine = await one(harness);
    const [before] = await publishAll(engine, "a", "before");
    const seen: LogEntry[] = [];
    const head = await engine.subscribe("a", HISTORY, (entry) => seen.push(entry));
    expect(head).toBe(before);
    const positions = await publishAll(engine, "a", "1", "2", "3");
    await harness.until(() => seen.length >= 3);
    expect(dataOf(seen)).toEqual(["1", "2", "3"]);
    expect(seen.map(({ position }) => position)).toEqual(positions);
    expectChain(seen, head);
  },

  "text and bytes arrive as what they were, from the feed and from the log": async (harness) => {
    const engine = await one(harness);
    const all = ["", "plain", "ünïcödé \u0000 🦄 \r\n", new Uint8Array(0), Uint8Array.from([0, 255, 128, 13, 10])];
    const seen: LogEntry[] = [];
    await engine.subscribe("a", HISTORY, (entry) => seen.push(entry));
    for (const data of all) await engine.publish("a", data, { history: HISTORY });
    await harness.until(() => seen.length >= all.length);
    const part = await engine.read("a", { last: 10 }, ALL);
    for (const found of [dataOf(seen), dataOf(part?.entries)]) {
      expect(found?.map((data) => (typeof data === "string" ? data : [...data]))).toEqual(
        all.map((data) => (typeof data === "string" ? data : [...data])),
      );
    }
  },

  "a read goes on after a position": async (harness) => {
    const engine = await one(harness);
    const positions = await publishAll(engine, "a", "1", "2", "3", "4");
    const part = await engine.read("a", { after: positions[1] as Position }, ALL);
    expect(dataOf(part?.entries)).toEqual(["3", "4"]);
    expect(part?.head).toBe(positions[3]);
    expectChain(part?.entries ?? [], positions[1] as Position);
  },

  "a read after the head is empty and no gap": async (harness) => {
    const engine = await one(harness);
    const positions = await publishAll(engine, "a", "1", "2");
    expect(await engine.read("a", { after: positions[1] as Position }, ALL)).toEqual({
      entries: [],
      head: positions[1],
    });
  },

  "a read after the head of an empty log reaches the first entry": async (harness) => {
    const engine = await one(harness);
    const [head] = await engine.heads([{ channel: "a", history: HISTORY }]);
    expect(await engine.read("a", { after: head as Position }, ALL)).toEqual({ entries: [], head });
    await publishAll(engine, "a", "1");
    const part = await engine.read("a", { after: head as Position }, ALL);
    expect(dataOf(part?.entries)).toEqual(["1"]);
    expectChain(part?.entries ?? [], head as Position);
  },

  "a read is bounded by messages and by bytes, and has one entry at least": async (harness) => {
    const engine = await one(harness);
    const [first] = await publishAll(engine, "a", "1234567890", "2234567890", "3234567890", "4234567890");
    const after = { after: first as Position };
    expect(dataOf((await engine.read("a", after, { messages: 2, bytes: 1_000 }))?.entries)).toHaveLength(2);
    expect(dataOf((await engine.read("a", after, { messages: 100, bytes: 25 }))?.entries)).toHaveLength(2);
    expect(dataOf((await engine.read("a", after, { messages: 100, bytes: 1 }))?.entries)).toHaveLength(1);
    const part = await engine.read("a", { last: 3 }, { messages: 2, bytes: 1_000 });
    expect(dataOf(part?.entries)).toEqual(["2234567890", "3234567890"]);
  },

  "the size of the history is exact, and a read that began before it is a gap": async (harness) => {
    const engine = await one(harness);
    const positions: Position[] = [];
    for (let i = 0; i < 8; i++) {
      positions.push((await engine.publish("a", String(i), { history: { size: 3, ttlMs: 60_000 } })) as Position);
    }
    expect(dataOf((await engine.read("a", { last: 100 }, ALL))?.entries)).toEqual(["5", "6", "7"]);
    expect(dataOf((await engine.read("a", { after: positions[4] as Position }, ALL))?.entries)).toEqual([
      "5",
      "6",
      "7",
    ]);
    expect(await engine.read("a", { after: positions[3] as Position }, ALL)).toBeUndefined();
  },

  "the last entries of a log that has none are none, and no gap": async (harness) => {
    const engine = await one(harness);
    const part = await engine.read("a", { last: 5 }, ALL);
    expect(part?.entries).toEqual([]);
    expect(await engine.heads([{ channel: "a", history: HISTORY }])).toEqual([part?.head]);
    expect((await engine.read("a", { last: 0 }, ALL))?.entries).toEqual([]);
  },

  "a position that is foreign, malformed or of another log is a gap": async (harness) => {
    const engine = await one(harness);
    const [first] = await publishAll(engine, "a", "1", "2");
    const [other] = await publishAll(engine, "b", "1");
    const forged = [
      other,
      "",
      "-",
      "1",
      "1-",
      "zzzzzzzzzz-abc",
      "1-aaaaaa",
      "0-0",
      `${first} `,
      "\u0000",
      "9".repeat(99),
    ];
    for (const after of forged) {
      expect(await engine.read("a", { after: after as Position }, ALL), String(after)).toBeUndefined();
    }
    expect(await engine.read("none", { after: first as Position }, ALL)).toBeUndefined();
  },

  "heads come in the order of the channels, and stay": async (harness) => {
    const engine = await one(harness);
    const [b] = await publishAll(engine, "b", "1");
    const channels = ["a", "b", "c"].map((channel) => ({ channel, history: HISTORY }));
    const heads = await engine.heads(channels);
    expect(heads[1]).toBe(b);
    expect(new Set(heads).size).toBe(3);
    expect(await engine.heads(channels)).toEqual(heads);
    expect(await engine.heads([])).toEqual([]);
  },

  "a repeated id is published once, for its channel": async (harness) => {
    const engine = await one(harness);
    const seen: LogEntry[] = [];
    await engine.subscribe("a", HISTORY, (entry) => seen.push(entry));
    const publish = (channel: string, data: string) => engine.publish(channel, data, { history: HISTORY, id: "x" });
    const positions = await Promise.all([publish("a", "1"), publish("a", "2"), publish("a", "3")]);
    expect(new Set(positions).size).toBe(1);
    expect(await publish("b", "1")).not.toBe(positions[0]);
    await publishAll(engine, "a", "end");
    await harness.until(() => seen.at(-1)?.data === "end");
    expect(dataOf(seen)).toEqual(["1", "end"]);
    expect(dataOf((await engine.read("a", { last: 10 }, ALL))?.entries)).toEqual(["1", "end"]);
  },

  "a channel without history has a feed, no positions, and ids": async (harness) => {
    const engine = await one(harness);
    const seen: LogEntry[] = [];
    expect(await engine.subscribe("a", undefined, (entry) => seen.push(entry))).toBeNull();
    expect(await engine.publish("a", "1", {})).toBeNull();
    expect(await engine.publish("a", "2", { id: "x" })).toBeNull();
    expect(await engine.publish("a", "2", { id: "x" })).toBeNull();
    await engine.publish("a", "3", {});
    await harness.until(() => seen.at(-1)?.data === "3");
    expect(seen).toEqual(["1", "2", "3"].map((data) => ({ position: null, previous: null, data })));
  },

  "an ended subscription gets nothing, and another begins where it is": async (harness) => {
    const engine = await one(harness);
    const first: LogEntry[] = [];
    const second: LogEntry[] = [];
    await engine.subscribe("a", HISTORY, (entry) => first.push(entry));
    engine.unsubscribe("a");
    engine.unsubscribe("never");
    const [position] = await publishAll(engine, "a", "1");
    expect(await engine.subscribe("a", HISTORY, (entry) => second.push(entry))).toBe(position);
    await publishAll(engine, "a", "2");
    await harness.until(() => second.length > 0);
    expect(dataOf(first)).toEqual([]);
    expect(dataOf(second)).toEqual(["2"]);
  },

  "a subscription that ended before it began gets nothing, and one that follows at once works": async (harness) => {
    const engine = await one(harness);
    const first: LogEntry[] = [];
    const second: LogEntry[] = [];
    const ended = engine.subscribe("a", HISTORY, (entry) => first.push(entry)).catch(() => {});
    engine.unsubscribe("a");
    await engine.subscribe("a", HISTORY, (entry) => second.push(entry));
    await ended;
    await publishAll(engine, "a", "1");
    await harness.until(() => second.length > 0);
    expect(dataOf(first)).toEqual([]);
    expect(dataOf(second)).toEqual(["1"]);
  },

  "channels are apart, whatever their names": async (harness) => {
    const engine = await one(harness);
    const names = ["a", "a:b", "{a}", "a*", "a b", "ä", "__proto__", "a\nb", "x".repeat(200)];
    const seen: string[] = [];
    for (const name of names) await engine.subscribe(name, HISTORY, ({ data }) => seen.push(`${name} ${data}`));
    for (const name of names) await publishAll(engine, name, name);
    await harness.until(() => seen.length >= names.length);
    expect(seen.sort()).toEqual(names.map((name) => `${name} ${name}`).sort());
  },

  "entries are forgotten when the time after the last publish is over, and the head stays": async (harness) => {
    const { outlive } = harness;
    if (!outlive) return;
    const engine = await one(harness);
    const brief = { size: 10, ttlMs: 300 };
    const first = await engine.publish("a", "1", { history: brief });
    const second = await engine.publish("a", "2", { history: brief });
    await outlive(brief.ttlMs);
    expect(await engine.read("a", { after: first as Position }, ALL)).toBeUndefined();
    expect(await engine.read("a", { after: second as Position }, ALL)).toEqual({ entries: [], head: second });
    const third = await engine.publish("a", "3", { history: brief });
    const part = await engine.read("a", { after: second as Position }, ALL);
    expect(part?.head).toBe(third);
    expect(dataOf(part?.entries)).toEqual(["3"]);
    expectChain(part?.entries ?? [], second);
  },

  "members come and go, and have the info that was set last": async (harness) => {
    const engine = await one(harness);
    expect([...(await engine.members("a"))]).toEqual([]);
    await engine.setMember("a", "ann", '{"n":1}');
    await engine.setMember("a", "bob", "");
    await engine.setMember("a", "ann", '{"n":2}');
    await engine.setMember("b", "eve", "{}");
    expect(Object.fromEntries(await engine.members("a"))).toEqual({ ann: '{"n":2}', bob: "" });
    await engine.removeMember("a", "ann");
    await engine.removeMember("a", "ann");
    await engine.removeMember("never", "ann");
    expect(Object.fromEntries(await engine.members("a"))).toEqual({ bob: "" });
  },

  "members keep odd names": async (harness) => {
    const engine = await one(harness);
    const names = ["__proto__", "a b", "ü", "a:b/c|d", "\u0000", ""];
    for (const name of names) await engine.setMember("a", name, name);
    expect([...(await engine.members("a")).keys()].sort()).toEqual([...names].sort());
  },

  "a closed engine rejects every call with the code closed": async (harness) => {
    const engine = await one(harness);
    await engine.subscribe("a", HISTORY, () => {});
    await engine.close();
    await engine.close();
    const calls = [
      engine.publish("a", "1", { history: HISTORY }),
      engine.read("a", { last: 1 }, ALL),
      engine.subscribe("a", HISTORY, () => {}),
      engine.heads([{ channel: "a", history: HISTORY }]),
      engine.setMember("a", "ann", ""),
      engine.removeMember("a", "ann"),
      engine.members("a"),
    ];
    const results = await Promise.allSettled(calls);
    expect(results.map((result) => (result.status === "rejected" ? result.reason.code : result.value))).toEqual(
      calls.map(() => "closed"),
    );
    engine.unsubscribe("a");
  },
};

/** Every engine that has several nodes behaves like this. */
export const clusterCases: Readonly<Record<string, Case>> = {
  "nodes have different names": async (harness) => {
    const [here, there] = await two(harness);
    expect(here.node).not.toBe(there.node);
  },

  "a publish on one node reaches the feed of another, and its log": async (harness) => {
    const [here, there] = await two(harness);
    const seen: LogEntry[] = [];
    const head = await there.subscribe("a", HISTORY, (entry) => seen.push(entry));
    const positions = await publishAll(here, "a", "1", "2");
    await harness.until(() => seen.length >= 2);
    expect(dataOf(seen)).toEqual(["1", "2"]);
    expectChain(seen, head);
    expect((await there.read("a", { last: 1 }, ALL))?.head).toBe(positions[1]);
  },

  "publishes of two nodes make one chain, in one order for all": async (harness) => {
    const [here, there] = await two(harness);
    const feeds: LogEntry[][] = [[], []];
    const head = await here.subscribe("a", HISTORY, (entry) => feeds[0]?.push(entry));
    await there.subscribe("a", HISTORY, (entry) => feeds[1]?.push(entry));
    const history = { size: 100, ttlMs: 60_000 };
    const publishes = Array.from({ length: 40 }, (_, i) => (i % 2 ? here : there).publish("a", String(i), { history }));
    await Promise.all(publishes);
    await harness.until(() => feeds.every(({ length }) => length >= 40));
    const log = await here.read("a", { last: 100 }, ALL);
    expectChain(log?.entries ?? [], head);
    expect(feeds[0]).toEqual(log?.entries);
    expect(feeds[1]).toEqual(log?.entries);
  },

  "an id is published once, though two nodes publish it": async (harness) => {
    const [here, there] = await two(harness);
    const first = await here.publish("a", "1", { history: HISTORY, id: "x" });
    expect(await there.publish("a", "1", { history: HISTORY, id: "x" })).toBe(first);
  },

  "a member of two nodes stays until both removed it": async (harness) => {
    const [here, there] = await two(harness);
    await here.setMember("a", "ann", "here");
    await there.setMember("a", "ann", "there");
    expect([...(await here.members("a")).keys()]).toEqual(["ann"]);
    await here.removeMember("a", "ann");
    expect(Object.fromEntries(await here.members("a"))).toEqual({ ann: "there" });
    await there.removeMember("a", "ann");
    expect([...(await there.members("a"))]).toEqual([]);
  },

  "the members of a node leave when it is closed": async (harness) => {
    const [here, there] = await two(harness);
    await here.setMember("a", "ann", "");
    await there.setMember("a", "bob", "");
    await here.close();
    expect([...(await there.members("a")).keys()]).toEqual(["bob"]);
  },

  "the members of a node that is closed with a delay leave after it, but for those who are members elsewhere": async (
    harness,
  ) => {
    const [here, there] = await two(harness);
    const changes: string[] = [];
    there.onNode((node, change) => changes.push(`${change} ${node}`));
    for (const client of ["ann", "cid"]) await here.setMember("a", client, "");
    await there.setMember("a", "bob", "");
    const names = async () => [...(await there.members("a")).keys()].sort();
    await here.close({ membersMs: 2_500 });
    expect(await names()).toEqual(["ann", "bob", "cid"]);
    await there.setMember("a", "cid", "");
    await harness.pass(2_600);
    expect(await names()).toEqual(["bob", "cid"]);
    await harness.until(() => changes.length > 0);
    expect(changes).toEqual([`gone ${here.node}`]);
  },
};
