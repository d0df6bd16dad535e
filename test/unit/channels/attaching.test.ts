import { describe, expect, test, vi } from "vitest";
import type { Subscription } from "../../../src/channels/index.ts";
import { advance, isSettled, rejection, settleMicrotasks, useFakeTime } from "../../support/conn.ts";
import { at, ScriptedHub } from "../../support/scripted-hub.ts";

useFakeTime();

/** Records the data of each message. */
function record(subscription: Subscription<unknown>): unknown[] {
  const seen: unknown[] = [];
  subscription.on("message", ({ data }) => seen.push(data));
  return seen;
}

/** A subscription that is attached after the message 5. */
async function attached(options = {}) {
  const hub = new ScriptedHub();
  const room = hub.live.subscribe<number>("a", options);
  await settleMicrotasks();
  hub.attach("a", at(5));
  await settleMicrotasks();
  return { hub, room, seen: record(room) };
}

describe("the subscribe frame", () => {
  test("names all channels of a turn at once, with what each asks for", async () => {
    const hub = new ScriptedHub();
    hub.live.subscribe("a");
    hub.live.subscribe("b", { from: { last: 50 } });
    hub.live.subscribe("c", { from: at(9), presence: true });
    await settleMicrotasks();
    expect(hub.sent).toEqual([
      ["$/subscribe", { channels: { a: {}, b: { last: 50 }, c: { after: at(9), presence: true } } }],
    ]);
  });

  test("is the first of the layer on each connection, with the positions that were reached", async () => {
    const { hub, room } = await attached({ presence: true });
    hub.notify("$/members", "a", [["me", 1]], null, 1);
    hub.message("a", 6, 7);
    hub.live.subscribe("b");
    hub.conn.drop();
    const { length } = hub.sent;
    void room.publish("late");
    hub.conn.reopen();
    await settleMicrotasks();
    expect(hub.sent.slice(length)).toEqual([
      ["$/subscribe", { channels: { a: { after: at(7), presence: "again" }, b: {} } }],
      ["$/publish", { channel: "a", data: "late", id: expect.any(String) }],
    ]);
  });

  test("goes out for a resumed session too, because subscriptions end with the connection", async () => {
    const { hub } = await attached();
    hub.conn.hasSession = true;
    hub.reopen();
    expect(hub.asked.at(-1)).toEqual({ a: { after: at(5) } });
  });

  test("has at most 128 names, and further ones go in further frames", async () => {
    const hub = new ScriptedHub();
    for (let n = 0; n < 200; n++) hub.live.subscribe(`c${n}`);
    await settleMicrotasks();
    expect(hub.asked.map((channels) => Object.keys(channels).length)).toEqual([128, 72]);
  });

  test("that was not written when the connection ended is taken back", async () => {
    const hub = new ScriptedHub();
    hub.conn.hold();
    hub.live.subscribe("a");
    await settleMicrotasks();
    hub.conn.drop();
    hub.conn.reopen();
    await settleMicrotasks();
    expect(hub.asked).toEqual([{ a: {} }]);
  });

  test("is sent again with backoff where the server did not answer it in time, or is busy", async () => {
    const hub = new ScriptedHub();
    hub.live.subscribe("a");
    await advance(30_000);
    expect(hub.asked.length).toBe(1);
    await advance(1_000);
    expect(hub.asked.length).toBe(2);
    hub.refuse("$/subscribe", -32001);
    await advance(1_999);
    expect(hub.asked.length).toBe(2);
    await advance(1);
    expect(hub.asked.length).toBe(3);
  });
});

