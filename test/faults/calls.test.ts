import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, type TestContext, test } from "vitest";
import { json } from "../../src/codec/codec.ts";
import { Conn } from "../../src/core/conn.ts";
import { type Peer, type RpcConn, rpc } from "../../src/rpc/index.ts";
import { handle, handler } from "../../src/server/index.ts";
import { until } from "./fault-scenario.ts";
import { type ProxiedConn, startProxiedConn } from "./proxied-conn.ts";

const CALLS = 1_000;

interface Api {
  work(params: { n: number }): number;
  echo(params: { n: number }): number;
}
type Outcome = number | string;

interface Line extends ProxiedConn {
  readonly peer: Peer<Api>;
  /** How often the server ran each call, by its number. */
  readonly runs: Map<number, number>;
  /** Lets the handlers end that run now and later. */
  release(): void;
}

/** A server whose handlers hold their answers back, and a peer to it through a proxy that breaks. */
async function makeLine(isResumed: boolean, context: TestContext): Promise<Line> {
  const runs = new Map<number, number>();
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const handlers = {
    async work({ n }: { n: number }) {
      runs.set(n, (runs.get(n) ?? 0) + 1);
      await released;
      return n;
    },
    echo: ({ n }: { n: number }) => n,
  };
  const line = await startProxiedConn(
    context,
    isResumed,
    (conn) => rpc<object, Api>(conn, { handlers, maxHandlers: 2 * CALLS }).closed,
  );
  // As many calls as are in flight: a call that stays pending takes the place of a later one.
  return { ...line, peer: rpc<Api>(line.conn, { maxCalls: CALLS }), runs, release };
}

/** Makes 1,000 calls, and records each outcome: the result, or the code of the error. */
function callAll({ peer }: Line, options = {}): { readonly outcomes: Outcome[][]; readonly done: Promise<unknown> } {
  const outcomes: Outcome[][] = Array.from({ length: CALLS }, () => []);
  const calls = outcomes.map((list, n) =>
    peer.call("work", { n }, options).then(
      (result) => list.push(result),
      (error) => list.push(error.code),
    ),
  );
  return { outcomes, done: Promise.all(calls) };
}

const allOf = (outcome: Outcome) => Array.from({ length: CALLS }, () => [outcome]);
const allResults = () => Array.from({ length: CALLS }, (_, n) => [n]);

/** Expects the line to work, with as much room for calls as at first. */
async function expectAlive({ peer }: Line): Promise<void> {
  const calls = Array.from({ length: CALLS }, (_, n) => peer.call("echo", { n }, { retry: true }));
  expect(await Promise.all(calls)).toEqual(calls.map((_, n) => n));
}

const untilAllRun = ({ runs }: Line) => until(() => expect(runs.size).toBe(CALLS));

const drops: Readonly<Record<string, (line: Line) => unknown>> = {
  "a FIN": ({ proxy }) => proxy.cut(),
  "an RST": ({ proxy }) => proxy.reset(),
  "a black hole": ({ proxy }) => proxy.blackhole(),
  "a line of which the server's end is gone": ({ proxy }) => proxy.halfOpen("server"),
  "a line of which the client's end is gone": ({ proxy }) => proxy.halfOpen("client"),
};
const faults = { ...drops, "a restarted server": ({ restart }: Line) => restart() };

describe("1,000 calls in flight, without resume", () => {
  test.concurrent.for(Object.entries(faults))("are interrupted by %s, once each", async ([, breakLine], context) => {
    const line = await makeLine(false, context);
    const { outcomes, done } = callAll(line);
    await untilAllRun(line);
    await breakLine(line);
    await done;
    expect(outcomes).toEqual(allOf("interrupted"));
    await line.proxy.heal();
    line.release();
    await expectAlive(line);
    expect(outcomes).toEqual(allOf("interrupted"));
  });

  test.concurrent.for(Object.entries(faults))("are sent again with retry after %s", async ([, breakLine], context) => {
    const line = await makeLine(false, context);
    const { outcomes, done } = callAll(line, { retry: true });
    await untilAllRun(line);
    await breakLine(line);
    await until(() => expect(line.conn.state).not.toBe("open"));
    await line.proxy.heal();
    line.release();
    await done;
    expect(outcomes).toEqual(allResults());
    expect(new Set(line.runs.values())).toEqual(new Set([2]));
    await expectAlive(line);
    expect(outcomes).toEqual(allResults());
  });
});

