import { describe, expect, test, vi } from "vitest";
import { deferred } from "../../../src/base/deferred.ts";
import { ConnError } from "../../../src/base/errors.ts";
import type { Payload } from "../../../src/base/payload.ts";
import type { SendOptions } from "../../../src/base/send-options.ts";
import {
  type DeliveryOptions,
  Outbox,
  type OutboxBounds,
  QUEUED_COST_BYTES,
  type Transport,
} from "../../../src/core/outbox.ts";
import { advance, isSettled, rejection, settleMicrotasks, useFakeTime } from "../../support/conn.ts";

useFakeTime();

const BOUNDS: OutboxBounds = { maxBytes: 100, maxMessages: 10, overflow: "reject", highWaterMark: 10 };

/** A connection that a test fills and empties. */
class FakeTransport implements Transport {
  bufferedAmount = 0;
  isOpen = true;
  readonly written: Payload[] = [];
  readonly options: (DeliveryOptions | undefined)[] = [];
  readonly drains: number[] = [];
  #drained = deferred<void>();

  write(payload: Payload, options?: DeliveryOptions): boolean {
    if (!this.isOpen) return false;
    this.written.push(payload);
    this.options.push(options);
    return true;
  }

  drain(bytes: number): Promise<void> {
    this.drains.push(bytes);
    return this.#drained.promise;
  }

  /** Has so many bytes left in the buffer, and resolves the calls of `drain()`. */
  async empty(bufferedAmount = 0): Promise<void> {
    this.bufferedAmount = bufferedAmount;
    this.#drained.resolve();
    this.#drained = deferred<void>();
    await settleMicrotasks();
  }
}

/** An outbox, and the calls of its owner. */
function createOutbox(bounds: Partial<OutboxBounds> = {}) {
  const calls: unknown[] = [];
  const queue: number[] = [];
  const names = new Map<SendOptions["onOutcome"], string>();
  const name = (listener: SendOptions["onOutcome"]) => names.get(listener) ?? "nobody";
  const outbox = new Outbox(
    { ...BOUNDS, ...bounds },
    {
      onRefused: (payload, { code }) => calls.push(["dropped", payload, code]),
      onWritten: (listener) => calls.push(["written at once", name(listener)]),
      onOutcome: (listener, outcome, error) => {
        if (listener) calls.push([outcome, name(listener), ...(error ? [error.code] : [])]);
      },
      onDrained: () => calls.push("drained"),
      onQueueChange: (bytes) => queue.push(bytes),
    },
  );
  /** A listener for outcomes, known by its name. */
  const listener = (of: string) => {
    const onOutcome = () => {};
    names.set(onOutcome, of);
    return onOutcome;
  };
  return { outbox, queue, listener, look: () => calls.splice(0) };
}

/** The same with a connection, which has room. */
function attached(bounds?: Partial<OutboxBounds>) {
  const made = createOutbox(bounds);
  const transport = new FakeTransport();
  made.outbox.attach(transport);
  return { ...made, transport };
}

/** The same with a connection above the high-water mark, so that messages wait. */
function pressed(bounds?: Partial<OutboxBounds>) {
  const made = createOutbox(bounds);
  const transport = new FakeTransport();
  transport.bufferedAmount = BOUNDS.highWaterMark + 1;
  made.outbox.attach(transport);
  return { ...made, transport };
}

