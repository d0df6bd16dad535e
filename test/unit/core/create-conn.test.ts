import { describe, expect, test } from "vitest";
import { SERVER_CODES } from "../../../src/base/close-codes.ts";
import type { ConnectionSource } from "../../../src/core/connect-attempt.ts";
import { createConn } from "../../../src/core/create-conn.ts";
import type { Payload } from "../../../src/index.ts";
import type { Socket, SocketOwner } from "../../../src/socket/socket.ts";
import { advance, record, settleMicrotasks, useFakeTime } from "../../support/conn.ts";

useFakeTime();

/** A source that accepts one connection, as a server has it. */
function accepted(rest: Partial<ConnectionSource> = {}) {
  let owner: SocketOwner | undefined;
  const left: unknown[] = [];
  const socket: Socket = {
    bufferedAmount: 0,
    write: () => true,
    drain: () => Promise.resolve(),
    close() {},
    abandon: (code) => void left.push(code),
    handOver(next) {
      owner = next;
    },
    activity: () => 0,
  };
  const source: ConnectionSource = {
    retryReason: false,
    closeCodes: SERVER_CODES,
    open(_target, _options, first) {
      owner = first;
      queueMicrotask(() => first.onOpen("", ""));
      return socket;
    },
    ...rest,
  };
  return { source, left, socketOwner: () => owner as SocketOwner };
}

const options = { lifecycle: false, heartbeat: false } as const;

describe("createConn()", () => {
  test("takes its connection from the source, and hands the socket over when it is ready", async () => {
    const { source, socketOwner } = accepted();
    const conn = createConn<Payload, Payload>("ws://x.test/", options, source);
    const messages = record(conn, "message");
    await settleMicrotasks();
    expect(conn.state).toBe("open");
    socketOwner().onMessage("hello");
    expect(messages).toEqual(["hello"]);
  });

  test("gives an error that a listener throws to the source, and calls the other listeners", async () => {
    const errors: unknown[] = [];
    const { source, socketOwner } = accepted({ onListenerError: (error) => errors.push(error) });
    const conn = createConn<Payload, Payload>("ws://x.test/", options, source);
    const boom = new Error("boom");
    conn.on("message", () => {
      throw boom;
    });
    const messages = record(conn, "message");
    await settleMicrotasks();
    socketOwner().onMessage("hello");
    expect(errors).toEqual([boom]);
    expect(messages).toEqual(["hello"]);
  });

  test("waits for retryDelayMs, whatever backoff and the peer's close reason say", async () => {
    const { source, socketOwner } = accepted({ retryReason: "peer", retryDelayMs: () => 60_000 });
    const conn = createConn<Payload, Payload>("ws://x.test/", { ...options, backoff: () => 1 }, source);
    await settleMicrotasks();
    socketOwner().onEnd({ code: 1012, reason: "retry=5", clean: true });
    expect(conn.waiting).toEqual({ attempt: 1, retryAt: Date.now() + 60_000, reason: "peer" });
  });

  test("sends a close code to a client whose setup failed, because the client would come back otherwise", async () => {
    const { source, left } = accepted();
    const conn = createConn<Payload, Payload>(
      "ws://x.test/",
      {
        ...options,
        setup: () => {
          throw new Error("boom");
        },
      },
      source,
    );
    expect(await conn.closed).toMatchObject({ by: "gave-up" });
    expect(left).toEqual([1011]);
  });

  test("rejects a send to a Conn that is ending, and throws nothing", async () => {
    const { source, socketOwner } = accepted();
    const conn = createConn<Payload, Payload>("ws://x.test/", options, source);
    await settleMicrotasks();
    conn.close(1001);
    await expect(conn.send("x")).rejects.toMatchObject({ code: "closed" });
    socketOwner().onEnd({ code: 1001, reason: "", clean: true });
    await advance(0);
    await expect(conn.send("x")).rejects.toMatchObject({ code: "closed" });
  });
});
