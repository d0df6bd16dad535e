import { describe, expect, test, vi } from "vitest";
import type { LoadContext, Subscription } from "../../../src/channels/index.ts";
import { advance, isSettled, rejection, settleMicrotasks, useFakeTime } from "../../support/conn.ts";
import { at, ScriptedHub } from "../../support/scripted-hub.ts";

useFakeTime();

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

function record(subscription: Subscription<unknown>): unknown[] {
  const seen: unknown[] = [];
  subscription.on("message", ({ data }) => seen.push(data));
  return seen;
}

/** Reads `count` messages of an iterator. */
async function read(messages: AsyncIterator<{ readonly data: unknown }>, count: number): Promise<unknown[]> {
  const seen: unknown[] = [];
  for (let n = 0; n < count; n++) seen.push((await messages.next()).value.data);
  return seen;
}

async function attached(options = {}, hub = new ScriptedHub()) {
  const room = hub.live.subscribe("a", options);
  await settleMicrotasks();
  hub.attach("a", at(5));
  await settleMicrotasks();
  return { hub, room };
}

describe("iterating", () => {
  test("yields messages with their positions, those that came before it too", async () => {
    const { hub, room } = await attached();
    hub.message("a", 6, 7);
    const messages = room[Symbol.asyncIterator]();
    expect(await messages.next()).toEqual({ done: false, value: { data: 6, position: at(6) } });
    expect(room.position).toBe(at(6));
    await messages.next();
    const next = messages.next();
    expect(await isSettled(next)).toBe(false);
    hub.message("a", 8);
    expect((await next).value).toEqual({ data: 8, position: at(8) });
  });

  test("ends after close(), and leaving the loop does not close the room", async () => {
    const { hub, room } = await attached();
    hub.message("a", 6, 7);
    for await (const { data } of room) if (data === 6) break;
    expect(room.state).toBe("attached");
    const seen: unknown[] = [];
    for await (const { data } of room) {
      seen.push(data);
      room.close();
    }
    expect(seen).toEqual([7]);
  });

  test("return() ends a next() that waits", async () => {
    const { room } = await attached();
    const messages = room[Symbol.asyncIterator]();
    const next = messages.next();
    await messages.return?.();
    expect(await next).toEqual({ done: true, value: undefined });
  });

  test("throws the reason of the end, after what was delivered", async () => {
    const { hub, room } = await attached();
    hub.message("a", 6);
    hub.notify("$/refused", "a", "revoked");
    const messages = room[Symbol.asyncIterator]();
    expect(await read(messages, 1)).toEqual([6]);
    expect(await rejection(messages.next())).toMatchObject({ code: "revoked" });
    expect(await messages.next()).toEqual({ done: true, value: undefined });
  });

  test("and listening at once is a misuse, which ends the next() that waits", async () => {
    const { room } = await attached();
    const next = room[Symbol.asyncIterator]().next();
    room.on("message", () => {});
    expect(await rejection(next)).toMatchObject({ code: "misuse" });
  });
});

