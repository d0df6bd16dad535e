import { describe, expect, test, vi } from "vitest";
import { advance, isSettled, rejection, settleMicrotasks, useFakeTime } from "../../support/conn.ts";
import { at, ScriptedHub } from "../../support/scripted-hub.ts";

useFakeTime();

const data = (hub: ScriptedHub) => hub.published.map((publish) => publish.data);

test("a publish resolves with its position, or null where the channel has no history", async () => {
  const hub = new ScriptedHub();
  const first = hub.live.publish("a", { text: "hello" });
  hub.answer("$/publish", { position: at(1) });
  const second = hub.live.publish("b", 2);
  hub.answer("$/publish", {});
  expect([await first, await second]).toEqual([at(1), null]);
});

test("publishes of one channel go in order, one at a time, and those of another do not wait for them", async () => {
  const hub = new ScriptedHub();
  for (const n of [1, 2, 3]) void hub.live.publish("a", n);
  void hub.live.publish("b", 9);
  expect(data(hub)).toEqual([1, 9]);
  hub.conn.answer({}, hub.requests("$/publish")[0]?.id);
  await settleMicrotasks();
  expect(data(hub)).toEqual([1, 9, 2]);
});

test("each publish has an id of its own, which another Conn of the client does not use", async () => {
  const [one, other] = [new ScriptedHub(), new ScriptedHub()];
  for (const hub of [one, other]) for (const channel of ["a", "b"]) void hub.live.publish(channel, 1);
  void one.live.publish("c", 1, { id: "order-17" });
  const ids = [...one.published, ...other.published].map(({ id }) => id);
  expect(new Set(ids).size).toBe(5);
  expect(ids).toContain("order-17");
});

describe("when the connection ends", () => {
  test("a publish that was written is repeated with its id, after the subscribe frame and before its successors", async () => {
    const hub = new ScriptedHub();
    const room = hub.live.subscribe("a");
    await settleMicrotasks();
    const call = room.publish(1);
    void room.publish(2);
    const { length } = hub.sent;
    hub.reopen();
    await settleMicrotasks();
    const [first] = hub.published;
    expect(hub.sent.slice(length)).toEqual([
      ["$/subscribe", { channels: { a: {} } }],
      ["$/publish", first],
    ]);
    hub.answer("$/publish", { position: at(1) });
    expect(await call).toBe(at(1));
    expect(data(hub)).toEqual([1, 1, 2]);
  });

  test("a publish that was not written is taken back, so that the subscribe frame comes first", async () => {
    const hub = new ScriptedHub();
    hub.live.subscribe("a");
    await settleMicrotasks();
    hub.conn.hold();
    void hub.live.publish("a", 1);
    hub.conn.drop();
    expect(hub.conn.waiting).toBe(0);
    hub.conn.reopen();
    await settleMicrotasks();
    expect(hub.sent.slice(1).map(([method]) => method)).toEqual(["$/subscribe", "$/publish"]);
  });

  test("a session delivers what it took: the publish is not repeated", async () => {
    const hub = new ScriptedHub();
    hub.conn.hasSession = true;
    const call = hub.live.publish("a", 1);
    hub.reopen();
    hub.answer("$/publish", { position: at(1) });
    expect([await call, data(hub)]).toEqual([at(1), [1]]);
  });

  test("a lost session has it repeated", async () => {
    const hub = new ScriptedHub();
    hub.conn.hasSession = true;
    void hub.live.publish("a", 1);
    hub.conn.acknowledge();
    hub.reopen();
    hub.conn.loseSession();
    await settleMicrotasks();
    expect(data(hub)).toEqual([1, 1]);
  });

  test("publishes wait for the first connection without a limit, because none was written", async () => {
    const hub = new ScriptedHub();
    hub.conn.drop();
    const call = hub.live.publish("a", 1);
    await advance(3_600_000);
    hub.conn.reopen();
    hub.answer("$/publish", {});
    expect(await call).toBe(null);
  });
});

describe("a publish that is not answered", () => {
  test("rejects with interrupted 2 minutes after its first write, on a connection or between two, and the next one goes", async () => {
    for (const isDropped of [false, true]) {
      const hub = new ScriptedHub();
      const call = hub.live.publish("a", 1);
      void hub.live.publish("a", 2);
      await advance(60_000);
      if (isDropped) hub.conn.drop();
      await advance(59_999);
      expect(await isSettled(call)).toBe(false);
      await advance(1);
      expect(await rejection(call)).toMatchObject({ code: "interrupted" });
      if (isDropped) hub.conn.reopen();
      await settleMicrotasks();
      expect(data(hub)).toEqual([1, 2]);
      hub.live.detach();
    }
  });

  test("has 2 minutes from its first write, however often it is repeated", async () => {
    const hub = new ScriptedHub();
    const call = rejection(hub.live.publish("a", 1));
    for (let n = 0; n < 5; n++) {
      await advance(20_000);
      hub.reopen();
    }
    await advance(20_000);
    expect(await call).toMatchObject({ code: "interrupted" });
    expect(hub.published.length).toBe(6);
  });

  test("is interrupted by the end of the Conn if it was written, and closed if it was not", async () => {
    const hub = new ScriptedHub();
    const calls = [1, 2].map((n) => rejection(hub.live.publish("a", n)));
    hub.conn.end();
    expect(await Promise.all(calls)).toMatchObject([{ code: "interrupted" }, { code: "closed" }]);
    expect(await rejection(hub.live.publish("a", 3))).toMatchObject({ code: "closed" });
  });

  test("is closed by the end of the Conn while a connection held it back", async () => {
    const hub = new ScriptedHub();
    hub.conn.hold();
    const call = rejection(hub.live.publish("a", 1));
    hub.conn.end();
    expect(await call).toMatchObject({ code: "closed" });
  });

  test("stays interrupted where the Conn ends between two connections", async () => {
    const hub = new ScriptedHub();
    const call = rejection(hub.live.publish("a", 1));
    hub.conn.drop();
    await settleMicrotasks();
    hub.conn.end();
    expect(await call).toMatchObject({ code: "interrupted" });
  });

  test("is interrupted by detach(), and those behind it are aborted and never sent", async () => {
    const hub = new ScriptedHub();
    const calls = [1, 2].map((n) => rejection(hub.live.publish("a", n)));
    hub.live.detach();
    expect(await Promise.all(calls)).toMatchObject([{ code: "interrupted" }, { code: "aborted" }]);
    await settleMicrotasks();
    expect([data(hub), vi.getTimerCount()]).toEqual([[1], 0]);
  });
});

