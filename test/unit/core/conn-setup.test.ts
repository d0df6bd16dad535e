import { describe, expect, test, vi } from "vitest";
import { fatal, json, type SetupContext } from "../../../src/index.ts";
import { openRig, pass, rig, story, tick, told, useFakeTime } from "../../support/conn.ts";

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
    const { conn, net } = rig<never, string>({ setup });
    conn.send("queued");
    await tick();
    net.last.open();
    await pass(1_000);
    expect(net.last.sent).toEqual(["auth"]);
    expect(conn.state).toBe("connecting");
    done();
    await tick();
    expect(net.last.sent).toEqual(["auth", "queued"]);
    expect(conn.state).toBe("open");
  });

  test("runs on each new connection, with the number of the attempt", async () => {
    const attempts: number[] = [];
    const { net, socket } = await openRig({ setup: ({ attempt }) => void attempts.push(attempt) });
    socket.drop();
    await pass(1_000);
    net.last.open();
    await tick();
    expect(attempts).toEqual([0, 1]);
  });

  test("receives in order, by the codec, and leaves the rest to the inbox, in order", async () => {
    const seen: unknown[] = [];
    const { conn, net } = rig({
      codec: json<number>(),
      setup: async ({ receive }) => {
        seen.push(await receive(), await receive());
      },
    });
    await tick();
    net.last.open();
    for (const text of ["1", "2", "3", "4"]) net.last.message(text);
    await tick();
    net.last.message("5");
    expect(seen).toEqual([1, 2]);
    expect([await conn.receive(), await conn.receive(), await conn.receive()]).toEqual([3, 4, 5]);
  });

  test("leaves the rest to a listener, after open is told", async () => {
    const { conn, net } = rig({ setup: () => {} });
    const events = story(conn);
    conn.on("message", (value) => events.push(`message ${value}`));
    await tick();
    net.last.open();
    net.last.message("a");
    expect(events).not.toContain("message a");
    await tick();
    expect(events).toEqual(["idle>connecting", "connecting>open", "open", "message a"]);
  });

  test("keeps its messages from the application", async () => {
    const { conn, net } = rig({ setup: async ({ receive }) => void (await receive()) });
    const heard = told(conn, "message");
    await tick();
    net.last.open();
    net.last.message("welcome");
    net.last.message("first");
    await tick();
    expect(heard).toEqual(["first"]);
  });

  test("that throws fails the attempt, and is told", async () => {
    const boom = new Error("boom");
    const { conn, net } = rig({ setup: () => Promise.reject(boom) });
    const [lost, errors, opens] = [told(conn, "disconnected"), told(conn, "error"), told(conn, "open")];
    await tick();
    net.last.open();
    await tick();
    expect(opens).toEqual([]);
    expect(lost).toMatchObject([{ wasOpen: false, willRetry: true, cause: { code: "setup", cause: boom } }]);
    expect(errors).toMatchObject([{ code: "setup", cause: boom }]);
    expect(net.last.goodbye).toBeDefined();
    await pass(1_000);
    expect(net.sockets).toHaveLength(2);
  });

  test("that throws fatal() ends the Conn with it", async () => {
    const { conn, net } = rig({
      setup: () => {
        throw fatal("bad password");
      },
    });
    await tick();
    net.last.open();
    const info = await conn.closed;
    expect(info).toMatchObject({ by: "policy", error: { cause: { code: "setup", message: "bad password" } } });
    expect(vi.getTimerCount()).toBe(0);
  });

  test("that hangs fails the attempt after connectTimeoutMs, by its signal too", async () => {
    let signal: AbortSignal | undefined;
    const { conn, net } = rig({
      connectTimeoutMs: 3_000,
      setup: (context) => {
        signal = context.signal;
        return never();
      },
    });
    await pass(1_000);
    net.last.open();
    await pass(1_999);
    expect(conn.state).toBe("connecting");
    await pass(1);
    expect(conn.state).toBe("waiting");
    expect(signal?.aborted).toBe(true);
    expect(net.last.goodbye).toBeDefined();
  });

  test("is woken when the connection is lost under it", async () => {
    const failures: unknown[] = [];
    const { conn, net } = rig({
      setup: ({ receive }) =>
        receive().then(
          () => {},
          (error) => void failures.push(error),
        ),
    });
    const errors = told(conn, "error");
    await tick();
    net.last.open();
    await tick();
    net.last.drop();
    await tick();
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
    const { net } = rig<unknown, string>({ setup });
    await tick();
    net.last.open();
    await tick();
    net.last.drop();
    expect(() => contexts[0]?.send("late")).toThrow(expect.objectContaining({ code: "closed" }));
    expect(net.last.sent).toEqual([]);
  });

  test("refuses what conn.send() would", async () => {
    const failures: unknown[] = [];
    const { net } = rig<string>({
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
    await tick();
    net.last.open();
    await tick();
    expect(failures).toMatchObject([{ code: "too-large" }, { code: "marshal" }]);
  });

  test("is no failure of the Conn when it is closed meanwhile", async () => {
    const { conn, net } = rig({ setup: ({ receive }) => receive().then(() => {}) });
    const errors = told(conn, "error");
    await tick();
    net.last.open();
    await tick();
    expect(await conn.close()).toMatchObject({ by: "local" });
    await tick();
    expect(errors).toEqual([]);
  });
});

test("what a failed setup left unread is dropped, and never reaches the application", async () => {
  const setup = async ({ receive }: SetupContext<unknown, unknown>) => {
    await receive();
    throw new Error("rejected");
  };
  const { conn, net } = rig({ setup });
  const dropped = told(conn, "dropped");
  await tick();
  net.last.open();
  net.last.message("nonce");
  net.last.message("login rejected");
  await tick();
  expect(conn.state).toBe("waiting");
  expect(dropped).toMatchObject([{ payload: "login rejected", direction: "in", error: { code: "setup" } }]);
  expect(conn.stats.inbox.messages).toBe(0);
});
