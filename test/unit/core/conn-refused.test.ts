import { describe, expect, test } from "vitest";
import type { Payload, ProviderContext } from "../../../src/index.ts";
import { advance, createConn, record, settleMicrotasks, useFakeTime } from "../../support/conn.ts";
import type { FakeNet } from "../../support/fake-socket.ts";

useFakeTime();

async function refuse(net: FakeNet, code = 4401): Promise<void> {
  net.last.open();
  await settleMicrotasks();
  net.last.drop(code, "token expired", true);
  await settleMicrotasks();
}

describe("a provider that renews a token", () => {
  test("is given the refusal as previous until it has succeeded, with its own failures", async () => {
    const seen: unknown[] = [];
    let failures = 2;
    const url = ({ previous }: ProviderContext) => {
      seen.push(previous && [previous.code, previous.failures.length]);
      if (previous?.code === 4401 && failures-- > 0) throw new Error("the refresh endpoint is down");
      return `ws://x.test/?token=${previous?.code === 4401 ? "fresh" : "stale"}`;
    };
    const { conn, net } = createConn({}, url);
    await settleMicrotasks();
    expect(net.last.url).toContain("stale");
    await refuse(net);
    await advance(10_000);
    expect(seen).toEqual([undefined, [4401, 0], [4401, 1], [4401, 2]]);
    expect(net.last.url).toContain("fresh");
    net.last.open();
    await settleMicrotasks();
    expect(conn.state).toBe("open");
  });

  test("is given the refusal also after it hung until the end of its attempt", async () => {
    const seen: unknown[] = [];
    const url = ({ previous, signal }: ProviderContext) => {
      seen.push(previous?.code);
      return seen.length === 2
        ? new Promise<string>((_resolve, reject) => signal.addEventListener("abort", reject))
        : "ws://x.test/";
    };
    const { net } = createConn({ connectTimeoutMs: 1_000 }, url);
    await settleMicrotasks();
    await refuse(net);
    await advance(10_000);
    expect(seen.slice(0, 3)).toEqual([undefined, 4401, 4401]);
  });

  test("is given a failed dial as previous, because that is an ending of its own", async () => {
    const seen: unknown[] = [];
    const { net } = createConn({}, ({ previous }) => {
      seen.push(previous?.code);
      return "ws://x.test/";
    });
    await settleMicrotasks();
    await refuse(net);
    await advance(1_000);
    net.last.refuse();
    await advance(5_000);
    expect(seen).toEqual([undefined, 4401, 1006]);
  });

  test("keeps at most ten failures", async () => {
    let last: ProviderContext["previous"];
    const url = ({ previous }: ProviderContext) => {
      last = previous;
      if (previous) throw new Error("down");
      return "ws://x.test/";
    };
    const { net } = createConn({ backoff: () => 250 }, url);
    await settleMicrotasks();
    await refuse(net);
    await advance(250 * 20);
    expect(last?.failures).toHaveLength(10);
    expect(last?.failures[0]).toMatchObject({ code: "provider" });
  });
});

describe("after a refusal for want of authentication", () => {
  const provided = () => "ws://x.test/";

  async function refusedOnce(options = {}) {
    const rig = createConn<Payload, string>(options, provided);
    await settleMicrotasks();
    await refuse(rig.net);
    const sent = rig.conn.send("waits");
    await advance(1_000);
    rig.net.last.open();
    await settleMicrotasks();
    expect(rig.conn.state).toBe("open");
    return { ...rig, sent };
  }

  test("the queue waits on the next connection, and a second refusal loses nothing", async () => {
    const { conn, net } = await refusedOnce();
    await advance(999);
    expect(net.last.sent).toEqual([]);
    net.last.drop(4401, "still expired", true);
    expect(await conn.closed).toMatchObject({ code: 4401, unsent: ["waits"] });
  });

  test("the queue goes when the server has sent something", async () => {
    const { conn, net, sent } = await refusedOnce();
    conn.send("later");
    net.last.message("welcome");
    await sent;
    expect(net.last.sent).toEqual(["waits", "later"]);
  });

  test("the queue goes after 1 s", async () => {
    const { net, sent } = await refusedOnce();
    await advance(1_000);
    await sent;
    expect(net.last.sent).toEqual(["waits"]);
  });

  test("the queue goes after holdAfterRefusalMs, and at once where it is 0", async () => {
    const long = await refusedOnce({ holdAfterRefusalMs: 3_000 });
    await advance(2_999);
    expect(long.net.last.sent).toEqual([]);
    await advance(1);
    expect(long.net.last.sent).toEqual(["waits"]);
    const none = await refusedOnce({ holdAfterRefusalMs: 0 });
    expect(none.net.last.sent).toEqual(["waits"]);
  });

  test("the queue goes at once where setup has heard of the server", async () => {
    let attempts = 0;
    const { conn, net } = createConn<Payload, string>(
      {
        setup: async ({ receive }) => {
          if (attempts++ > 0) await receive();
        },
      },
      provided,
    );
    await settleMicrotasks();
    await refuse(net);
    conn.send("waits");
    await advance(1_000);
    net.last.open();
    net.last.message("welcome");
    await settleMicrotasks();
    expect(net.last.sent).toEqual(["waits"]);
  });

  test("close() sends what waits before its close frame", async () => {
    const { conn, net } = await refusedOnce();
    const closed = conn.close();
    await advance(1_000);
    expect(net.last.sent).toEqual(["waits"]);
    expect(await closed).toMatchObject({ code: 1000, clean: true, unsent: [] });
  });

  test("a connection that lasted ends the caution", async () => {
    const { conn, net } = await refusedOnce();
    await advance(6_000);
    net.last.drop();
    conn.send("b");
    await advance(1_000);
    net.last.open();
    await settleMicrotasks();
    expect(net.last.sent).toEqual(["b"]);
  });

  test("no timer outlives the connection", async () => {
    const { conn, net } = await refusedOnce();
    const ends = record(conn, "disconnected");
    net.last.drop();
    await advance(500);
    expect(ends).toMatchObject([{ code: 1006, wasOpen: true }]);
    await advance(1_000);
    expect(net.last.sent).toEqual([]);
  });
});