describe("a publish that the server answers with an error", () => {
  test.for(["denied", "revoked", "new-code"])("rejects with the code of a refusal: %s", async (code) => {
    const hub = new ScriptedHub();
    const call = rejection(hub.live.publish("a", 1));
    hub.refuse("$/publish", -32003, code);
    expect(await call).toMatchObject({ code: code === "new-code" ? "denied" : code });
  });

  test.for([
    [-32003, "unavailable"],
    [-32001, undefined],
    [-32603, undefined],
  ] as const)("is repeated with the same id and backoff: %s %s", async ([code, reason]) => {
    const hub = new ScriptedHub();
    const call = hub.live.publish("a", 1);
    for (const wait of [1_000, 2_000]) {
      hub.refuse("$/publish", code, reason);
      const { length } = hub.published;
      await advance(wait - 1);
      expect(hub.published.length).toBe(length);
      await advance(1);
      expect(hub.published.length).toBe(length + 1);
    }
    hub.answer("$/publish", { position: at(7) });
    expect(await call).toBe(at(7));
    expect(new Set(hub.published.map(({ id }) => id)).size).toBe(1);
  });

  test("may have been appended where the engine was away: interrupted when the Conn ends meanwhile", async () => {
    const hub = new ScriptedHub();
    const call = rejection(hub.live.publish("a", 1));
    hub.refuse("$/publish", -32003, "unavailable");
    await settleMicrotasks();
    hub.conn.end();
    expect(await call).toMatchObject({ code: "interrupted" });
  });

  test("leaves the waits of the next one as they were at first", async () => {
    const hub = new ScriptedHub();
    void hub.live.publish("a", 1);
    void hub.live.publish("a", 2);
    hub.refuse("$/publish", -32001);
    await advance(1_000);
    hub.answer("$/publish", {});
    await settleMicrotasks();
    hub.refuse("$/publish", -32001);
    await advance(1_000);
    expect(data(hub)).toEqual([1, 1, 2, 2]);
  });

  test("is not repeated by detach() while it waits to be", async () => {
    const hub = new ScriptedHub();
    const calls = [1, 2].map((n) => rejection(hub.live.publish("a", n)));
    hub.refuse("$/publish", -32001);
    await settleMicrotasks();
    hub.live.detach();
    await Promise.all(calls);
    await advance(60_000);
    expect(data(hub)).toEqual([1]);
  });

  test("rejects where the server has no channels, or calls it malformed", async () => {
    const hub = new ScriptedHub();
    const calls = [1, 2].map((n) => rejection(hub.live.publish("a", n)));
    hub.refuse("$/publish", -32601);
    await settleMicrotasks();
    hub.refuse("$/publish", -32602);
    expect(await Promise.all(calls)).toMatchObject([{ code: "unsupported" }, { code: -32602 }]);
  });
});

describe("a publish of the caller's", () => {
  test("is given up by its signal, while it waits and while it is under way, and the next one goes", async () => {
    const hub = new ScriptedHub();
    const controllers = [new AbortController(), new AbortController()];
    const calls = controllers.map(({ signal }, n) => rejection(hub.live.publish("a", n, { signal })));
    void hub.live.publish("a", 2);
    controllers[1]?.abort();
    controllers[0]?.abort();
    expect(await Promise.all(calls)).toMatchObject([{ code: "aborted" }, { code: "aborted" }]);
    expect(data(hub)).toEqual([0, 2]);
  });

  test("whose signal is aborted already is not sent", async () => {
    const hub = new ScriptedHub();
    const call = hub.live.publish("a", 1, { signal: AbortSignal.abort() });
    expect(await rejection(call)).toMatchObject({ code: "aborted" });
    expect(data(hub)).toEqual([]);
  });

  test("that the codec can't marshal rejects, and the next one goes", async () => {
    const hub = new ScriptedHub();
    const call = rejection(hub.live.publish("a", 1n));
    void hub.live.publish("a", 2);
    expect(await call).toMatchObject({ code: "marshal" });
    expect(data(hub)).toEqual([2]);
  });

  test("beyond the bound rejects at once with outbox-full", async () => {
    const hub = new ScriptedHub({ maxPublishes: 2 });
    void hub.live.publish("a", 1);
    void hub.live.publish("b", 2);
    expect(await rejection(hub.live.publish("c", 3))).toMatchObject({ code: "outbox-full" });
    hub.answer("$/publish", {});
    await settleMicrotasks();
    void hub.live.publish("c", 4);
    expect(data(hub)).toEqual([1, 2, 4]);
  });
});