describe("a message with a connection that has room", () => {
  test("is written at once, is not copied, and waits for nothing", async () => {
    const { outbox, transport, queue, look } = attached();
    const payload = Uint8Array.of(1);
    const options = { resend: true };
    const first = outbox.send(payload, options);
    expect(outbox.send("b")).toBe(first);
    expect(await isSettled(first)).toBe(true);
    expect(transport.written[0]).toBe(payload);
    expect(transport.options[0]).toBe(options);
    expect([outbox.written, outbox.length, outbox.bytes, queue, look()]).toEqual([2, 0, 0, [], []]);
  });

  test("has its listener called within send()", () => {
    const { outbox, listener, look } = attached();
    outbox.send("a", { onOutcome: listener("a") });
    expect(look()).toEqual([["written at once", "a"]]);
  });

  test("is copied when it has to wait", async () => {
    const { outbox, transport } = pressed();
    const payload = Uint8Array.of(1);
    outbox.send(payload);
    payload[0] = 9;
    await transport.empty();
    expect(transport.written).toEqual([Uint8Array.of(1)]);
  });

  test("waits for the next connection where this one takes it no more, and so do those behind it", async () => {
    const { outbox, transport, look } = attached();
    transport.isOpen = false;
    const sent = outbox.send("a");
    transport.isOpen = true;
    outbox.send("b");
    expect([transport.written, outbox.length, outbox.written]).toEqual([[], 2, 0]);
    const next = new FakeTransport();
    outbox.attach(next);
    expect(await isSettled(sent)).toBe(true);
    expect([next.written, outbox.written, look()]).toEqual([["a", "b"], 2, []]);
  });

  test("to be confirmed waits for its count, which the connection gives", async () => {
    const { outbox, transport, look } = attached();
    const sent = outbox.send("a", { confirm: true, resend: true });
    expect([transport.written, outbox.length, outbox.written]).toEqual([["a"], 0, 1]);
    expect(transport.options[0]).toMatchObject({ resend: true });
    expect(await isSettled(sent)).toBe(false);
    transport.options[0]?.confirmed?.resolve();
    expect(await isSettled(sent)).toBe(true);
    expect(look()).toEqual([]);
  });

  test("to be confirmed can be given up by its signal, which drops nothing", async () => {
    const { outbox, look } = attached();
    const controller = new AbortController();
    const sent = outbox.send("a", { confirm: true, signal: controller.signal });
    controller.abort("why");
    expect(await rejection(sent)).toMatchObject({ code: "aborted", cause: "why" });
    expect(look()).toEqual([]);
  });

  test("to be confirmed waits for the next connection where this one takes it no more", async () => {
    const { outbox, transport, look } = attached();
    transport.isOpen = false;
    outbox.send("a", { confirm: true });
    expect([outbox.length, look()]).toEqual([1, []]);
  });

  test("with an aborted signal is refused and not written", async () => {
    const { outbox, transport, listener, look } = attached();
    const sent = outbox.send("a", { signal: AbortSignal.abort("why"), onOutcome: listener("a") });
    expect(await rejection(sent)).toMatchObject({ code: "aborted", cause: "why" });
    expect([transport.written, look()]).toEqual([
      [],
      [
        ["dropped", "a", "aborted"],
        ["refused", "a", "aborted"],
      ],
    ]);
  });
});

test.each([
  ["although it is volatile", { volatile: true }],
  ["and takes the place of no other in a full outbox", {}],
])("a message with an aborted signal is refused as aborted, %s", async (_, options) => {
  const { outbox, queue, look } = createOutbox({ maxMessages: 1, overflow: "drop-oldest" });
  outbox.send("a");
  const sent = outbox.send("b", { ...options, signal: AbortSignal.abort() });
  expect(await rejection(sent)).toMatchObject({ code: "aborted" });
  expect([look(), queue.length]).toEqual([[["dropped", "b", "aborted"]], 1]);
});

