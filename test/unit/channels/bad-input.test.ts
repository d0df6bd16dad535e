import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { channels, type SubscribeOptions } from "../../../src/channels/index.ts";
import { rpc } from "../../../src/rpc/index.ts";
import { advance, settleMicrotasks, thrown, useFakeTime } from "../../support/conn.ts";
import { FakeRpcConn } from "../../support/fake-rpc-conn.ts";
import { at, ScriptedHub } from "../../support/scripted-hub.ts";

useFakeTime();

describe("bad arguments", () => {
  test.for<[unknown, object, string]>([
    ["", {}, 'channel must be a name of 1 to 200 bytes without control characters; got "".'],
    ["a\n", {}, 'channel must be a name of 1 to 200 bytes without control characters; got "a\\n".'],
    [7, {}, "channel must be a name of 1 to 200 bytes without control characters; got 7."],
    ["a", { from: { last: -1 } }, 'from must be "now", { last: a whole number } or a position; got an object.'],
    ["a", { load: 1 }, "load must be a function; got 1."],
    ["a", { maxQueued: 0 }, "maxQueued must be a number, at least 1; got 0."],
    ["a", { form: "now" }, "form is not an option: use one of from, load, presence, maxQueued."],
  ])("of subscribe() are refused: %j %j", ([name, options, message]) => {
    const { live } = new ScriptedHub();
    expect(thrown(() => live.subscribe(name as string, options))).toMatchObject({ code: "bad-option", message });
  });

  test("from and load exclude each other", () => {
    const { live } = new ScriptedHub();
    const options: SubscribeOptions = { from: "now", load: () => undefined };
    expect(thrown(() => live.subscribe("a", options))).toMatchObject({ code: "misuse" });
  });

  test("of publish(), on() and channels() are refused", () => {
    const { live } = new ScriptedHub();
    expect(thrown(() => live.publish("a", 1, { id: "" }))).toMatchObject({ code: "bad-option" });
    expect(thrown(() => live.publish("a", 1, { signal: 1 as never }))).toMatchObject({ code: "bad-option" });
    expect(thrown(() => live.subscribe("a").on("massage" as "message", () => {}))).toMatchObject({ code: "misuse" });
    expect(thrown(() => live.subscribe("a").on("message", 1 as never))).toMatchObject({ code: "misuse" });
    expect(thrown(() => channels({} as never))).toMatchObject({ code: "misuse" });
    expect(thrown(() => channels(new FakeRpcConn(), { backoff: 5 as never }))).toMatchObject({ code: "bad-option" });
  });

  test("a second channels() of one peer is a misuse", () => {
    const peer = rpc(new FakeRpcConn());
    channels(peer);
    expect(thrown(() => channels(peer))).toMatchObject({ code: "misuse" });
  });
});

