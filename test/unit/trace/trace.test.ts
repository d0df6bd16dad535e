import { describe, expect, test } from "vitest";
import { trace } from "../../../src/trace/index.ts";
import { advance, createConn, openConn, settleMicrotasks, thrown, useFakeTime } from "../../support/conn.ts";

useFakeTime();

describe("trace()", () => {
  test("records a life in order, with codes, causes and waits", async () => {
    const { conn, net } = createConn({}, "ws://user:pass@x.test/live?token=secret");
    const record = trace(conn);
    await settleMicrotasks();
    net.last.error("connect ECONNREFUSED 127.0.0.1:1");
    await advance(1_000);
    net.last.open({ protocol: "" });
    await settleMicrotasks();
    net.last.drop(4404, "no such room", true);
    expect(record.entries.map(({ event, text }) => [event, text])).toEqual([
      ["state", "idle > connecting"],
      ["state", "connecting > waiting"],
      ["disconnected", "code 1006, not clean, was not open, will retry, connect ECONNREFUSED 127.0.0.1:1"],
      ["waiting", "attempt 1 in 1000 ms, backoff"],
      ["state", "waiting > connecting"],
      ["state", "connecting > open"],
      ["open", "attempt 1"],
      ["state", "open > closed"],
      ["disconnected", 'code 4404, reason "no such room", clean, was open, final'],
      ["closed", 'by policy, code 4404, reason "no such room", clean, ConnError: Ended by policy, 4404: no such room.'],
    ]);
    expect(record.forgotten).toBe(0);
  });

  test("prints a report without the query, the credentials or a payload", async () => {
    const { conn, net } = createConn({ outbox: { maxMessages: 1 } }, "ws://user:pass@x.test/live?token=secret");
    const record = trace(conn);
    conn.send("waits secretly");
    conn.send("dropped secretly");
    await settleMicrotasks();
    net.last.open();
    await settleMicrotasks();
    net.last.message("a secret answer");
    await advance(1_500);
    net.last.drop();
    const report = String(record);
    expect(report).not.toMatch(/secret|user|pass/);
    expect(report).toContain("of ws://…@x.test/live?…, waiting\n1 opens, 1 sent, 1 received, outbox 0 (0 B)");
    expect(report).toContain("    +0.000 s  dropped       out, outbox-full 1 (16 B)");
    expect(report).toMatch(/\+1\.500 s {2}disconnected {2}code 1006, not clean, was open, will retry/);
    expect(report).toContain("connecting > open, [1 sent]");
    expect(report).toContain("open > waiting, [1 received]");
  });

  test("keeps payloads where it is asked to, shortened", async () => {
    const { conn } = createConn({ autoConnect: false });
    const record = trace(conn, { payloads: true });
    conn.send("a text");
    conn.send(new Uint8Array([1, 255]));
    conn.send("x".repeat(5_000));
    await conn.close();
    const { text } = record.entries.at(-1) as { text: string };
    expect(text).toContain('unsent 3 (5008 B): "a text" 01ff "xxx');
    expect(text.length).toBeLessThan(1_200);
  });

  test("keeps the newest entries, and counts those that it forgot", async () => {
    const { conn, net } = createConn({ backoff: () => 1_000 });
    const record = trace(conn, { last: 3 });
    await settleMicrotasks();
    for (let n = 0; n < 5; n++) {
      net.last.refuse();
      await advance(1_000);
    }
    expect(record.entries).toHaveLength(3);
    expect(record.entries.map(({ event }) => event)).toEqual(["disconnected", "waiting", "state"]);
    expect(record.forgotten).toBe(18);
    expect(String(record)).toContain("… 18 entries before");
    expect(record.entries).toEqual(record.entries);
  });

  test("takes no message from a Conn that is pulled from", async () => {
    const { conn, socket } = await openConn();
    trace(conn);
    socket.message("mine");
    expect(await conn.receive()).toBe("mine");
  });

  test("records nothing after stop(), and keeps its entries", async () => {
    const { conn, net } = createConn();
    const record = trace(conn);
    await settleMicrotasks();
    record.stop();
    net.last.open();
    await settleMicrotasks();
    expect(record.entries.map(({ text }) => text)).toEqual(["idle > connecting"]);
  });

  test("survives errors that have no text, and causes that go in a circle", async () => {
    const circle = new Error("circle");
    circle.cause = circle;
    for (const cause of [Object.create(null), Symbol("odd"), circle]) {
      const { conn, net } = createConn({
        setup: () => {
          throw cause;
        },
      });
      const record = trace(conn);
      await settleMicrotasks();
      net.last.open();
      await settleMicrotasks();
      expect(record.entries.map(({ event }) => event)).toContain("error");
      await conn.close();
    }
  });

  test.for([{ last: 0 }, { last: 1.5 }, { last: 100_001 }, { last: "5" }, { payloads: 1 }, { lasts: 5 }])(
    "refuses the options %j",
    (options) => {
      const { conn } = createConn({ autoConnect: false });
      expect(thrown(() => trace(conn, options as object))).toMatchObject({ code: "bad-option" });
    },
  );

  test("refuses what is no Conn", () => {
    expect(thrown(() => trace({} as never))).toMatchObject({ code: "bad-option" });
  });
});