describe("between the subscribe frame and the outcome", () => {
  test("everything of the channel is ignored until the answer, and messages until they are attached", async () => {
    const { hub, room, seen } = await attached({ presence: true });
    hub.reopen();
    hub.message("a", 6);
    hub.notify("$/attached", "a", at(90), at(90), true);
    hub.notify("$/refused", "a", "denied");
    hub.notify("$/members", "a", [["x", null]], null, 1);
    hub.answer("$/subscribe");
    hub.message("a", 6);
    hub.notify("$/members", "a", [["x", null]], null, 1);
    await settleMicrotasks();
    expect([seen, room.position, room.state, room.memberCount]).toEqual([[], at(5), "attaching", 0]);
    hub.notify("$/attached", "a", at(5), at(6), false);
    hub.message("a", 6);
    expect([seen, room.position, room.state]).toEqual([[6], at(6), "attached"]);
  });

  test("an answer, its outcome and messages of one turn are taken", async () => {
    const hub = new ScriptedHub();
    const seen = record(hub.live.subscribe("a"));
    await settleMicrotasks();
    hub.attach("a", at(5));
    hub.message("a", 6, 7);
    await settleMicrotasks();
    expect(seen).toEqual([6, 7]);
  });

  test("the answer to a request of an earlier connection says nothing", async () => {
    const hub = new ScriptedHub();
    hub.conn.hasSession = true;
    const room = hub.live.subscribe("a");
    await settleMicrotasks();
    const [first] = hub.requests("$/subscribe");
    hub.reopen();
    hub.conn.answer(null, first?.id);
    await settleMicrotasks();
    hub.notify("$/attached", "a", at(5), at(5), false);
    await settleMicrotasks();
    expect(room.state).toBe("attaching");
    hub.attach("a", at(6));
    await settleMicrotasks();
    expect([room.state, room.position]).toEqual(["attached", at(6)]);
  });
});