describe("a reader that does not follow", () => {
  test("keeps what its queue holds, costs nothing more, and goes on by the log once it has read the queue", async () => {
    const { hub, room } = await attached({ maxQueued: 3 });
    const messages = room[Symbol.asyncIterator]();
    hub.message("a", 6);
    expect(await read(messages, 1)).toEqual([6]);
    hub.message("a", ...numbers(7, 1_000));
    await advance(60_000);
    expect([room.position, hub.asked.length]).toEqual([at(6), 1]);
    expect(await read(messages, 3)).toEqual([7, 8, 9]);
    expect(hub.asked.length).toBe(1);
    const next = messages.next();
    await settleMicrotasks();
    expect(hub.asked.at(-1)).toEqual({ a: { after: at(9) } });
    hub.attach("a", at(9), at(1_000));
    hub.message("a", 10, 11);
    expect((await next).value.data).toBe(10);
    expect(await read(messages, 1)).toEqual([11]);
  });

  test("goes forward where the log sends more in a turn than its queue holds", async () => {
    const { hub, room } = await attached({ maxQueued: 3 });
    const messages = room[Symbol.asyncIterator]();
    hub.message("a", ...numbers(6, 20));
    expect(await read(messages, 3)).toEqual([6, 7, 8]);
    for (let n = 9; n <= 15; n += 3) {
      const next = messages.next();
      await settleMicrotasks();
      hub.attach("a", at(n - 1), at(20));
      hub.message("a", ...numbers(n, 20));
      expect([(await next).value.data, ...(await read(messages, 2))]).toEqual([n, n + 1, n + 2]);
    }
  });

  test("has a gap where the log does not reach back to what it has read", async () => {
    const { hub, room } = await attached({ maxQueued: 3 });
    const gap = vi.fn();
    room.on("gap", gap);
    hub.message("a", ...numbers(6, 100));
    const messages = room[Symbol.asyncIterator]();
    expect(await read(messages, 3)).toEqual([6, 7, 8]);
    const next = messages.next();
    await settleMicrotasks();
    hub.attach("a", at(100), at(100), true);
    hub.message("a", 101);
    expect((await next).value.data).toBe(101);
    expect(gap.mock.calls).toEqual([[{ after: at(8), position: at(100) }]]);
  });

  test("is not asked for while it does not read, after a drop either", async () => {
    const { hub } = await attached({ maxQueued: 3 });
    hub.message("a", ...numbers(6, 100));
    hub.reopen();
    hub.attach("a", at(100));
    await settleMicrotasks();
    expect(hub.asked).toEqual([{ a: {} }, { a: {} }]);
  });

  test("never holds up another subscription to the same channel", async () => {
    const { hub, room } = await attached({ maxQueued: 3 });
    const fast = hub.live.subscribe("a");
    const seen = record(fast);
    hub.message("a", ...numbers(6, 100));
    expect(seen).toEqual(numbers(6, 100));
    const messages = room[Symbol.asyncIterator]();
    expect(await read(messages, 3)).toEqual([6, 7, 8]);
    const next = messages.next();
    await settleMicrotasks();
    hub.attach("a", at(8), at(100));
    hub.message("a", ...numbers(9, 102));
    expect((await next).value.data).toBe(9);
    expect(seen).toEqual(numbers(6, 102));
  });

  test("without history loses the oldest of its queue", async () => {
    const hub = new ScriptedHub();
    const room = hub.live.subscribe("a", { maxQueued: 3 });
    await settleMicrotasks();
    hub.attach("a", null);
    await settleMicrotasks();
    for (const n of numbers(1, 5)) hub.notify("$/message", "a", null, null, n);
    expect(await read(room[Symbol.asyncIterator](), 3)).toEqual([3, 4, 5]);
  });
});

describe("several subscriptions to one channel", () => {
  test("share one on the wire, and the last one to leave ends it", async () => {
    const { hub, room } = await attached();
    const second = hub.live.subscribe("a");
    await second.ready;
    expect([hub.sent.length, second.position]).toEqual([1, at(5)]);
    room.close();
    await settleMicrotasks();
    expect(hub.sent.length).toBe(1);
    second.close();
    await settleMicrotasks();
    expect(hub.sent.at(-1)).toEqual(["$/unsubscribe", ["a"]]);
  });

  test("that begin elsewhere are served by the log, one at a time, and the others get nothing twice", async () => {
    const { hub, room } = await attached();
    const first = record(room);
    const last2 = record(hub.live.subscribe("a", { from: { last: 2 } }));
    const after1 = record(hub.live.subscribe("a", { from: at(1) }));
    await settleMicrotasks();
    expect(hub.asked.at(-1)).toEqual({ a: { last: 2 } });
    hub.attach("a", at(3), at(5));
    hub.message("a", 4);
    await settleMicrotasks();
    expect(hub.asked.length).toBe(2);
    hub.message("a", 5);
    await settleMicrotasks();
    expect(hub.asked.at(-1)).toEqual({ a: { after: at(1) } });
    hub.attach("a", at(1), at(5));
    hub.message("a", ...numbers(2, 6));
    await settleMicrotasks();
    expect([first, last2, after1]).toEqual([[6], [4, 5, 6], [2, 3, 4, 5, 6]]);
    expect(hub.asked.length).toBe(3);
  });

  test("that begin now in the turn of one that begins earlier begin at the head", async () => {
    const hub = new ScriptedHub();
    const old = record(hub.live.subscribe("a", { from: at(1) }));
    const now = record(hub.live.subscribe("a"));
    await settleMicrotasks();
    hub.attach("a", at(1), at(3));
    hub.message("a", 2, 3, 4);
    await settleMicrotasks();
    expect([old, now, hub.asked.length]).toEqual([[2, 3, 4], [4], 1]);
  });

  test("that begin now while the log is read begin at its head", async () => {
    const hub = new ScriptedHub();
    const old = record(hub.live.subscribe("a", { from: at(1) }));
    await settleMicrotasks();
    hub.attach("a", at(1), at(4));
    hub.message("a", 2);
    await settleMicrotasks();
    const now = record(hub.live.subscribe("a"));
    hub.message("a", 3, 4, 5);
    await settleMicrotasks();
    expect([old, now]).toEqual([[2, 3, 4, 5], [5]]);
  });

  test("have the gap of one of them alone", async () => {
    const { hub, room } = await attached({ maxQueued: 2 });
    const fast = hub.live.subscribe("a");
    const gaps: string[] = [];
    room.on("gap", () => gaps.push("slow"));
    fast.on("gap", () => gaps.push("fast"));
    const seen = record(fast);
    await settleMicrotasks();
    hub.message("a", ...numbers(6, 50));
    const messages = room[Symbol.asyncIterator]();
    expect(await read(messages, 2)).toEqual([6, 7]);
    const next = messages.next();
    await settleMicrotasks();
    // The log has lost what the slow one missed, and grew by one message that the fast one has not seen.
    hub.attach("a", at(51), at(51), true);
    await settleMicrotasks();
    expect(hub.asked.at(-1)).toEqual({ a: { after: at(50) } });
    hub.attach("a", at(50), at(51));
    hub.message("a", 51, 52);
    expect((await next).value.data).toBe(52);
    expect([gaps, seen]).toEqual([["slow"], numbers(6, 52)]);
  });

  test("end with the client's membership where only one of them had presence", async () => {
    const { hub } = await attached();
    const present = hub.live.subscribe("a", { presence: true });
    await settleMicrotasks();
    expect(hub.asked.at(-1)).toEqual({ a: { after: at(5), presence: true } });
    hub.attach("a", at(5));
    await present.ready;
    present.close();
    await settleMicrotasks();
    expect(hub.asked.at(-1)).toEqual({ a: { after: at(5) } });
  });
});