describe("a message that waits", () => {
  test("is written when there is a connection, in order", async () => {
    const { outbox, listener, look } = createOutbox();
    const sent = ["a", "b", "c"].map((name) => outbox.send(name, { onOutcome: listener(name) }));
    expect(await isSettled(Promise.race(sent))).toBe(false);
    const transport = new FakeTransport();
    outbox.attach(transport);
    expect(transport.written).toEqual(["a", "b", "c"]);
    await Promise.all(sent);
    expect(look()).toEqual([
      ["written", "a"],
      ["written", "b"],
      ["written", "c"],
    ]);
  });

  test("counts its bytes of UTF-8 and its place in the queue until it is written", () => {
    const { outbox, queue } = createOutbox();
    outbox.send("é");
    outbox.send(new Uint8Array(5));
    expect([outbox.length, outbox.bytes]).toEqual([2, 7]);
    outbox.attach(new FakeTransport());
    expect([outbox.length, outbox.bytes, outbox.written]).toEqual([0, 0, 2]);
    const [two, five] = [2 + QUEUED_COST_BYTES, 5 + QUEUED_COST_BYTES];
    expect(queue).toEqual([two, five, -two, -five]);
  });

  test("passes its options on to the connection", () => {
    const { outbox, listener } = createOutbox();
    const onOutcome = listener("a");
    outbox.send("a", { resend: true, onOutcome });
    const transport = new FakeTransport();
    outbox.attach(transport);
    expect(transport.options[0]).toMatchObject({ resend: true, onOutcome });
    expect(transport.options[0]?.confirmed).toBeUndefined();
  });

  test("to be confirmed is written in its turn, and settles by its count", async () => {
    const { outbox, transport, listener, look } = pressed();
    outbox.send("a");
    const sent = outbox.send("b", { confirm: true, onOutcome: listener("b") });
    expect(transport.written).toEqual([]);
    await transport.empty();
    expect(transport.written).toEqual(["a", "b"]);
    expect([await isSettled(sent), outbox.length]).toEqual([false, 0]);
    transport.options[1]?.confirmed?.resolve();
    expect(await isSettled(sent)).toBe(true);
    expect(look()).toEqual(["drained"]);
  });

  test("to be confirmed drops nothing when its signal is aborted after it was written", async () => {
    const { outbox, look } = createOutbox();
    const controller = new AbortController();
    const sent = outbox.send("a", { confirm: true, signal: controller.signal });
    outbox.attach(new FakeTransport());
    controller.abort("why");
    expect(await rejection(sent)).toMatchObject({ code: "aborted", cause: "why" });
    expect(look()).toEqual([]);
  });

  test("is refused when its signal is aborted", async () => {
    const { outbox, listener, look } = createOutbox();
    const controller = new AbortController();
    const sent = outbox.send("a", { signal: controller.signal, onOutcome: listener("a") });
    controller.abort("why");
    expect(await rejection(sent)).toMatchObject({ code: "aborted", cause: "why" });
    expect(look()).toEqual([
      ["dropped", "a", "aborted"],
      ["refused", "a", "aborted"],
    ]);
    expect([outbox.length, outbox.bytes]).toEqual([0, 0]);
  });

  test.each([
    { place: 1, left: ["b", "c"] },
    { place: 2, left: ["a", "c"] },
    { place: 3, left: ["a", "b"] },
  ])("leaves the others in order when it is withdrawn from place $place, and the next goes last", ({ place, left }) => {
    const { outbox } = createOutbox();
    const controllers = ["a", "b", "c"].map((name) => {
      const controller = new AbortController();
      outbox.send(name, { signal: controller.signal });
      return controller;
    });
    controllers[place - 1]?.abort();
    outbox.send("d");
    const transport = new FakeTransport();
    outbox.attach(transport);
    expect(transport.written).toEqual([...left, "d"]);
  });

  test("stays in the queue when another is refused that never waited", () => {
    const { outbox } = createOutbox();
    outbox.send("a");
    outbox.send("b", { volatile: true });
    outbox.send("c", { signal: AbortSignal.abort() });
    const transport = new FakeTransport();
    outbox.attach(transport);
    expect(transport.written).toEqual(["a"]);
  });

  test("has no message pass it, although the connection would take one", () => {
    const { outbox } = createOutbox();
    outbox.send("a");
    const transport = new FakeTransport();
    const taken: unknown[] = [];
    transport.write = (payload) => {
      // As an owner does that sends from a callback.
      if (taken.push(payload) === 1) taken.push(outbox.tryWrite("early"));
      return true;
    };
    outbox.attach(transport);
    expect(taken).toEqual(["a", false]);
  });
});