describe("frames of the server", () => {
  test.for([
    ["$/attached", ["a", 1, null, false]],
    ["$/attached", ["a", "1", "1"]],
    ["$/message", ["a", null, "1", 1]],
    ["$/message", { channel: "a" }],
    ["$/members", ["a", [["x"]], null, 1]],
    ["$/refused", ["a"]],
    ["$/refused", undefined],
  ] as const)("that are malformed are ignored, and the Conn emits error: %s %j", async ([method, params]) => {
    const hub = new ScriptedHub();
    const room = hub.live.subscribe("a");
    await settleMicrotasks();
    hub.attach("a", at(1));
    await room.ready;
    hub.conn.deliver({ jsonrpc: "2.0", method, params });
    expect([room.state, room.position]).toEqual(["attached", at(1)]);
    expect(hub.conn.reported).toMatchObject([{ code: "unmarshal" }]);
  });

  const channel = fc.oneof({ arbitrary: fc.constantFrom("a", "b", "c"), weight: 9 }, fc.constantFrom("", "__proto__"));
  const place = fc.oneof(
    { arbitrary: fc.integer({ min: 0, max: 9 }).map(at), weight: 9 },
    fc.constant(null),
    fc.jsonValue({ maxDepth: 1 }),
  );
  const mutated = fc.oneof(
    fc.tuple(fc.constant("$/attached"), fc.tuple(channel, place, place, fc.boolean())),
    fc.tuple(fc.constant("$/message"), fc.tuple(channel, place, place, fc.jsonValue({ maxDepth: 1 }))),
    fc.tuple(
      fc.constant("$/members"),
      fc.tuple(
        channel,
        fc.option(fc.array(fc.tuple(fc.constantFrom("x", "__proto__"), fc.jsonValue({ maxDepth: 0 })))),
        fc.option(fc.array(fc.constantFrom("x", "y"))),
        fc.integer(),
      ),
    ),
    fc.tuple(fc.constant("$/refused"), fc.tuple(channel, fc.constantFrom("denied", "unavailable", "other"))),
    fc.tuple(fc.constantFrom("$/attached", "$/message", "$/members", "$/refused"), fc.jsonValue({ maxDepth: 2 })),
  );
  const step = fc.oneof(
    { arbitrary: fc.record({ type: fc.constant("frame" as const), frame: mutated }), weight: 8 },
    {
      arbitrary: fc.record({ type: fc.constantFrom("answer", "error", "drop", "lose", "advance", "publish", "join") }),
      weight: 4,
    },
  );

  test("of any form make it neither throw, hang nor grow, and no message is delivered twice in a row of positions", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.boolean(), async (steps, hasSession) => {
        vi.clearAllTimers();
        const hub = new ScriptedHub();
        hub.conn.hasSession = hasSession;
        const onError = vi.spyOn(console, "error").mockImplementation(() => {});
        const settled = vi.fn();
        let publishes = 0;
        const rooms = ["a", "b"].map((name) => hub.live.subscribe(name, { presence: true, maxQueued: 4 }));
        const orders: (readonly (string | null)[])[] = [];
        for (const room of rooms) {
          let last: string | null | undefined;
          room.on("gap", ({ position }) => {
            last = position;
          });
          room.on("message", ({ position }) => {
            orders.push([last ?? null, position]);
            last = position;
          });
        }
        await settleMicrotasks();
        for (const next of steps) {
          const { length } = hub.sent;
          if (next.type === "frame") {
            const [method, params] = (next as { frame: [string, unknown] }).frame;
            hub.conn.deliverRaw({ jsonrpc: "2.0", method, params });
          } else if (next.type === "answer") hub.answer("$/subscribe");
          else if (next.type === "error" && publishes > 0) hub.refuse("$/publish", -32003, "unavailable");
          else if (next.type === "advance") await advance(1_000);
          else if (next.type === "join") rooms.push(hub.live.subscribe("a", { from: at(2), maxQueued: 2 }));
          else if (next.type === "publish") {
            publishes++;
            hub.live.publish("a", 1).then(settled, settled);
          } else {
            hub.conn.drop();
            if (next.type === "lose") hub.conn.loseSession();
            hub.conn.reopen();
          }
          await settleMicrotasks();
          // One frame makes at most one frame a channel, and none makes a loop.
          expect(hub.sent.length - length).toBeLessThan(8);
        }
        expect(onError).not.toHaveBeenCalled();
        // After all that, the layer works as before.
        const fresh = hub.live.subscribe("fresh");
        await settleMicrotasks();
        hub.attach("fresh", at(1));
        await fresh.ready;
        hub.live.detach();
        await settleMicrotasks();
        expect(settled).toHaveBeenCalledTimes(publishes);
        expect([vi.getTimerCount(), hub.conn.listenerCount]).toEqual([0, 0]);
        for (const room of rooms) expect(room.state).toBe("closed");
        for (const [last, position] of orders) if (position !== null) expect(position).not.toBe(last);
      }),
      { numRuns: 300 },
    );
  });
});
