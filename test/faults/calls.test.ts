import { describe, expect, type TestContext, test } from "vitest";
import { type HandlerContext, type Peer, RpcError, rpc } from "../../src/rpc/index.ts";
import { until } from "./fault-scenario.ts";
import { liveTimers } from "./live-timers.ts";
import { type ProxiedConn, startProxiedConn } from "./proxied-conn.ts";

const CALLS = 1_000;

interface Api {
  work(params: { n: number }): number;
  echo(params: { n: number }): number;
  refuse(params: { n: number }): number;
}
type Outcome = number | string;

interface Line extends ProxiedConn {
  readonly peer: Peer<Api>;
  /** The deadline of its calls, which no other line has: by it the timers of its peer are known. */
  readonly timeoutMs: number;
  /** The calls of which the server's handler was aborted, by their numbers. */
  readonly aborted: Set<number>;
  /** How often the server ran each call, by its number. */
  readonly runs: Map<number, number>;
  /** Lets the handlers end that run now and later. */
  release(): void;
}

/** Deadlines of two lines differ by more than a test takes. */
const BETWEEN_MS = 100_000;
let lines = 0;

/** A server whose handlers hold their answers back, and a peer to it through a proxy that breaks. */
async function makeLine(isResumed: boolean, context: TestContext): Promise<Line> {
  const runs = new Map<number, number>();
  const aborted = new Set<number>();
  // From twice on, so that no other timer of the process is as long.
  const timeoutMs = (++lines + 1) * BETWEEN_MS;
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const handlers = {
    async work({ n }: { n: number }, { signal }: HandlerContext) {
      runs.set(n, (runs.get(n) ?? 0) + 1);
      signal.addEventListener("abort", () => aborted.add(n));
      await released;
      return n;
    },
    async refuse({ n }: { n: number }) {
      runs.set(n, (runs.get(n) ?? 0) + 1);
      await released;
      throw new RpcError(n, "No.");
    },
    echo: ({ n }: { n: number }) => n,
  };
  const line = await startProxiedConn(
    context,
    isResumed,
    (conn) => rpc<object, Api>(conn, { handlers, maxHandlers: 2 * CALLS }).closed,
  );
  // As many calls as are in flight: a call that stays pending takes the place of a later one.
  return { ...line, peer: rpc<Api>(line.conn, { maxCalls: CALLS, timeoutMs }), timeoutMs, aborted, runs, release };
}

/** Makes 1,000 calls, and records each outcome: the result, or the code of the error. */
function callAll(
  { peer }: Pick<Line, "peer">,
  options = {},
  method: keyof Api = "work",
): { readonly outcomes: Outcome[][]; readonly done: Promise<unknown> } {
  const outcomes: Outcome[][] = Array.from({ length: CALLS }, () => []);
  const calls = outcomes.map((list, n) =>
    peer.call(method, { n }, options).then(
      (result) => list.push(result),
      (error) => list.push(error.code),
    ),
  );
  return { outcomes, done: Promise.all(calls) };
}

const allOf = (outcome: Outcome) => Array.from({ length: CALLS }, () => [outcome]);
const allResults = () => Array.from({ length: CALLS }, (_, n) => [n]);

/** Expects the line to work, with as much room for calls as at first, and no timer to be left of any call. */
async function expectAlive({ peer, timeoutMs }: Line): Promise<void> {
  const calls = Array.from({ length: CALLS }, (_, n) => peer.call("echo", { n }, { retry: true }));
  // One of the peer, and one of each request that waits in the outbox.
  expect(liveTimers(timeoutMs - BETWEEN_MS, timeoutMs)).toBeGreaterThan(0);
  expect(await Promise.all(calls)).toEqual(calls.map((_, n) => n));
  await untilNoTimer({ timeoutMs });
}

/** Node reports the end of a timer a moment after it was stopped. */
const untilNoTimer = ({ timeoutMs }: Pick<Line, "timeoutMs">) =>
  until(() => expect(liveTimers(timeoutMs - BETWEEN_MS, timeoutMs)).toBe(0));

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
  test.concurrent("errors of the application reject, each its own call", async (context) => {
    const line = await makeLine(isResumed, context);
    const { outcomes, done } = callAll(line, { retry: true }, "refuse");
    await untilAllRun(line);
    line.proxy.cut();
    await until(() => expect(line.conn.state).not.toBe("open"));
    await line.proxy.heal();
    line.release();
    await done;
    expect(outcomes).toEqual(allResults());
    await expectAlive(line);
  });

  test.concurrent("while the server restarts, calls that were not written go on", async (context) => {
    const line = await makeLine(isResumed, context);
    const ready = line.conn.ready();
    await ready;
    const written = Array.from({ length: CALLS / 2 }, (_, n) =>
      line.peer.call("work", { n }).catch(({ code }) => code),
    );
    await until(() => expect(line.runs.size).toBe(CALLS / 2));
    let unwritten: Promise<unknown>[] = [];
    await line.restart(async () => {
      await until(() => expect(line.conn.state).not.toBe("open"));
      unwritten = Array.from({ length: CALLS / 2 }, (_, n) => line.peer.call("echo", { n }));
    });
    line.release();
    expect(await Promise.all(unwritten)).toEqual(unwritten.map((_, n) => n));
    expect(await Promise.all(written)).toEqual(written.map(() => "interrupted"));
    await expectAlive(line);
  });

  test.concurrent("a deadline and a signal take back calls that were not written", async (context) => {
    const line = await makeLine(isResumed, context);
    await line.conn.ready();
    await line.proxy.refuse();
    line.proxy.cut();
    await until(() => expect(line.conn.state).not.toBe("open"));
    const late = callAll({ peer: rpc<Api>(line.conn) }, { timeoutMs: 100 });
    const controller = new AbortController();
    const aborted = callAll(line, { signal: controller.signal });
    controller.abort();
    await Promise.all([late.done, aborted.done]);
    expect(late.outcomes).toEqual(allOf("timeout"));
    expect(aborted.outcomes).toEqual(allOf("aborted"));
    await line.proxy.heal();
    line.release();
    await expectAlive(line);
    expect(line.runs.size).toBe(0);
  });

  test.concurrent("of two peers after each other, neither gets the other's answers", async (context) => {
    const line = await makeLine(isResumed, context);
    const first = callAll(line);
    await untilAllRun(line);
    // The answers to the first are on their way when the second calls.
    line.proxy.delay(100);
    line.release();
    line.peer.detach();
    await first.done;
    expect(first.outcomes).toEqual(allOf("aborted"));
    const second = { ...line, peer: rpc<Api>(line.conn, { maxCalls: CALLS, timeoutMs: line.timeoutMs }) };
    const { outcomes, done } = callAll(second, {}, "echo");
    await done;
    expect(outcomes).toEqual(allResults());
    await line.proxy.heal();
    await expectAlive(second);
    expect(first.outcomes).toEqual(allOf("aborted"));
  });

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
    await until(() => expect(line.aborted.size).toBe(CALLS));
    line.release();
    await expectAlive(line);
    expect(outcomes).toEqual(allOf("aborted"));
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
    await untilNoTimer(line);
    // Handlers that outlive the Conn answer nobody, and break nothing.
    line.release();
    await expect(late).rejects.toMatchObject({ code: "closed" });
  });
});
