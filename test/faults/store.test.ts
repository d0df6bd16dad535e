import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, type TestContext, test } from "vitest";
import { json } from "../../src/codec/codec.ts";
import type { Conn } from "../../src/core/conn.ts";
import { handle, handler } from "../../src/server/index.ts";
import { type Status, status, store } from "../../src/store/index.ts";
import { type FaultProxy, faultProxy } from "../../src/testing/fault-proxy.ts";
import { until } from "./fault-scenario.ts";
import { connThrough, HEARTBEAT } from "./proxied-conn.ts";

const BEFORE = 50;
const AFTER = 50;
/** Adds up 1 to `n`. */
const sumTo = (n: number) => (n * (n + 1)) / 2;

interface Line {
  readonly proxy: FaultProxy;
  readonly conn: Conn<number, string>;
  /** Whether a handler has the client's connection. */
  isServed(): boolean;
  /** Sends the next numbers to every client that is there. */
  send(count: number): void;
}

/** A server of numbers, and a Conn to it through a proxy that breaks. */
async function line(isResumed: boolean, onTestFinished: TestContext["onTestFinished"]): Promise<Line> {
  const server = createServer();
  const codec = json<string, number>();
  const numbers = handler((conn) => conn.closed, { codec, heartbeat: HEARTBEAT, ...(isResumed && { resume: {} }) });
  handle(server, "/", numbers);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const proxy = await faultProxy((server.address() as AddressInfo).port);
  const conn = connThrough<number, string>(proxy, isResumed);
  onTestFinished(async () => {
    await conn.close();
    await proxy.close();
    server.closeAllConnections();
    server.close();
  });
  let last = 0;
  return {
    proxy,
    conn,
    isServed: () => numbers.conns.size > 0,
    send(count) {
      for (let i = 0; i < count; i++) {
        last++;
        for (const each of numbers.conns) each.send(last);
      }
    },
  };
}

const faults: Readonly<Record<string, (proxy: FaultProxy) => unknown>> = {
  "a FIN": (proxy) => proxy.cut(),
  "an RST": (proxy) => proxy.reset(),
  "a FIN in the middle of a frame": (proxy) => proxy.cutInFrame("client"),
  "a black hole": (proxy) => proxy.blackhole(),
  "a line of which the server's end is gone": (proxy) => proxy.halfOpen("server"),
  "a line of which the client's end is gone": (proxy) => proxy.halfOpen("client"),
  "a network that is gone": async (proxy) => {
    await proxy.refuse();
    proxy.cut();
  },
  "garbage instead of frames": (proxy) => proxy.inject("client"),
};

/** Records the statuses, and expects each to agree with the Conn. */
function recordStatus(conn: Conn<number, string>): Status[] {
  const seen: Status[] = [];
  status(conn).subscribe((now) => {
    expect(now.state).toBe(conn.state);
    seen.push(now);
  });
  return seen;
}

describe.each([true, false])("with resume: %s", (isResumed) => {
  test.concurrent.for(Object.entries(faults))("a store and a status survive %s", async ([, breakLine], context) => {
    const { proxy, conn, isServed, send } = await line(isResumed, context.onTestFinished);
    const total = store(conn, 0, (sum, number) => sum + number);
    const seen = recordStatus(conn);
    await conn.ready();
    await until(() => expect(isServed()).toBe(true));
    send(BEFORE);
    await until(() => expect(total.get()).toBe(sumTo(BEFORE)));

    await breakLine(proxy);
    send(AFTER);
    await until(() => expect(conn.state).not.toBe("open"));
    const away = status(conn).get();
    expect(away.since).toBeLessThanOrEqual(Date.now());
    if (away.state === "waiting") expect(away.retryAt).toBeGreaterThan(away.since - 1);
    await proxy.heal();
    await conn.ready();

    expect(status(conn).get()).toMatchObject({ state: "open", attempt: 0, retryAt: undefined, resumed: isResumed });
    expect(seen.map(({ state }) => state)).toContain("waiting");
    expect(conn.stats.inbox.messages).toBe(0);
    // With resume nothing is missed; without, the value goes on from what came.
    const before = total.get();
    if (isResumed) await until(() => expect(total.get()).toBe(sumTo(BEFORE + AFTER)));
    else {
      await until(() => expect(isServed()).toBe(true));
      send(1);
      await until(() => expect(total.get()).toBe(before + BEFORE + AFTER + 1));
    }
  });
});