describe("load", () => {
  /** A subscription whose `load` is answered by the test. */
  async function loading() {
    const hub = new ScriptedHub();
    const calls: LoadContext[] = [];
    let answer: (position?: string) => void = () => {};
    let fail: (error: Error) => void = () => {};
    const load = (context: LoadContext) => {
      calls.push(context);
      return new Promise<string | undefined>((resolve, reject) => {
        answer = resolve;
        fail = reject;
      });
    };
    const { room } = await attached({ load }, hub);
    return {
      hub,
      room,
      calls,
      seen: record(room),
      async answer(position?: string) {
        answer(position);
        await settleMicrotasks();
      },
      async fail(error: Error) {
        fail(error);
        await settleMicrotasks();
      },
    };
  }

  test("is called first with the head, and what comes meanwhile follows it", async () => {
    const { hub, calls, seen, answer } = await loading();
    expect(calls.map(({ head }) => head)).toEqual([at(5)]);
    hub.message("a", 6, 7);
    await settleMicrotasks();
    expect(seen).toEqual([]);
    await answer();
    hub.message("a", 8);
    expect([seen, hub.asked.length]).toEqual([[6, 7, 8], 1]);
  });

  test("leaves out the messages that its position contains", async () => {
    const { hub, seen, answer } = await loading();
    hub.message("a", 6, 7);
    await answer(at(6));
    expect([seen, hub.asked.length]).toEqual([[7], 1]);
  });

  test("goes on by the log where the messages that are held do not follow on its position", async () => {
    const { hub, seen, answer } = await loading();
    hub.message("a", 6);
    await answer(at(3));
    expect(hub.asked.at(-1)).toEqual({ a: { after: at(3) } });
    hub.attach("a", at(3), at(6));
    hub.message("a", 4, 5, 6);
    await settleMicrotasks();
    expect(seen).toEqual([4, 5, 6]);
  });

  test("holds no more messages than the bound, and reads the log instead", async () => {
    const hub = new ScriptedHub();
    let answer: () => void = () => {};
    const load = () => new Promise<undefined>((resolve) => (answer = () => resolve(undefined)));
    const { room } = await attached({ load, maxQueued: 2 }, hub);
    const seen = record(room);
    hub.message("a", 6, 7, 8, 9);
    answer();
    await settleMicrotasks();
    expect([seen, hub.asked.at(-1)]).toEqual([[6, 7], { a: { after: at(7) } }]);
    hub.attach("a", at(7), at(9));
    hub.message("a", 8, 9);
    await settleMicrotasks();
    expect(seen).toEqual([6, 7, 8, 9]);
  });

  test("goes on after its position over a drop of the connection", async () => {
    const { hub, seen, answer, calls } = await loading();
    hub.message("a", 6);
    hub.reopen();
    hub.attach("a", at(8));
    await settleMicrotasks();
    await answer();
    expect([hub.asked.at(-1), calls.length]).toEqual([{ a: { after: at(6) } }, 1]);
    hub.attach("a", at(6), at(8));
    hub.message("a", 7, 8);
    await settleMicrotasks();
    expect(seen).toEqual([6, 7, 8]);
  });

  test("is called again after a gap, at once, and never lets a message through before it", async () => {
    const { hub, room, seen, calls, answer } = await loading();
    const gap = vi.fn();
    room.on("gap", gap);
    await answer();
    hub.reopen();
    hub.attach("a", at(40), at(40), true);
    hub.message("a", 41);
    await settleMicrotasks();
    expect([calls.map(({ head }) => head), seen, gap.mock.calls.length]).toEqual([[at(5), at(40)], [], 1]);
    await answer(at(41));
    hub.message("a", 42);
    expect(seen).toEqual([42]);
  });

  test("contains what waited for the reader before the gap", async () => {
    const hub = new ScriptedHub();
    const { room } = await attached({ load: () => undefined }, hub);
    await settleMicrotasks();
    hub.message("a", 6, 7);
    hub.notify("$/attached", "a", at(40), at(40), true);
    await settleMicrotasks();
    hub.message("a", 41);
    expect(await read(room[Symbol.asyncIterator](), 1)).toEqual([41]);
  });

  test("waits with backoff from the second gap in a row on, and not after a gap that was overcome", async () => {
    const { hub, calls, answer } = await loading();
    await answer();
    hub.reopen();
    hub.attach("a", at(40), at(40), true);
    await settleMicrotasks();
    expect(calls.length).toBe(2);
    for (const wait of [2_000, 4_000]) {
      // The state is older than the log.
      await answer(at(20));
      hub.attach("a", at(50), at(50), true);
      const { length } = calls;
      await advance(wait - 1);
      expect(calls.length).toBe(length);
      await advance(1);
      expect(calls.length).toBe(length + 1);
    }
    await answer();
    hub.reopen();
    hub.attach("a", at(60), at(60), true);
    await settleMicrotasks();
    expect(calls.length).toBe(5);
  });

  test("that fails is reported and called again with backoff", async () => {
    const { hub, calls, seen, fail, answer } = await loading();
    hub.message("a", 6);
    await fail(new Error("no route"));
    expect(hub.conn.reported).toEqual([
      expect.objectContaining({ code: "provider", message: "load() of a failed: Error: no route" }),
    ]);
    await advance(999);
    expect(calls.length).toBe(1);
    await advance(1);
    expect(calls.length).toBe(2);
    await answer();
    expect(seen).toEqual([6]);
  });

  test("has a signal that is aborted when the subscription ends, and its answer is not used", async () => {
    const { hub, room, calls, answer, fail } = await loading();
    room.close();
    expect(calls[0]?.signal.aborted).toBe(true);
    await answer(at(2));
    await fail(new Error("late"));
    await advance(60_000);
    expect([hub.asked.length, hub.conn.reported, vi.getTimerCount()]).toEqual([1, [], 0]);
  });
});

