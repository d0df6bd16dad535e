import { describe, expect, test } from "vitest";
import { createConn, openConn, rejection, thrown, useFakeTime } from "../../support/conn.ts";

useFakeTime();

describe("an event that does not exist", () => {
  test.for([
    ["close", "close is not an event: use disconnected for a connection, closed for the end."],
    ["opened", "opened is not an event: use open."],
    ["reconnecting", "reconnecting is not an event: use disconnected."],
    ["Message", "Message is not an event: use message."],
  ])("%s is refused, with the one to use", async ([name, message]) => {
    const { conn } = await openConn();
    expect(thrown(() => conn.on(name as never, () => {}))).toMatchObject({ code: "misuse", message });
  });
});

describe("an option that a call does not have", () => {
  const refused = (message: RegExp) =>
    expect.objectContaining({ code: "bad-option", message: expect.stringMatching(message) });

  test("is refused by send() and write(), which names the nearest or all", async () => {
    const { conn } = await openConn();
    expect(() => conn.send("x", { ttl: 5 } as never)).toThrow(refused(/^ttl is not an option: use ttlMs\.$/));
    expect(() => conn.write("x", { timeout: 5 } as never)).toThrow(
      refused(
        /^timeout is not an option: use one of signal, codec, ttlMs, key, volatile, confirm, resend, onOutcome, as\.$/,
      ),
    );
  });

  test("is refused by every call that waits", async () => {
    const { conn } = await openConn();
    const options = { timeoutMs: 5 } as never;
    for (const name of ["ready", "flush", "receive", "read"] as const) {
      expect(() => conn[name](options)).toThrow(refused(/^timeoutMs is not an option/));
    }
    expect(() => conn.close(1000, "", options)).toThrow(refused(/^timeoutMs is not an option/));
    expect(() => conn.on("open", () => {}, { Once: true } as never)).toThrow(refused(/^Once .* use once\.$/));
    expect(conn.state).toBe("open");
  });

  test("and a controller in place of its signal is refused as well", async () => {
    const { conn } = await openConn();
    const options = { signal: {} } as never;
    for (const name of ["ready", "flush", "receive", "read"] as const) {
      expect(() => conn[name](options)).toThrow(refused(/^signal must be an AbortSignal; got an object\.$/));
    }
    expect(() => conn.send("x", options)).toThrow(refused(/^signal must be an AbortSignal/));
    expect(() => conn.on("open", () => {}, options)).toThrow(refused(/^signal must be an AbortSignal/));
  });
});

describe("what comes before setup is over", () => {
  const receiveInSetup = (options: object) => {
    const connected = createConn({ setup: () => new Promise(() => {}), ...options });
    return connected;
  };

  test.for([
    [{}, 2 ** 20],
    [{ inbox: { maxSetupBytes: 1_000 } }, 1_000],
    [{ inbox: { maxBytes: 500 } }, 500],
    [{ inbox: false }, 2 ** 20],
  ] as const)("fails the attempt with %j from %i bytes on", async ([options, bound]) => {
    const { conn, net } = receiveInSetup(options);
    await Promise.resolve();
    await Promise.resolve();
    net.last.open();
    net.last.message("x".repeat(bound - 64));
    expect(conn.state).toBe("connecting");
    net.last.message("");
    expect(conn.state).toBe("waiting");
  });

  test("rejects nothing that setup has taken", async () => {
    const taken: unknown[] = [];
    const { net } = createConn({
      inbox: { maxSetupBytes: 100 },
      setup: async ({ receive }) => {
        for (let n = 0; n < 10; n++) taken.push(await receive());
      },
    });
    await Promise.resolve();
    await Promise.resolve();
    net.last.open();
    for (let n = 0; n < 10; n++) {
      net.last.message("x".repeat(30));
      for (let round = 0; round < 10; round++) await Promise.resolve();
    }
    expect(taken).toHaveLength(10);
  });
});

test("a send of bytes whose memory went elsewhere is refused at the call, in every state", async () => {
  const view = new Uint8Array(4);
  structuredClone(view, { transfer: [view.buffer] });
  const waiting = createConn({ autoConnect: false });
  const open = await openConn();
  for (const { conn } of [waiting, open]) {
    expect(() => conn.send(view)).toThrow(expect.objectContaining({ code: "marshal" }));
    expect(() => conn.write(view)).toThrow(expect.objectContaining({ code: "marshal" }));
  }
});

test("a refused send has no stack, because a flood of them would spend its time on stacks", async () => {
  const { conn } = createConn({ autoConnect: false, outbox: { maxMessages: 0 } });
  const { stackTraceLimit } = Error;
  const error = (await rejection(conn.send("x"))) as Error;
  expect(error).toMatchObject({ code: "outbox-full", payload: "x" });
  expect(error.stack).toBe("ConnError: The outbox is full: await send(), or raise its bounds.");
  expect(Error.stackTraceLimit).toBe(stackTraceLimit);
});