describe("ttlMs", () => {
  test("refuses a message when its time is over, and not before", async () => {
    const { outbox, look } = createOutbox();
    const sent = outbox.send("a", { ttlMs: 100 });
    await advance(99);
    expect([outbox.length, look()]).toEqual([1, []]);
    await advance(1);
    expect(await rejection(sent)).toMatchObject({ code: "expired", payload: "a" });
    expect([outbox.length, look()]).toEqual([0, [["dropped", "a", "expired"]]]);
  });

  test("refuses a message whose time is over before a timer could say so, as after a sleep", () => {
    const { outbox, look } = createOutbox();
    const now = performance.now();
    for (const ttlMs of [99, 100, 101]) outbox.send(String(ttlMs), { ttlMs });
    outbox.send("kept");
    vi.spyOn(performance, "now").mockReturnValue(now + 100);
    const transport = new FakeTransport();
    outbox.attach(transport);
    expect(transport.written).toEqual(["101", "kept"]);
    expect(look()).toEqual([
      ["dropped", "99", "expired"],
      ["dropped", "100", "expired"],
    ]);
  });

  test("means nothing once the message is written", async () => {
    const { outbox, look } = createOutbox();
    outbox.send("a", { ttlMs: 100 });
    outbox.attach(new FakeTransport());
    expect(vi.getTimerCount()).toBe(0);
    await advance(100);
    expect(look()).toEqual([]);
  });

  test("does not keep a process alive", () => {
    const { outbox } = createOutbox();
    const timers = vi.spyOn(globalThis, "setTimeout");
    outbox.send("a", { ttlMs: 100 });
    expect(timers.mock.results.map(({ value }) => value.hasRef())).toEqual([false]);
  });
});

describe("a key", () => {
  test("has the later message take the place of the one that waits, at the end of the queue", async () => {
    const { outbox, look } = createOutbox();
    const first = outbox.send("1", { key: "k" });
    outbox.send("other", { key: "o" });
    outbox.send("2", { key: "k" });
    outbox.send("3", { key: "k" });
    expect(await rejection(first)).toMatchObject({ code: "replaced", payload: "1" });
    expect(look()).toEqual([
      ["dropped", "1", "replaced"],
      ["dropped", "2", "replaced"],
    ]);
    const transport = new FakeTransport();
    outbox.attach(transport);
    expect(transport.written).toEqual(["other", "3"]);
  });

  test("that is empty is a key too", () => {
    const { outbox, look } = createOutbox();
    outbox.send("1", { key: "" });
    outbox.send("2", { key: "" });
    expect(look()).toEqual([["dropped", "1", "replaced"]]);
  });

  test("is free again once its message is written", () => {
    const { outbox, look } = createOutbox();
    outbox.send("1", { key: "k" });
    outbox.attach(new FakeTransport());
    outbox.detach();
    outbox.send("2", { key: "k" });
    expect(look()).toEqual([]);
    expect(outbox.length).toBe(1);
  });

  test("makes room by as much as the message of the key takes, and by no more", () => {
    const { outbox, look } = createOutbox({ maxBytes: 5, maxMessages: 2 });
    outbox.send("aa", { key: "k" });
    outbox.send("bb");
    outbox.send("1234", { key: "k" });
    expect(look()).toEqual([["dropped", "1234", "outbox-full"]]);
    outbox.send("123", { key: "k" });
    expect(look()).toEqual([["dropped", "aa", "replaced"]]);
    expect([outbox.length, outbox.bytes]).toEqual([2, 5]);
  });
});

describe("volatile", () => {
  test("is written at once, with its options", () => {
    const { outbox, transport, look } = attached();
    outbox.send("a", { volatile: true });
    expect([transport.written, transport.options[0]?.volatile, look()]).toEqual([["a"], true, []]);
  });

  test("is refused without a connection, and above the high-water mark", async () => {
    for (const { outbox, look } of [createOutbox(), pressed()]) {
      const sent = outbox.send("a", { volatile: true });
      expect(await rejection(sent)).toMatchObject({ code: "not-writable", payload: "a" });
      expect([outbox.length, look()]).toEqual([0, [["dropped", "a", "not-writable"]]]);
    }
  });
});

describe("tryWrite()", () => {
  test("writes a message that a session does not keep, and counts it", () => {
    const { outbox, transport } = attached();
    expect(outbox.tryWrite("a")).toBe(true);
    expect([transport.written, transport.options, outbox.written]).toEqual([["a"], [{ volatile: true }], 1]);
  });

  test("writes nothing without a connection, above the high-water mark, or to one that takes nothing", () => {
    expect(createOutbox().outbox.tryWrite("a")).toBe(false);
    const full = pressed();
    expect([full.outbox.tryWrite("a"), full.transport.written]).toEqual([false, []]);
    const dead = attached();
    dead.transport.isOpen = false;
    expect([dead.outbox.tryWrite("a"), dead.outbox.length, dead.look()]).toEqual([false, 0, []]);
  });
});