describe("members", () => {
  test("are kept by id, and each change is emitted as a difference", async () => {
    const { hub, room } = await attached({ presence: true });
    const changes = vi.fn();
    room.on("members", changes);
    const joined = (...ids: string[]) => ids.map((id) => [id, `info of ${id}`]);
    hub.notify("$/members", "a", joined("x", "y"), null, 2);
    const before = room.members;
    hub.notify("$/members", "a", joined("z"), ["x"], 2);
    expect([...before.keys(), ...room.members.keys(), room.memberCount]).toEqual(["x", "y", "y", "z", 2]);
    hub.notify("$/members", "a", joined("z", "w"), null, 2);
    hub.notify("$/members", "a", null, null, 2_000);
    expect([room.members.size, room.memberCount]).toEqual([0, 2_000]);
    expect(changes.mock.calls.map(([change]) => change)).toEqual([
      { joined: joined("x", "y"), left: [], count: 2 },
      { joined: joined("z"), left: ["x"], count: 2 },
      { joined: joined("w"), left: ["y"], count: 2 },
      { joined: [], left: ["z", "w"], count: 2_000 },
    ]);
  });

  test("are emitted only to those who asked for them", async () => {
    const { hub, room } = await attached();
    const present = hub.live.subscribe("a", { presence: true });
    const [asked, silent] = [vi.fn(), vi.fn()];
    present.on("members", asked);
    room.on("members", silent);
    await settleMicrotasks();
    hub.attach("a", at(5));
    await settleMicrotasks();
    hub.notify("$/members", "a", [], null, 0);
    expect([asked.mock.calls.length, silent.mock.calls.length]).toEqual([1, 0]);
  });
});