describe("1,000 calls in flight, with resume", () => {
  test.concurrent.for(Object.entries(drops))("go on after %s, and run once", async ([, breakLine], context) => {
    const line = await makeLine(true, context);
    const { outcomes, done } = callAll(line);
    await untilAllRun(line);
    await breakLine(line);
    line.release();
    await until(() => expect(line.conn.state).not.toBe("open"));
    await line.proxy.heal();
    await done;
    expect(outcomes).toEqual(allResults());
    expect(new Set(line.runs.values())).toEqual(new Set([1]));
    await expectAlive(line);
  });

  test.concurrent.for([
    [false, allOf("interrupted"), 1],
    [true, allResults(), 2],
  ] as const)("of a server that restarts, with retry %s", async ([retry, expected, runs], context) => {
    const line = await makeLine(true, context);
    const { outcomes, done } = callAll(line, { retry });
    await untilAllRun(line);
    await line.restart();
    line.release();
    await done;
    expect(outcomes).toEqual(expected);
    expect(new Set(line.runs.values())).toEqual(new Set([runs]));
    await expectAlive(line);
    expect(outcomes).toEqual(expected);
  });
});

describe.each([false, true])("with resume: %s", (isResumed) => {
  test.concurrent("calls that were not written wait for a connection, and run once", async (context) => {
    const line = await makeLine(isResumed, context);
    await line.conn.ready();
    await line.proxy.refuse();
    line.proxy.cut();
    await until(() => expect(line.conn.state).toBe("waiting"));
    const { outcomes, done } = callAll(line);
    line.release();
    await line.proxy.heal();
    await done;
    expect(outcomes).toEqual(allResults());
    expect(new Set(line.runs.values())).toEqual(new Set([1]));
  });

  test.concurrent("a deadline settles calls on a silent line, and late answers change nothing", async (context) => {
    const line = await makeLine(isResumed, context);
    await line.conn.ready();
    const { outcomes, done } = callAll(line, { timeoutMs: 150 });
    await untilAllRun(line);
    // Longer than the deadline, so that every answer is late, however soon the handlers ran.
    line.proxy.delay(300);
    line.release();
    await done;
    expect(outcomes).toEqual(allOf("timeout"));
    await line.proxy.heal();
    await expectAlive(line);
    expect(outcomes).toEqual(allOf("timeout"));
  });

  test.concurrent("an aborted signal settles calls, and cancels their handlers", async (context) => {
    const line = await makeLine(isResumed, context);
    const controller = new AbortController();
    const { outcomes, done } = callAll(line, { signal: controller.signal });
    await untilAllRun(line);
    controller.abort();
    await done;
    expect(outcomes).toEqual(allOf("aborted"));
    line.release();
    await expectAlive(line);
  });

  test.concurrent("the end of the Conn settles all calls", async (context) => {
    const line = await makeLine(isResumed, context);
    const written = callAll(line);
    await untilAllRun(line);
    await line.proxy.refuse();
    line.proxy.cut();
    await until(() => expect(line.conn.state).toBe("waiting"));
    const late = rpc<Api>(line.conn).call("echo", { n: 1 });
    await line.conn.close();
    await written.done;
    expect(written.outcomes).toEqual(allOf("interrupted"));
    await expect(late).rejects.toMatchObject({ code: "closed" });
  });
});

test("two ends that call each other at their limits, and back, do not stand still", async (context) => {
  interface Both {
    ask(params: { text: string }): string;
    leaf(params: { text: string }): string;
  }
  const bounds = { maxHandlers: 4, maxWaiting: 16, timeoutMs: 20_000 };
  const makePeer = (conn: RpcConn): Peer<Both, Both> => {
    const peer: Peer<Both, Both> = rpc<Both, Both>(conn, {
      ...bounds,
      // At the limits a handler may find no room for its own call.
      onError: () => {},
      handlers: {
        ask: async ({ text }) => (await peer.call("leaf", { text })).toUpperCase(),
        leaf: async ({ text }) => {
          await new Promise(setImmediate);
          return text;
        },
      },
    });
    return peer;
  };
  /** Asks the other end 5,000 times, 1,000 at a time; a busy end is asked again. */
  const askAll = async (peer: Peer<Both, Both>) => {
    let left = 5_000;
    const askOn = async () => {
      while (left-- > 0) {
        const text = "x".repeat(2_000);
        for (;;) {
          try {
            expect(await peer.call("ask", { text })).toBe(text.toUpperCase());
            break;
          } catch (error) {
            if (![-32001, -32603, "unavailable"].includes((error as { code: number | string }).code)) throw error;
            await new Promise((resolve) => setTimeout(resolve, 5));
          }
        }
      }
    };
    await Promise.all(Array.from({ length: 1_000 }, askOn));
  };
  const server = createServer();
  let onServed: (peer: Peer<Both, Both>) => void = () => {};
  const served = new Promise<Peer<Both, Both>>((resolve) => {
    onServed = resolve;
  });
  const ws = handler(
    (conn) => {
      const peer = makePeer(conn);
      onServed(peer);
      return peer.closed;
    },
    { codec: json(), outbox: { highWaterMark: 4_096 }, onError: () => {} },
  );
  handle(server, "/", ws);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const conn = new Conn<unknown, unknown>(url, { codec: json(), outbox: { highWaterMark: 4_096 } });
  context.onTestFinished(async () => {
    await conn.close();
    server.close();
  });
  const ours = askAll(makePeer(conn));
  const theirs = askAll(await served);
  await Promise.all([ours, theirs]);
});
