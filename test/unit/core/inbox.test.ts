import { describe, expect, test } from "vitest";
import { ConnError } from "../../../src/base/errors.ts";
import type { Payload } from "../../../src/base/payload.ts";
import { Inbox, type InboxBounds } from "../../../src/core/inbox.ts";
import { isSettled, rejection, useFakeTime } from "../../support/conn.ts";

useFakeTime();

const BOUNDS: InboxBounds = { highWaterMark: 1_000, maxBytes: 2_000, maxSetupBytes: 2_000, overflow: "close" };
const ENDED = new ConnError("closed");
const same = (payload: Payload) => payload;

/** A text that counts 100 bytes, with the 64 of every text. */
const hundred = (name: string) => name.repeat(36);

/** An inbox, and the calls of its owner. Messages are delivered once `listen()` was called. */
function createInbox(bounds: Partial<InboxBounds> | false = {}) {
  const calls: unknown[] = [];
  let hasListeners = false;
  const inbox = new Inbox(bounds && { ...BOUNDS, ...bounds }, {
    hasListeners: () => hasListeners,
    deliver: (payload) => calls.push(["deliver", payload]),
    onPressure: (on) => calls.push(["pressure", on]),
    onConsumed: () => calls.push("consumed"),
    onDropped: (payload, error) => calls.push(["dropped", payload, error.code]),
    onOverflow: (error) => calls.push(["overflow", error.code, error.payload]),
  });
  const listen = (on = true) => {
    hasListeners = on;
    if (on) inbox.onListenerAdded();
  };
  /** The calls since the last look. */
  const look = () => calls.splice(0);
  return { inbox, listen, look };
}

describe("a message", () => {
  test("goes to a listener at once, and never waits", () => {
    const { inbox, listen, look } = createInbox();
    listen();
    inbox.push("a");
    expect(look()).toEqual([["deliver", "a"]]);
    expect(inbox).toMatchObject({ length: 0, bytes: 0 });
  });

  test("waits behind those that a new listener has not got yet", async () => {
    const { inbox, listen, look } = createInbox();
    inbox.push("a");
    listen();
    inbox.push("b");
    expect(look()).toEqual([]);
    await Promise.resolve();
    expect(look()).toEqual(["consumed", ["deliver", "a"], "consumed", ["deliver", "b"]]);
  });

  test("waits on where the new listener is gone before its microtask", async () => {
    const { inbox, listen, look } = createInbox();
    inbox.push("a");
    listen();
    listen(false);
    await Promise.resolve();
    expect(look()).toEqual([]);
    expect(inbox.length).toBe(1);
  });

  test("settles one pull, the oldest, and leaves the next message to the next pull", async () => {
    const { inbox, look } = createInbox();
    const [first, second] = [inbox.take(same), inbox.take(same)];
    inbox.push("a");
    expect(await isSettled(second)).toBe(false);
    inbox.push("b");
    inbox.push("c");
    expect([await first, await second, inbox.length]).toEqual(["a", "b", 1]);
    expect(look()).toEqual([]);
  });

  test("counts its bytes, and 64 more as text or 256 more as bytes, until it is taken", async () => {
    const { inbox, look } = createInbox();
    inbox.push("é");
    expect(inbox.bytes).toBe(66);
    inbox.push(Uint8Array.of(1, 2, 3));
    expect(inbox).toMatchObject({ bytes: 66 + 259, length: 2 });
    await inbox.take(same);
    expect(inbox).toMatchObject({ bytes: 259, length: 1 });
    await inbox.take(same);
    expect(inbox).toMatchObject({ bytes: 0, length: 0 });
    expect(look()).toEqual(["consumed", "consumed"]);
  });
});

describe("a pull", () => {
  test("marks the inbox as used", () => {
    const { inbox } = createInbox();
    expect(inbox.isUsed).toBe(false);
    inbox.take(same);
    expect(inbox.isUsed).toBe(true);
  });

  test("resolves with what its decoder returns, and rejects with what the decoder throws", async () => {
    const { inbox } = createInbox();
    const error = new Error("not a number");
    inbox.push("20");
    expect(await inbox.take((payload) => Number(payload) + 1)).toBe(21);
    inbox.push("x");
    const failing = inbox.take(() => {
      throw error;
    });
    expect(await rejection(failing)).toBe(error);
    expect(inbox.length).toBe(0);
  });

  test("with an aborted signal rejects, and takes nothing", async () => {
    const { inbox } = createInbox();
    inbox.push("a");
    expect(await rejection(inbox.take(same, AbortSignal.abort("why")))).toMatchObject({
      code: "aborted",
      cause: "why",
    });
    expect(inbox.length).toBe(1);
  });

  test("takes what waits although it comes with a signal", async () => {
    const { inbox } = createInbox();
    inbox.push("a");
    expect(await inbox.take(same, new AbortController().signal)).toBe("a");
  });

  test("that is aborted leaves its message to the next", async () => {
    const { inbox } = createInbox();
    const controller = new AbortController();
    const pulls = [inbox.take(same, controller.signal), inbox.take(same)] as const;
    controller.abort("why");
    expect(await rejection(pulls[0])).toMatchObject({ code: "aborted", cause: "why" });
    inbox.push("a");
    expect(await pulls[1]).toBe("a");
  });

  test("rejects while a listener is attached, although a message waits", async () => {
    const { inbox, listen } = createInbox();
    inbox.push("a");
    listen();
    const pull = inbox.take(same);
    expect(inbox.length).toBe(1);
    expect(await rejection(pull)).toMatchObject({ code: "misuse" });
  });

  test("that waits rejects when a listener is added", async () => {
    const { inbox, listen, look } = createInbox();
    const pulls = [inbox.take(same), inbox.take(same)];
    listen();
    for (const pull of pulls) expect(await rejection(pull)).toMatchObject({ code: "misuse" });
    inbox.push("a");
    expect(look()).toEqual([["deliver", "a"]]);
  });

  test("that waits rejects with the error of the end", async () => {
    const { inbox } = createInbox();
    const pulls = [inbox.take(same), inbox.take(same)];
    inbox.end(ENDED);
    for (const pull of pulls) expect(await rejection(pull)).toBe(ENDED);
  });

  test("after the end takes what waits, and rejects with the error of the end once nothing waits", async () => {
    const { inbox } = createInbox();
    inbox.push("a");
    inbox.end(ENDED);
    expect(await inbox.take(same)).toBe("a");
    expect(await rejection(inbox.take(same))).toBe(ENDED);
  });
});

