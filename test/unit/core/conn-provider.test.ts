import { describe, expect, test } from "vitest";
import { fatal, type ProviderContext } from "../../../src/index.ts";
import { advance, createConn, record, settleMicrotasks, useFakeTime } from "../../support/conn.ts";

useFakeTime();

const never = () => new Promise<never>(() => {});

describe("a provider", () => {
  test("of the URL is called for each attempt, with the reason why the last one ended", async () => {
    const asked: ProviderContext[] = [];
    const { conn, net } = createConn({}, async (about) => {
      asked.push(about);
      return `ws://x.test/${about.attempt}`;
    });
    expect(conn.url).toBe("");
    await settleMicrotasks();
    expect(conn.url).toBe("ws://x.test/0");
    net.last.open();
    net.last.drop(4401, "who?", true);
    await advance(1_000);
    expect(net.sockets.map(({ url }) => url)).toEqual(["ws://x.test/0", "ws://x.test/1"]);
    expect(asked).toMatchObject([
      { attempt: 0, previous: undefined },
      { attempt: 1, previous: { code: 4401, reason: "who?", wasOpen: true, willRetry: true } },
    ]);
  });

  test("of protocols is asked on each attempt", async () => {
    const { net } = createConn({ protocols: ({ attempt }) => [`v${attempt}`] });
    await settleMicrotasks();
    net.last.refuse();
    await advance(1_000);
    expect(net.sockets.map(({ protocols }) => protocols)).toEqual([["v0"], ["v1"]]);
  });

  test("that throws fails the attempt, and emits an error", async () => {
    const boom = new Error("boom");
    const { conn, net } = createConn({}, () => {
      throw boom;
    });
    const [lost, errors] = [record(conn, "disconnected"), record(conn, "error")];
    await settleMicrotasks();
    expect(lost).toMatchObject([
      { code: 1006, wasOpen: false, willRetry: true, cause: { code: "provider", cause: boom } },
    ]);
    expect(errors).toMatchObject([{ code: "provider", cause: boom }]);
    expect(net.sockets).toHaveLength(0);
    expect(conn.state).toBe("waiting");
  });

  test("that throws fatal() ends the Conn", async () => {
    const { conn } = createConn({ protocols: () => Promise.reject(fatal("no licence")) });
    expect(await conn.closed).toMatchObject({ by: "policy", error: { cause: { message: "no licence" } } });
  });

  test("that never settles fails the attempt after connectTimeoutMs, by its signal too", async () => {
    let signal: AbortSignal | undefined;
    const { conn } = createConn({}, (about) => {
      signal = about.signal;
      return never();
    });
    await advance(9_999);
    expect(signal?.aborted).toBe(false);
    await advance(1);
    expect(signal?.aborted).toBe(true);
    expect(conn.state).toBe("waiting");
  });

  test("that answers after close() dials no more", async () => {
    let answer = (_url: string) => {};
    const { conn, net } = createConn({}, ({ signal }) => {
      signal.addEventListener("abort", () => answer("ws://x.test/"));
      return new Promise((resolve) => {
        answer = resolve;
      });
    });
    await settleMicrotasks();
    await conn.close();
    await settleMicrotasks();
    expect(net.sockets).toHaveLength(0);
  });

  test("that returns a bad URL fails the attempt, and emits an error", async () => {
    const { conn } = createConn({}, () => "nonsense");
    const [lost, errors] = [record(conn, "disconnected"), record(conn, "error")];
    await settleMicrotasks();
    expect(lost).toMatchObject([{ willRetry: true, cause: { code: "provider", cause: { code: "bad-url" } } }]);
    expect(errors).toEqual([lost[0]?.cause]);
  });

  test.for([[["a", "a"]], ["a b"], [undefined], [null], [[5]]])(
    "that answers %j, which are no protocols, fails the attempt, and emits an error",
    async ([given]) => {
      const { conn, net } = createConn({ protocols: ({ attempt }) => (attempt === 0 ? (given as string) : "a") });
      const [lost, errors] = [record(conn, "disconnected"), record(conn, "error")];
      await settleMicrotasks();
      expect(lost).toMatchObject([{ willRetry: true, cause: { code: "provider", cause: { code: "bad-option" } } }]);
      expect(errors).toEqual([lost[0]?.cause]);
      await advance(1_000);
      expect(net.sockets.map(({ protocols }) => protocols)).toEqual([["a"]]);
    },
  );
});
