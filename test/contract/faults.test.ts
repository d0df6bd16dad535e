import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, type TestContext, test } from "vitest";
import { WebSocketServer } from "ws";
import { type FaultProxy, faultProxy } from "../support/fault-proxy.ts";

/** What a busy machine may add to a time before it is wrong. */
const SLACK_MS = 1_000;
/** A program with nothing left to do ends within this. */
const EXIT_MS = 500;
const HEARTBEAT = { intervalMs: 200, timeoutMs: 400 };

interface News {
  readonly event: string;
  readonly [name: string]: unknown;
}

/** The program of away.mjs. */
interface Away {
  tell(command: string, details?: object): void;
  /** The next news of `event`, counted from the last one that was asked for. */
  next(event: string, isIt?: (news: News) => boolean): Promise<News>;
  /** Milliseconds from now until the process has ended. */
  exit(): Promise<number>;
}

interface World {
  readonly proxy: FaultProxy;
  readonly away: Away;
  /** What the server has received, in order. */
  readonly received: string[];
  /** Ends the server's connections, as its process would. */
  crash(): void;
}

async function world({ onTestFinished }: TestContext, options: object = {}): Promise<World> {
  const received: string[] = [];
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", (socket) => {
    socket.on("error", () => {});
    socket.on("message", (data) => {
      received.push(String(data));
      socket.send(String(data));
    });
  });
  await once(server, "listening");
  const proxy = await faultProxy((server.address() as AddressInfo).port);
  const crash = () => {
    for (const socket of server.clients) socket.terminate();
  };
  const child = fork(
    join(import.meta.dirname, "away.mjs"),
    [`ws://127.0.0.1:${proxy.port}/`, JSON.stringify({ heartbeat: HEARTBEAT, connectTimeoutMs: 500, ...options })],
    { execArgv: [] },
  );
  onTestFinished(async () => {
    child.kill();
    crash();
    await proxy.close();
    server.close();
  });
  const away = follow(child);
  await away.next("open");
  return { proxy, away, received, crash };
}

function follow(child: ChildProcess): Away {
  const news: News[] = [];
  let look = () => {};
  child.on("message", (message) => {
    news.push(message as News);
    look();
  });
  const exited = once(child, "exit");
  return {
    tell: (command, details) => child.send({ command, ...details }),
    next: (event, isIt = () => true) =>
      new Promise((resolve) => {
        look = () => {
          const at = news.findIndex((each) => each.event === event && isIt(each));
          if (at >= 0) resolve(news.splice(0, at + 1).at(-1) as News);
        };
        look();
      }),
    async exit() {
      const start = performance.now();
      const [code] = await exited;
      expect(code).toBe(0);
      return performance.now() - start;
    },
  };
}

const numbered = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name} ${i}`);

/** Sends `texts` and waits until the last one has come back. */
async function exchange({ away }: World, texts: readonly string[]): Promise<void> {
  away.tell("send", { texts });
  await away.next("message", ({ text }) => text === texts.at(-1));
}

/** The program says goodbye at once, and has nothing left that holds it. */
async function leaves({ away }: World): Promise<void> {
  away.tell("close");
  const { by, unsent, ms } = await away.next("closed");
  const exit = away.exit();
  expect({ by, unsent }).toEqual({ by: "us", unsent: [] });
  expect(ms).toBeLessThan(200);
  expect(await exit).toBeLessThan(EXIT_MS);
}

describe.concurrent("through a network that fails", () => {
  for (const fault of ["cut", "reset"] as const) {
    test(`loses nothing that was queued while away after a ${fault}`, async (context) => {
      const all = await world(context);
      const { proxy, away, received } = all;
      const [before, after] = [numbered("before", 100), numbered("after", 100)];
      await exchange(all, before);
      await proxy.refuse();
      proxy[fault]();
      expect(await away.next("lost")).toMatchObject({ code: 1006, opened: true, retry: true, state: "waiting" });
      away.tell("send", { texts: after });
      expect(await away.next("lost")).toMatchObject({ code: 1006, opened: false, retry: true });
      await proxy.heal();
      expect(await away.next("open")).toMatchObject({ reconnected: true });
      await exchange(all, ["end"]);
      expect(received).toEqual([...before, ...after, "end"]);
      await leaves(all);
    });
  }

  test("finds a black hole within intervalMs + timeoutMs, leaves it at once, and loses nothing queued since", async (context) => {
    const all = await world(context);
    const { proxy, away, received } = all;
    const [before, after] = [numbered("before", 100), numbered("after", 100)];
    await exchange(all, before);
    proxy.black();
    const start = performance.now();
    const lost = await away.next("lost");
    expect(performance.now() - start).toBeLessThan(HEARTBEAT.intervalMs + HEARTBEAT.timeoutMs + SLACK_MS);
    expect(lost).toMatchObject({ code: 1006, opened: true, retry: true, cause: "timeout", state: "waiting" });
    away.tell("send", { texts: after });
    // In the dark a handshake is never answered.
    expect(await away.next("lost")).toMatchObject({ opened: false, retry: true, cause: "timeout" });
    await proxy.heal();
    await away.next("open");
    await exchange(all, ["end"]);
    expect(received).toEqual([...before, ...after, "end"]);
    await leaves(all);
  });

  test("comes back to a server that was restarted, and delivers in order what was queued", async (context) => {
    const all = await world(context);
    const { proxy, away, received, crash } = all;
    await exchange(all, ["before"]);
    await proxy.refuse();
    crash();
    const queued: string[] = [];
    await away.next("lost", ({ opened }) => opened === true);
    for (const attempt of [1, 2, 3]) {
      expect(await away.next("waiting")).toMatchObject({ attempt, reason: "backoff" });
      const texts = numbered(`while attempt ${attempt} is awaited`, 10);
      away.tell("send", { texts });
      queued.push(...texts);
    }
    await proxy.heal();
    await away.next("open");
    await exchange(all, ["end"]);
    expect(received).toEqual(["before", ...queued, "end"]);
    await leaves(all);
  });

  test("keeps a slow connection, whose pongs are late but come", async (context) => {
    const all = await world(context);
    const { proxy, away, received } = all;
    await exchange(all, ["before"]);
    proxy.delay(120);
    const texts = numbered("slow", 8);
    for (const text of texts) await exchange(all, [text]);
    expect(received).toEqual(["before", ...texts]);
    away.tell("flush");
    await away.next("flushed");
    expect(proxy.connections).toBe(1);
  });

  test("closes within closeTimeoutMs in a black hole, and ends by itself", async (context) => {
    const { proxy, away } = await world(context, { closeTimeoutMs: 300, heartbeat: false });
    proxy.black();
    away.tell("close");
    const { by, ms } = await away.next("closed");
    const exit = away.exit();
    expect(by).toBe("us");
    expect(ms).toBeLessThan(300 + SLACK_MS);
    expect(await exit).toBeLessThan(EXIT_MS);
  });

  test("closes at once while away, gives back what was queued, and ends by itself", async (context) => {
    const { proxy, away } = await world(context);
    await proxy.refuse();
    proxy.reset();
    await away.next("waiting");
    away.tell("send", { texts: ["queued"] });
    away.tell("close");
    const { unsent, ms } = await away.next("closed");
    const exit = away.exit();
    expect(unsent).toEqual(["queued"]);
    expect(ms).toBeLessThan(200);
    expect(await exit).toBeLessThan(EXIT_MS);
  });
});
