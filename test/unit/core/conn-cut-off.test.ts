import { describe, expect, test, vi } from "vitest";
import { ConnError, type ConnOptions, fatal, type Payload, type SetupContext } from "../../../src/index.ts";
import { advance, createConn, record, recordAll, settleMicrotasks, useFakeTime } from "../../support/conn.ts";

useFakeTime();

type Setup = NonNullable<ConnOptions<Payload, string>["setup"]>;

const SETUPS: Readonly<Record<string, Setup>> = {
  sends: ({ send }) => send("login"),
  "sends and passes on the error as its own": async ({ send }) => {
    try {
      send("login");
    } catch (cause) {
      throw new Error("login failed", { cause });
    }
  },
  "sends and takes the error for a final one": ({ send }) => {
    try {
      send("login");
    } catch (cause) {
      throw fatal("login failed", cause);
    }
  },
  "sends and swallows the error": async ({ send }) => {
    try {
      send("login");
    } catch {
      // A setup may do so.
    }
  },
  "sends, then waits for something else": async ({ send }) => {
    try {
      send("login");
    } finally {
      await new Promise(() => {});
    }
  },
  receives: async ({ receive }) => void (await receive()),
};

describe.for(Object.keys(SETUPS))("a connection that is closed at once, under a setup that %s", (name) => {
  const setup = SETUPS[name] as Setup;

  async function closedAtOnce(code: number, reason: string, options: ConnOptions<Payload, string> = {}) {
    const { conn, net } = createConn<Payload, string>({ setup, ...options });
    const [ends, errors] = [record(conn, "disconnected"), record(conn, "error")];
    await settleMicrotasks();
    net.last.open();
    // The close frame is here, and the end of the connection is not yet.
    net.last.die();
    await advance(20);
    const before = ends.length;
    net.last.drop(code, reason, true);
    await settleMicrotasks();
    return { conn, net, ends, errors, before };
  }

  test.for([
    [4404, "gone", "closed"],
    // A setup may bring other credentials: one more attempt.
    [4401, "", "waiting"],
    [1008, "banned", "closed"],
    [1013, "retry=5000", "waiting"],
    [1011, "", "waiting"],
  ] as const)("by %i ends with that code", async ([code, reason, state]) => {
    const { conn, ends, errors, before } = await closedAtOnce(code, reason);
    expect(before).toBe(0);
    expect(ends).toMatchObject([{ code, reason, clean: true, wasOpen: false }]);
    expect(errors).toEqual([]);
    expect(conn.state).toBe(state);
  });

  test("by 1013 waits as long as the server requests", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    const { conn } = await closedAtOnce(1013, "retry=5000");
    expect(conn.waiting).toMatchObject({ reason: "server", retryAt: Date.now() + 5_000 });
  });
});

test("a connection that ends in setup without saying so fails the attempt after connectTimeoutMs", async () => {
  const setup = ({ send }: SetupContext<unknown, string>) => send("login");
  const { conn, net } = createConn({ setup, connectTimeoutMs: 3_000 });
  const ends = record(conn, "disconnected");
  await settleMicrotasks();
  net.last.open();
  net.last.die();
  await advance(2_999);
  expect(ends).toEqual([]);
  await advance(1);
  expect(ends).toMatchObject([{ code: 1006, cause: { code: "timeout", cause: { code: "setup" } } }]);
});

test("an error of setup's own fails the attempt at once, because the connection is not ending", async () => {
  const setup = async ({ send }: SetupContext<unknown, string>) => {
    send("login");
    throw new Error("no");
  };
  const { conn, net } = createConn({ setup });
  const ends = record(conn, "disconnected");
  await settleMicrotasks();
  net.last.open();
  await settleMicrotasks();
  expect(ends).toMatchObject([{ code: 1006, cause: { code: "setup", message: "setup failed: Error: no" } }]);
});

test("an end in the same turn as the opening is the end of a connection, and its messages arrive first", async () => {
  const { conn, net } = createConn();
  const events = recordAll(conn);
  conn.on("message", (message) => events.push(`message ${message}`));
  await settleMicrotasks();
  net.last.open();
  net.last.message("you are banned");
  net.last.drop(4403, "", true);
  expect(events).toEqual(["idle>connecting"]);
  await settleMicrotasks();
  expect(events).toEqual([
    "idle>connecting",
    "connecting>open",
    "open",
    "message you are banned",
    "open>closed",
    "disconnected",
    "closed",
  ]);
});

test("a Conn that is left in the same turn as the opening keeps the messages that came", async () => {
  const { conn, net } = createConn();
  await settleMicrotasks();
  net.last.open();
  net.last.message("hello");
  conn.reconnect();
  expect(await conn.receive()).toBe("hello");
});

describe("a socket whose send() throws", () => {
  const broken = new DOMException("The object is gone", "InvalidStateError");

  test("ends the connection, and what was to be sent goes out on the next one, in order", async () => {
    const { conn, net } = createConn<Payload, string>();
    const ends = record(conn, "disconnected");
    await settleMicrotasks();
    net.last.open();
    await settleMicrotasks();
    net.last.send = () => {
      throw broken;
    };
    const sent = [conn.send("a"), conn.send("b")];
    expect(conn.state).toBe("open");
    await settleMicrotasks();
    expect(ends).toMatchObject([{ code: 1006, clean: false, wasOpen: true, willRetry: true, cause: broken }]);
    await advance(1_000);
    net.last.open();
    await Promise.all(sent);
    expect(net.last.sent).toEqual(["a", "b"]);
  });

  test("in setup fails the attempt with that error", async () => {
    const { conn, net } = createConn<Payload, string>({ setup: ({ send }) => send("login") });
    const ends = record(conn, "disconnected");
    await settleMicrotasks();
    net.last.send = () => {
      throw broken;
    };
    net.last.open();
    await settleMicrotasks();
    expect(ends).toMatchObject([{ code: 1006, wasOpen: false, cause: broken }]);
    expect(conn.state).toBe("waiting");
  });

  test("for the heartbeat's ping ends the connection, too", async () => {
    const { conn, net } = createConn({ heartbeat: { intervalMs: 100, ping: () => "ping", isPong: () => false } });
    const ends = record(conn, "disconnected");
    await settleMicrotasks();
    net.last.open();
    await settleMicrotasks();
    net.last.send = () => {
      throw broken;
    };
    await advance(100);
    expect(ends).toMatchObject([{ cause: broken }]);
  });
});

test("a thrown Symbol, and an object without prototype, are reported like any error", async () => {
  for (const thrown of [Symbol("odd"), Object.create(null), new ConnError("misuse", "x"), undefined]) {
    const { conn, net } = createConn({
      setup: () => {
        throw thrown;
      },
      backoff: () => {
        throw thrown;
      },
    });
    const errors = record(conn, "error");
    await settleMicrotasks();
    net.last.open();
    await settleMicrotasks();
    expect(conn.state).toBe("waiting");
    expect(errors.map(({ code, cause }) => [code, cause])).toEqual([
      ["setup", thrown],
      ["provider", thrown],
    ]);
    await conn.close();
  }
});