describe("the pressure on the peer", () => {
  const bounds = { highWaterMark: 200 };

  test("begins at the high-water mark, and ends when half of the mark is left", () => {
    const { inbox, look } = createInbox(bounds);
    inbox.push(hundred("a"));
    expect([look(), inbox.isUnderPressure]).toEqual([[], false]);
    inbox.push(hundred("b"));
    expect([look(), inbox.isUnderPressure]).toEqual([[["pressure", true]], true]);
    inbox.take(same);
    expect([look(), inbox.isUnderPressure]).toEqual([[["pressure", false], "consumed"], false]);
  });

  test("begins and ends once, however many messages come and go", () => {
    const { inbox, look } = createInbox(bounds);
    for (const name of ["a", "b", "c"]) inbox.push(hundred(name));
    expect(look()).toEqual([["pressure", true]]);
    inbox.take(same);
    expect([look(), inbox.bytes]).toEqual([["consumed"], 200]);
    inbox.take(same);
    inbox.take(same);
    expect(look()).toEqual([["pressure", false], "consumed", "consumed"]);
  });

  test("goes on while one byte more than half of the mark waits", () => {
    const { inbox, look } = createInbox(bounds);
    inbox.push(hundred("a"));
    inbox.push(`${hundred("b")}!`);
    inbox.take(same);
    expect([look(), inbox.bytes]).toEqual([[["pressure", true], "consumed"], 101]);
  });
});

describe("at its bound an inbox", () => {
  const three = (overflow: InboxBounds["overflow"]) => {
    const made = createInbox({ maxBytes: 200, overflow });
    for (const name of ["a", "b", "c"]) made.inbox.push(hundred(name));
    return made;
  };
  const rest = ({ inbox }: ReturnType<typeof createInbox>) =>
    Promise.all(Array.from({ length: inbox.length }, () => inbox.take(same)));

  test("by default drops the message that is too much, and asks for the end of the Conn", async () => {
    const made = three("close");
    expect(made.look()).toEqual([
      ["dropped", hundred("c"), "inbox-full"],
      ["overflow", "inbox-full", hundred("c")],
    ]);
    expect([made.inbox.bytes, await rest(made)]).toEqual([200, [hundred("a"), hundred("b")]]);
  });

  test("with drop-newest drops the message that is too much, and nothing ends", async () => {
    const made = three("drop-newest");
    expect(made.look()).toEqual([["dropped", hundred("c"), "inbox-full"]]);
    expect([made.inbox.bytes, await rest(made)]).toEqual([200, [hundred("a"), hundred("b")]]);
  });

  test("with drop-oldest drops the oldest", async () => {
    const made = three("drop-oldest");
    expect(made.look()).toEqual(["consumed", ["dropped", hundred("a"), "inbox-full"]]);
    expect([made.inbox.bytes, await rest(made)]).toEqual([200, [hundred("b"), hundred("c")]]);
  });

  test("with drop-oldest drops as many as the message needs, all of them for one that fills the inbox", async () => {
    const made = three("drop-oldest");
    made.look();
    made.inbox.push("x".repeat(200 - 64));
    expect(made.look()).toEqual([
      "consumed",
      ["dropped", hundred("b"), "inbox-full"],
      "consumed",
      ["dropped", hundred("c"), "inbox-full"],
    ]);
    expect(await rest(made)).toEqual(["x".repeat(136)]);
  });

  test("with drop-oldest keeps what waits, rather than a message that would fill more than the inbox", async () => {
    const made = three("drop-oldest");
    made.look();
    made.inbox.push("x".repeat(201 - 64));
    expect(made.look()).toEqual([["dropped", "x".repeat(137), "inbox-full"]]);
    expect(await rest(made)).toEqual([hundred("b"), hundred("c")]);
  });
});

test("an inbox without bounds counts the messages that no pull waited for, and keeps none", async () => {
  const { inbox, look } = createInbox(false);
  inbox.push("a");
  const pull = inbox.take(same);
  inbox.push("b");
  expect(await pull).toBe("b");
  inbox.push("c");
  expect(inbox).toMatchObject({ discarded: 2, length: 0, bytes: 0 });
  expect(look()).toEqual([]);
});

describe("bytes that wait", () => {
  const taken = async (payload: Uint8Array) => {
    const { inbox } = createInbox();
    inbox.push(payload);
    return await inbox.take(same);
  };

  test("are copied where they are a small view of a large buffer, which would stay in memory otherwise", async () => {
    const view = new Uint8Array(new ArrayBuffer(21), 5, 10).fill(7);
    const kept = (await taken(view)) as Uint8Array;
    expect(kept).toEqual(view);
    expect(kept.buffer.byteLength).toBe(10);
  });

  test("are kept as they are where they fill half of their buffer", async () => {
    const view = new Uint8Array(new ArrayBuffer(20), 5, 10);
    expect(await taken(view)).toBe(view);
  });
});