describe("the high-water mark", () => {
  test("holds messages above it, until the connection is back at it", async () => {
    const { outbox, transport, look } = attached();
    transport.bufferedAmount = 10;
    expect(await isSettled(outbox.send("at the mark"))).toBe(true);
    transport.bufferedAmount = 11;
    const taken = outbox.send("above");
    const waiting = outbox.send("held");
    expect([transport.written, transport.drains]).toEqual([["at the mark", "above"], [10]]);
    expect(await isSettled(Promise.race([taken, waiting]))).toBe(false);
    await transport.empty(10);
    expect(transport.written).toEqual(["at the mark", "above", "held"]);
    expect(await isSettled(Promise.all([taken, waiting]))).toBe(true);
    expect(look()).toEqual(["drained"]);
  });

  test("holds the rest again when a held message fills the connection, and its send() waits as well", async () => {
    const { outbox, transport, look } = pressed();
    const [first, second] = [outbox.send("a"), outbox.send("b")];
    const write = vi.spyOn(transport, "write").mockImplementationOnce((payload) => {
      transport.bufferedAmount = 11;
      return transport.written.push(payload) > 0;
    });
    await transport.empty();
    expect([write.mock.calls.length, transport.written, look()]).toEqual([1, ["a"], []]);
    expect(await isSettled(Promise.race([first, second]))).toBe(false);
    await transport.empty();
    expect([transport.written, look()]).toEqual([["a", "b"], ["drained"]]);
    expect(await isSettled(Promise.all([first, second]))).toBe(true);
  });

  test("holds messages from the first on where the connection comes with a full buffer", async () => {
    const { outbox, look } = createOutbox();
    outbox.send("a");
    const transport = new FakeTransport();
    transport.bufferedAmount = 11;
    outbox.attach(transport);
    expect(transport.written).toEqual([]);
    await transport.empty();
    expect([transport.written, look()]).toEqual([["a"], ["drained"]]);
  });

  test("of a connection that was left holds nothing, and its draining changes nothing", async () => {
    const { outbox, transport, look } = pressed();
    outbox.send("a");
    outbox.detach();
    const next = new FakeTransport();
    outbox.attach(next);
    expect(next.written).toEqual(["a"]);
    next.bufferedAmount = 11;
    outbox.send("b");
    outbox.send("c");
    await transport.empty();
    expect([next.written, look()]).toEqual([["a", "b"], []]);
  });
});

describe("a bound", () => {
  test.each<{ bounds: Partial<OutboxBounds> }>([{ bounds: { maxBytes: 4 } }, { bounds: { maxMessages: 2 } }])(
    "of $bounds takes as much, and refuses one message more",
    async ({ bounds }) => {
      const { outbox, listener, look } = createOutbox(bounds);
      outbox.send("aa");
      outbox.send("bb");
      const sent = outbox.send("c", { onOutcome: listener("c") });
      expect(await rejection(sent)).toMatchObject({ code: "outbox-full", payload: "c" });
      expect(look()).toEqual([
        ["dropped", "c", "outbox-full"],
        ["refused", "c", "outbox-full"],
      ]);
      expect([outbox.length, outbox.bytes]).toEqual([2, 4]);
    },
  );

  test("with drop-oldest drops as many of the oldest as the new one needs", () => {
    const { outbox, look } = createOutbox({ maxBytes: 4, overflow: "drop-oldest" });
    for (const text of ["a", "b", "cc", "dd"]) outbox.send(text);
    expect(look()).toEqual([
      ["dropped", "a", "outbox-full"],
      ["dropped", "b", "outbox-full"],
    ]);
    outbox.send("full");
    expect(look()).toEqual([
      ["dropped", "cc", "outbox-full"],
      ["dropped", "dd", "outbox-full"],
    ]);
    expect([outbox.length, outbox.bytes]).toEqual([1, 4]);
  });

  test("with drop-oldest drops nothing for a message that would not fit an empty outbox", () => {
    const { outbox, look } = createOutbox({ maxBytes: 4, overflow: "drop-oldest" });
    outbox.send("a");
    outbox.send("12345");
    expect(look()).toEqual([["dropped", "12345", "outbox-full"]]);
    expect(outbox.length).toBe(1);
  });

  test("of no message refuses each, with drop-oldest too", () => {
    const { outbox, look } = createOutbox({ maxMessages: 0, overflow: "drop-oldest" });
    outbox.send("a");
    expect(look()).toEqual([["dropped", "a", "outbox-full"]]);
  });

  test("with drop-oldest drops no other where the message of the same key makes room enough", () => {
    const { outbox, look } = createOutbox({ maxMessages: 2, overflow: "drop-oldest" });
    outbox.send("a");
    outbox.send("1", { key: "k" });
    outbox.send("2", { key: "k" });
    expect(look()).toEqual([["dropped", "1", "replaced"]]);
    expect(outbox.length).toBe(2);
  });

  test("with drop-oldest reports the message of the same key as dropped where that is the oldest and more must go", () => {
    const { outbox, look } = createOutbox({ maxBytes: 4, overflow: "drop-oldest" });
    outbox.send("1", { key: "k" });
    outbox.send("aa");
    outbox.send("123", { key: "k" });
    expect(look()).toEqual([
      ["dropped", "1", "outbox-full"],
      ["dropped", "aa", "outbox-full"],
    ]);
  });
});