describe("ready", () => {
  test("resolves when the server has attached the channel, and not when it has answered", async () => {
    const hub = new ScriptedHub();
    const room = hub.live.subscribe("a");
    await settleMicrotasks();
    hub.answer("$/subscribe");
    expect(await isSettled(room.ready)).toBe(false);
    hub.notify("$/attached", "a", at(1), at(1), false);
    await room.ready;
    expect(room.state).toBe("attached");
  });

  test.for(["denied", "revoked", "too-many", "unheard-of"])(
    "rejects where the channel is refused: %s",
    async (code) => {
      const hub = new ScriptedHub();
      const room = hub.live.subscribe("a");
      const closed = vi.fn();
      room.on("closed", closed);
      await settleMicrotasks();
      hub.answer("$/subscribe");
      hub.notify("$/refused", "a", code);
      const expected = { code: code === "unheard-of" ? "denied" : code };
      expect(await rejection(room.ready)).toMatchObject(expected);
      expect([room.state, closed.mock.calls]).toEqual(["closed", [[{ error: expect.objectContaining(expected) }]]]);
      hub.reopen();
      await advance(100_000);
      expect(hub.asked.length).toBe(1);
    },
  );

  test("waits while the server can't decide: it is asked again with backoff", async () => {
    const hub = new ScriptedHub();
    const room = hub.live.subscribe("a");
    await settleMicrotasks();
    for (const wait of [1_000, 2_000, 4_000]) {
      hub.answer("$/subscribe");
      await settleMicrotasks();
      hub.notify("$/refused", "a", "unavailable");
      const { length } = hub.asked;
      await advance(wait - 1);
      expect(hub.asked.length).toBe(length);
      await advance(1);
      expect(hub.asked.length).toBe(length + 1);
    }
    hub.attach("a", at(1));
    await room.ready;
    // The wait begins anew after a success.
    const { length } = hub.asked;
    hub.notify("$/refused", "a", "unavailable");
    expect(room.state).toBe("attaching");
    await advance(1_000);
    expect(hub.asked.length).toBe(length + 1);
  });

  test("is repeated where the server answers, and decides nothing for 30 s", async () => {
    const hub = new ScriptedHub();
    const room = hub.live.subscribe("a");
    await settleMicrotasks();
    hub.answer("$/subscribe");
    await settleMicrotasks();
    await advance(30_999);
    expect(hub.asked).toHaveLength(1);
    await advance(1);
    expect(hub.asked).toHaveLength(2);
    hub.attach("a", at(1));
    await room.ready;
    await advance(100_000);
    expect(hub.asked).toHaveLength(2);
    hub.live.detach();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("rejects at a server without channels", async () => {
    const hub = new ScriptedHub();
    const room = hub.live.subscribe("a");
    await settleMicrotasks();
    hub.refuse("$/subscribe", -32601);
    expect(await rejection(room.ready)).toMatchObject({ code: "unsupported" });
  });

  test("rejects when the subscription is closed, and when the Conn ends", async () => {
    const hub = new ScriptedHub();
    const a = hub.live.subscribe("a");
    const b = hub.live.subscribe("b");
    a.close();
    hub.conn.end();
    expect(await rejection(a.ready)).toMatchObject({ code: "closed" });
    expect(await rejection(b.ready)).toMatchObject({ code: "closed" });
  });
});

describe("the chain of positions", () => {
  test("a message that does not follow on the position makes it subscribe again, once", async () => {
    const { hub, room, seen } = await attached();
    hub.message("a", 6, 8, 9, 10);
    await settleMicrotasks();
    expect([seen, room.position, hub.asked.slice(1)]).toEqual([[6], at(6), [{ a: { after: at(6) } }]]);
    hub.attach("a", at(6), at(10));
    hub.message("a", 7, 8, 9, 10);
    await settleMicrotasks();
    expect(seen).toEqual([6, 7, 8, 9, 10]);
  });

  test("a server that never follows is asked with backoff, not in a loop", async () => {
    const { hub } = await attached();
    hub.message("a", 90);
    await settleMicrotasks();
    expect(hub.asked.length).toBe(2);
    hub.attach("a", at(5), at(90));
    await settleMicrotasks();
    hub.message("a", 90);
    await advance(1_999);
    expect(hub.asked.length).toBe(2);
    await advance(1);
    expect(hub.asked.length).toBe(3);
  });

  test("is asked for at once again after a server that followed meanwhile", async () => {
    const { hub } = await attached();
    for (let n = 6; n < 9; n++) {
      hub.message("a", n, 90);
      await settleMicrotasks();
      expect(hub.asked.at(-1)).toEqual({ a: { after: at(n) } });
      hub.attach("a", at(n));
      await settleMicrotasks();
    }
    expect(hub.asked.length).toBe(4);
  });

  test("a message that comes twice is delivered once", async () => {
    const { hub, seen } = await attached();
    hub.message("a", 6, 6);
    await settleMicrotasks();
    hub.attach("a", at(6));
    await settleMicrotasks();
    expect(seen).toEqual([6]);
  });

  test("an unasked place is taken: without a gap where messages were left out, and with one where they are lost", async () => {
    const { hub, room, seen } = await attached();
    const gap = vi.fn();
    room.on("gap", gap);
    hub.notify("$/attached", "a", at(8), at(9), false);
    hub.message("a", 9);
    expect([seen, gap.mock.calls]).toEqual([[9], []]);
    hub.notify("$/attached", "a", at(20), at(20), true);
    hub.message("a", 21);
    expect([seen, gap.mock.calls]).toEqual([[9, 21], [[{ after: at(9), position: at(20) }]]]);
    expect(hub.asked.length).toBe(1);
  });

  test("without history there are no positions, and every message is delivered", async () => {
    const hub = new ScriptedHub();
    const room = hub.live.subscribe("a");
    const seen = record(room);
    await settleMicrotasks();
    hub.attach("a", null);
    for (const n of [1, 2]) hub.notify("$/message", "a", null, null, n);
    await settleMicrotasks();
    hub.reopen();
    expect(hub.asked.at(-1)).toEqual({ a: {} });
    hub.attach("a", null);
    hub.notify("$/message", "a", null, null, 3);
    await settleMicrotasks();
    expect([seen, room.position]).toEqual([[1, 2, 3], null]);
  });

  test("a channel that gains or loses its history goes on, and is not asked for in a loop", async () => {
    const { hub, seen } = await attached();
    hub.reopen();
    hub.attach("a", null, null, true);
    hub.notify("$/message", "a", null, null, 6);
    await settleMicrotasks();
    hub.reopen();
    hub.attach("a", at(7));
    hub.message("a", 8);
    await advance(100_000);
    expect([seen, hub.asked.slice(1)]).toEqual([
      [6, 8],
      [{ a: { after: at(5) } }, { a: {} }],
    ]);
  });
});

describe("a gap", () => {
  test("is emitted with both ends, and the subscription goes on after it", async () => {
    const { hub, room, seen } = await attached();
    const gap = vi.fn();
    room.on("gap", gap);
    hub.reopen();
    hub.attach("a", at(40), at(40), true);
    hub.message("a", 41);
    await settleMicrotasks();
    expect([gap.mock.calls, seen, room.position]).toEqual([[[{ after: at(5), position: at(40) }]], [41], at(41)]);
  });

  test("is emitted for a position of the caller's that the log does not reach", async () => {
    const hub = new ScriptedHub();
    const room = hub.live.subscribe("a", { from: "0-gone" });
    const gap = vi.fn();
    room.on("gap", gap);
    await settleMicrotasks();
    expect(hub.asked).toEqual([{ a: { after: "0-gone" } }]);
    hub.attach("a", at(9), at(9), true);
    await room.ready;
    expect(gap.mock.calls).toEqual([[{ after: "0-gone", position: at(9) }]]);
  });
});

describe("the end", () => {
  test("of rooms that are closed goes to the server in one frame, and nothing is asked for again", async () => {
    const { hub, room } = await attached();
    const other = hub.live.subscribe("b");
    await settleMicrotasks();
    room.close();
    other.close();
    await settleMicrotasks();
    expect(hub.sent.at(-1)).toEqual(["$/unsubscribe", ["a", "b"]]);
    hub.reopen();
    expect(hub.asked.length).toBe(2);
  });

  test("of a room that is closed in the turn of its subscribe sends nothing", async () => {
    const hub = new ScriptedHub();
    hub.live.subscribe("a").close();
    await settleMicrotasks();
    expect(hub.sent).toEqual([]);
  });

  test("overtakes the outcome of a subscribe that is still being decided", async () => {
    const hub = new ScriptedHub();
    const room = hub.live.subscribe("a");
    const seen = record(room);
    await settleMicrotasks();
    room.close();
    await settleMicrotasks();
    hub.attach("a", at(1));
    hub.message("a", 2);
    await settleMicrotasks();
    expect([hub.sent.map(([method]) => method), seen, room.state]).toEqual([
      ["$/subscribe", "$/unsubscribe"],
      [],
      "closed",
    ]);
  });

  test("and another subscribe of the same name begin anew: what is on the way is ignored", async () => {
    const { hub, room } = await attached();
    room.close();
    await settleMicrotasks();
    const seen = record(hub.live.subscribe("a"));
    await settleMicrotasks();
    hub.message("a", 6);
    hub.attach("a", at(6));
    hub.message("a", 7);
    await settleMicrotasks();
    expect([seen, hub.sent.map(([method]) => method)]).toEqual([[7], ["$/subscribe", "$/unsubscribe", "$/subscribe"]]);
  });

  test("by a revoked right ends the room with its code, after what was delivered", async () => {
    const { hub, room, seen } = await attached();
    const closed = vi.fn();
    room.on("closed", closed);
    hub.message("a", 6);
    hub.notify("$/refused", "a", "revoked");
    hub.message("a", 7);
    await settleMicrotasks();
    expect([seen, room.state, closed.mock.lastCall?.[0].error.code]).toEqual([[6], "closed", "revoked"]);
    expect(hub.sent.length).toBe(1);
  });

  test("of the channels leaves the Conn open, gives up what was subscribed, and leaves no listener or timer", async () => {
    const { hub, room } = await attached();
    hub.live.subscribe("b", { load: () => Promise.reject(new Error("mine")) });
    await settleMicrotasks();
    hub.attach("b", at(1));
    await settleMicrotasks();
    hub.live.detach();
    await settleMicrotasks();
    expect(hub.sent.at(-1)).toEqual(["$/unsubscribe", ["a", "b"]]);
    expect([room.state, hub.conn.state, hub.conn.listenerCount, vi.getTimerCount()]).toEqual(["closed", "open", 0, 0]);
    expect(() => hub.live.subscribe("a")).toThrow(expect.objectContaining({ code: "aborted" }));
  });

  test("of a room lets go of the signals that its listeners had", async () => {
    const { room } = await attached();
    const { signal } = new AbortController();
    const removed = vi.spyOn(signal, "removeEventListener");
    room.on("message", () => {}, { signal });
    room.close();
    expect(removed).toHaveBeenCalledOnce();
  });

  test("of the Conn ends every room, and leaves no timer", async () => {
    const { hub, room } = await attached();
    void room.publish(1);
    hub.notify("$/refused", "a", "unavailable");
    hub.conn.end();
    await settleMicrotasks();
    expect([room.state, hub.conn.listenerCount, vi.getTimerCount()]).toEqual(["closed", 0, 0]);
    expect(() => hub.live.subscribe("a")).toThrow(expect.objectContaining({ code: "closed" }));
  });
});
