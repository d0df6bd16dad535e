import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { deferred } from "../../src/base/deferred.ts";
import { Conn, type Payload } from "../../src/index.ts";
import { resume } from "../../src/resume/client/index.ts";
import { handle, handler, type ServerConn } from "../../src/server/index.ts";
import { type FaultProxy, faultProxy } from "../../src/testing/fault-proxy.ts";
import { seededRandom } from "../../src/testing/seeded-random.ts";

export interface SoakOptions {
  readonly seed: number;
  /** Messages each way. */
  readonly messages: number;
  readonly faults: number;
  readonly ack?: "received" | "consumed";
}

export interface SoakReport {
  /** Faults, in words; none where all went well. */
  readonly wrong: readonly string[];
  readonly faults: Readonly<Record<string, number>>;
  readonly resumed: number;
  /** Bytes kept at most by either end, and what was allowed. */
  readonly kept: number;
  readonly bound: number;
  /** Handlers that ran: one, if the session was never lost. */
  readonly served: number;
}

type Random = () => number;

const WINDOW = 16_384;
const LARGEST = 3 * WINDOW;
const HEARTBEAT = { intervalMs: 250, timeoutMs: 250 };

/** Message number `index` of the side whose messages `salt` makes: text, bytes, empty, large, or like control. */
function message(salt: number, index: number): Payload {
  const random = seededRandom(salt + index);
  const kind = Math.floor(random() * 12);
  if (kind === 0) return "";
  if (kind === 1) return new Uint8Array(0);
  if (kind === 2) return `\u0010a ${index}`;
  if (kind === 3) return `\u0010\u0010${index}`;
  if (kind === 4) return new Uint8Array(1 + Math.floor(random() * 300)).fill(index);
  if (index % 500 === 7) return new Uint8Array(LARGEST - 64).fill(index);
  if (index % 500 === 207) return `${index}é`.padEnd(LARGEST - 64, "x");
  return `${index} ${"·".repeat(Math.floor(random() * 60))}`;
}

function isSame(a: Payload, b: Payload): boolean {
  return typeof a === "string" || typeof b === "string" ? a === b : Buffer.compare(a, b) === 0;
}

/** The fault of the line, which ends after a while. */
function misfortunes(proxy: FaultProxy, random: Random): Record<string, () => Promise<unknown>> {
  const passing = async (ms: number) => {
    await pause(ms);
    await proxy.heal();
  };
  return {
    cut: async () => proxy.cut(),
    cutInFrame: async () => proxy.cutInFrame(random() < 0.5 ? "client" : "server"),
    reset: async () => proxy.reset(),
    black: () => {
      proxy.blackhole();
      return passing(100 + random() * 700);
    },
    blackOneWay: () => {
      proxy.blackhole(random() < 0.5 ? "client" : "server");
      return passing(100 + random() * 700);
    },
    halfOpen: async () => proxy.halfOpen(random() < 0.5 ? "client" : "server"),
    /** Also the greeting of the next connection comes late, more than a second. */
    late: () => {
      proxy.cut();
      proxy.delay(1_200);
      return passing(2_600);
    },
  };
}

/**
 * Sends messages both ways over a line that breaks again and again, and looks whether each arrives exactly once and in
 * order. The seed decides all that is up to chance here.
 */
export async function soak({ seed, messages, faults, ack = "received" }: SoakOptions): Promise<SoakReport> {
  const random = seededRandom(seed);
  const wrong: string[] = [];
  const struck: Record<string, number> = {};
  let count = 0;
  let next = deferred<void>();

  /** Sends all, a share of them after each fault. */
  const talk = async (conn: Conn, salt: number) => {
    for (let index = 0; index < messages; index++) {
      await conn.send(message(salt, index));
      const isShare = index % Math.ceil(messages / (faults + 1)) === 0;
      if (isShare && count < faults) await next.promise;
      else if (index % 64 === 0) await pause(1);
    }
  };
  const listen = async (conn: Conn, salt: number, side: string) => {
    for (let index = 0; index < messages; index++) {
      const got = await conn.receive();
      if (isSame(got, message(salt, index))) continue;
      const text = typeof got === "string" ? got.slice(0, 20) : `${got.length} bytes`;
      wrong.push(`${side} got ${JSON.stringify(text)} as message ${index}`);
      return;
    }
  };

  const here: ServerConn[] = [];
  const serving = deferred<void>();
  const options = { heartbeat: HEARTBEAT, inbox: { highWaterMark: WINDOW } };
  const server = createServer();
  const served = handler(
    (conn) => {
      here.push(conn);
      Promise.all([talk(conn, 2_000_000), listen(conn, 1_000_000, "server")]).then(
        () => serving.resolve(),
        serving.reject,
      );
    },
    { ...options, resume: { windowBytes: WINDOW, ack } },
  );
  handle(server, "/soak", served);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const proxy = await faultProxy((server.address() as AddressInfo).port, { seed });
  const conn = new Conn(`ws://127.0.0.1:${proxy.port}/soak`, {
    ...options,
    resume: resume({ windowBytes: WINDOW, ack }),
    backoff: () => random() * 100,
    connectTimeoutMs: 4_000,
  });
  let resumed = 0;
  conn.on("open", (open) => {
    if (open.resumed) resumed++;
  });
  conn.on("session-lost", () => wrong.push("the session was lost"));
  conn.on("dropped", ({ error }) => wrong.push(`dropped: ${error.code}`));
  conn.closed.then(({ code, error }) => code === 1000 || wrong.push(`closed with ${code}: ${error?.message}`));

  let kept = 0;
  const watch = setInterval(() => {
    for (const { stats } of [conn, ...here]) kept = Math.max(kept, stats.unacknowledged.bytes);
  }, 2);

  const breaking = (async () => {
    await conn.ready();
    const ways = misfortunes(proxy, random);
    for (; count < faults; count++) {
      await pause(50 + random() * 150);
      const names = Object.keys(ways);
      const name = names[Math.floor(random() * names.length)] as string;
      struck[name] = (struck[name] ?? 0) + 1;
      await ways[name]?.();
      next.resolve();
      next = deferred();
      await conn.ready();
    }
    next.resolve();
  })();

  await Promise.race([
    conn.closed,
    Promise.all([talk(conn, 1_000_000), listen(conn, 2_000_000, "client"), serving.promise, breaking]),
  ]);
  clearInterval(watch);
  await conn.flush().catch((error) => wrong.push(`flush: ${error.message}`));
  if (conn.stats.unacknowledged.messages > 0) wrong.push("something is unacknowledged after flush()");
  const { unsent, inDoubt } = await conn.close();
  if (unsent.length + inDoubt.length > 0) wrong.push("something was left at the end");
  await served.shutdown();
  await proxy.close();
  await new Promise((resolve) => server.close(resolve));
  return { wrong, faults: struck, resumed, kept, bound: WINDOW + LARGEST, served: here.length };
}