describe("flush()", () => {
  test("waits for the messages sent so far, and then for the connection to be empty", async () => {
    const { outbox, transport } = pressed();
    outbox.send("a");
    const flushed = outbox.flush();
    expect(await isSettled(flushed)).toBe(false);
    await transport.empty();
    expect([transport.written, transport.drains, await isSettled(flushed)]).toEqual([["a"], [10, 0], false]);
    await transport.empty();
    expect(await isSettled(flushed)).toBe(true);
  });

  test("resolves at once where nothing was sent, without a connection too, and whatever is sent later", async () => {
    const { outbox } = createOutbox();
    const flushed = outbox.flush();
    outbox.send("later");
    expect(await flushed).toBeUndefined();
  });

  test("waits for no message that is sent while it waits", async () => {
    const { outbox } = createOutbox();
    const controller = new AbortController();
    outbox.send("a", { signal: controller.signal });
    const flushed = outbox.flush();
    outbox.send("later");
    controller.abort();
    expect(await isSettled(flushed)).toBe(true);
  });

  test("waits for those in front where the newest is dropped", async () => {
    const { outbox } = createOutbox();
    const controller = new AbortController();
    outbox.send("a");
    outbox.send("b", { signal: controller.signal });
    const flushed = outbox.flush();
    controller.abort();
    expect(await isSettled(flushed)).toBe(false);
    const transport = new FakeTransport();
    outbox.attach(transport);
    await settleMicrotasks();
    await transport.empty();
    expect(await isSettled(flushed)).toBe(true);
  });

  test("rejects when the outbox ends before", async () => {
    const { outbox } = createOutbox();
    outbox.send("a");
    const flushed = outbox.flush();
    const error = new ConnError("closed");
    outbox.end(error);
    expect(await rejection(flushed)).toBe(error);
  });
});

test("the end refuses what waits, oldest first, with the error of the end and the payload of each, and returns it", async () => {
  const { outbox, queue, listener, look } = createOutbox();
  const sent = ["a", "b"].map((name) => outbox.send(name, { onOutcome: listener(name), key: name, ttlMs: 10 }));
  expect(outbox.end(new ConnError("session-lost", "It is over.", { cause: "why" }))).toEqual(["a", "b"]);
  for (const [n, payload] of ["a", "b"].entries()) {
    const error = await rejection(sent[n] as Promise<void>);
    expect(error).toMatchObject({ code: "session-lost", message: "It is over.", cause: "why", payload });
  }
  expect(look()).toEqual(
    ["a", "b"].flatMap((name) => [
      ["dropped", name, "session-lost"],
      ["refused", name, "session-lost"],
    ]),
  );
  expect([outbox.length, outbox.bytes, queue.reduce((sum, bytes) => sum + bytes), vi.getTimerCount()]).toEqual([
    0, 0, 0, 0,
  ]);
});
