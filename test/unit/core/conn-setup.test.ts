import { describe, expect, test, vi } from "vitest";
import { fatal, json, type SetupContext } from "../../../src/index.ts";
import { advance, createConn, openConn, record, recordAll, settleMicrotasks, useFakeTime } from "../../support/conn.ts";

useFakeTime();

const never = () => new Promise<never>(() => {});

describe("setup", () => {
  test("is ahead of everything queued", async () => {
    let done = () => {};
    const setup = ({ send }: SetupContext<unknown, unknown>) => {
      send("auth");
      return new Promise<void>((resolve) => {
        done = resolve;
      });
    };
    const { conn, net } = createConn<never, string>({ setup });
    conn.send("queued");
    await settleMicrotasks();
    net.last.open();
    await advance(1_000);
    expect(net.last.sent).toEqual(["auth"]);
    expect(conn.state).toBe("connecting");
    done();
    await settleMicrotasks();
    expect(net.last.sent).toEqual(["auth", "queued"]);
    expect(conn.state).toBe("open");
  });

  test("runs on each new connection, with the number of the attempt", async () => {
    const attempts: number[] = [];
    const { net, socket } = await openConn({ setup: ({ attempt }) => void attempts.push(attempt) });
    socket.drop();
    await advance(1_000);
    net.last.open();
    await settleMicrotasks();
    expect(attempts).toEqual([0, 1]);
  });

  test("receives in order, by the codec, and leaves the rest to the inbox, in order", async () => {
    const seen: unknown[] = [];
    const { conn, net } = createConn({
      codec: json<number>(),
      setup: async ({ receive }) => {
        seen.push(await receive(), await receive());
      },
    });
    await settleMicrotasks();
    net.last.open();
    for (const text of ["1", "2", "3", "4"]) net.last.message(text);
    await settleMicrotasks();
    net.last.message("5");
    expect(seen).toEqual([1, 2]);
    expect([await conn.receive(), await conn.receive(), await conn.receive()]).toEqual([3, 4, 5]);
  });

  test("leaves the rest to a listener, after open is emitted", async () => {
    const { conn, net } = createConn({ setup: () => {} });
    const events = recordAll(conn);
    conn.on("message", (value) => events.push(`message ${value}`));
    await settleMicrotasks();
    net.last.open();
    net.last.message("a");
    expect(events).not.toContain("message a");
    await settleMicrotasks();
    expect(events).toEqual(["idle>connecting", "connecting>open", "open", "message a"]);
  });

  test("keeps its messages from the application", async () => {
    const { conn, net } = createConn({ setup: async ({ receive }) => void (await receive()) });
    const heard = record(conn, "message");
    await settleMicrotasks();
    net.last.open();
    net.last.message("welcome");
    net.last.message("first");
    await settleMicrotasks();
    expect(heard).toEqual(["first"]);
  });

  test("that throws fails the attempt, and emits an error", async () => {
    const boom = new Error("boom");
    const { conn, net } = createConn({ setup: () => Promise.reject(boom) });
    const [lost, errors, opens] = [record(conn, "disconnected"), record(conn, "error"), record(conn, "open")];
    await settleMicrotasks();
    net.last.open();
    await settleMicrotasks();
    expect(opens).toEqual([]);
    expect(lost).toMatchObject([{ wasOpen: false, willRetry: true, cause: { code: "setup", cause: boom } }]);
    expect(errors).toMatchObject([{ code: "setup", cause: boom }]);
    expect(net.last.closedWith).toEqual({});
    await advance(1_000);
    expect(net.sockets).toHaveLength(2);
  });

  test("that throws fatal() ends the Conn with it", async () => {
    const { conn, net } = createConn({
      setup: () => {
        throw fatal("bad password");
      },
    });
    await settleMicrotasks();
    net.last.open();
    const info = await conn.closed;
    expect(info).toMatchObject({ by: "policy", error: { cause: { code: "setup", message: "bad password" } } });
    expect(vi.getTimerCount()).toBe(0);
  });

  test("that hangs fails the attempt after connectTimeoutMs, by its signal too", async () => {
    let signal: AbortSignal | undefined;
    const { conn, net } = createConn({
      connectTimeoutMs: 3_000,
      setup: (context) => {
        signal = context.signal;
        return never();
      },
    });
    await advance(1_000);
    net.last.open();
    await advance(1_999);
    expect(conn.state).toBe("connecting");
    await advance(1);
    expect(conn.state).toBe("waiting");
    expect(signal?.aborted).toBe(true);
    expect(net.last.closedWith).toEqual({});
  });

  test("is woken when the connection is lost under it", async () => {
    const failures: unknown[] = [];
    const { conn, net } = createConn({
      setup: ({ receive }) =>
        receive().then(
          () => {},
          (error) => void failures.push(error),
        ),
    });
    const errors = record(conn, "error");
    await settleMicrotasks();
    net.last.open();
    await settleMicrotasks();
    net.last.drop();
    await settleMicrotasks();
    expect(failures).toMatchObject([{ code: "aborted" }]);
    expect(errors).toEqual([]);
    expect(conn.state).toBe("waiting");
  });

  test("can't send on a connection that is gone", async () => {
    const contexts: SetupContext<unknown, string>[] = [];
    const setup = (context: SetupContext<unknown, string>) => {
      contexts.push(context);
      return never();
    };
    const { net } = createConn<unknown, string>({ setup });
    await settleMicrotasks();
    net.last.open();
    await settleMicrotasks();
    net.last.drop();
    expect(() => contexts[0]?.send("late")).toThrow(expect.objectContaining({ code: "closed" }));
    expect(net.last.sent).toEqual([]);
  });

  test("refuses what conn.send() would", async () => {
    const failures: unknown[] = [];
    const { net } = createConn<string>({
      maxSendBytes: 3,
      setup: ({ send }) => {
        for (const value of ["long", 1 as unknown as string]) {
          try {
            send(value);
          } catch (error) {
            failures.push(error);
          }
        }
      },
    });
    await settleMicrotasks();
    net.last.open();
    await settleMicrotasks();
    expect(failures).toMatchObject([{ code: "too-large" }, { code: "marshal" }]);
  });

  test("is no failure of the Conn when it is closed meanwhile", async () => {
    const { conn, net } = createConn({ setup: ({ receive }) => receive().then(() => {}) });
    const errors = record(conn, "error");
    await settleMicrotasks();
    net.last.open();
    await settleMicrotasks();
    expect(await conn.close()).toMatchObject({ by: "local" });
    await settleMicrotasks();
    expect(errors).toEqual([]);
  });
});

test("what a failed setup left unread is dropped, and never reaches the application", async () => {
  const setup = async ({ receive }: SetupContext<unknown, unknown>) => {
    await receive();
    throw new Error("rejected");
  };
  const { conn, net } = createConn({ setup });
  const dropped = record(conn, "dropped");
  await settleMicrotasks();
  net.last.open();
  net.last.message("nonce");
  net.last.message("login rejected");
  await settleMicrotasks();
  expect(conn.state).toBe("waiting");
  expect(dropped).toMatchObject([{ payload: "login rejected", direction: "in", error: { code: "setup" } }]);
  expect(conn.stats.inbox.messages).toBe(0);
});
