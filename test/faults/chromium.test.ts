import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type Browser, chromium } from "playwright-core";
import { beforeAll, describe, expect, test } from "vitest";
import type { WebSocket } from "ws";
import { CHROMIUM_ARGS, findChromium } from "../../scripts/browsers.mjs";
import { type Away, journal, type News, now } from "./away.ts";
import { end, hear, hush, leave, resetUnderThrowingListeners, startScenario, talk, until } from "./fault-scenario.ts";
import { faults } from "./faults.ts";

const executablePath = findChromium();
if (process.env.CI === "true" && !executablePath) throw new Error("Chromium is missing, and CI must not skip");

const HTML = '<!doctype html><script src="/tautline.min.js"></script><script type="module" src="/page.mjs"></script>';
/** The time that the start of a page may add to any other. */
const SLACK_MS = 2_000;
const CLOSE_TIMEOUT_MS = 300;
const CONNECT_TIMEOUT_MS = 500;
/** The code that a page may send in place of 1009. */
const TOO_LARGE = 4009;
/** A page that starts is slow to connect; a dial into the dark takes this long. */
const options = { connectTimeoutMs: 3_000, heartbeat: { intervalMs: 250, timeoutMs: 1_500 } };
/** A dead connection is known within this. */
const DEAD_MS = options.heartbeat.intervalMs + options.heartbeat.timeoutMs;

interface Page {
  readonly start: (program: readonly unknown[]) => void;
  readonly command: (command: object) => void;
}

// Where Chromium is not installed: apt-get install chromium, or set CHROMIUM to its path.
describe.skipIf(!executablePath)("a page in Chromium", () => {
  let browser: Browser;
  let pages: Server;

  beforeAll(async () => {
    pages = await pageServer();
    browser = await chromium.launch({ executablePath: executablePath as string, args: CHROMIUM_ARGS });
    return async () => {
      await browser.close();
      pages.closeAllConnections();
      pages.close();
    };
  }, 30_000);

  /** A page of its own process: Chromium slows down one whose connects fail. */
  async function start(...program: readonly unknown[]): Promise<Away> {
    const context = await browser.newContext();
    const page = await context.newPage();
    const { history, next, add } = journal();
    await page.exposeFunction("tell", (news: News) => add(news));
    await page.goto(`http://127.0.0.1:${(pages.address() as AddressInfo).port}/`);
    await page.evaluate((all) => (globalThis as unknown as Page).start(all), program);
    return {
      history,
      next,
      tell(command, details) {
        const run = page.evaluate((all) => (globalThis as unknown as Page).command(all), { command, ...details });
        // A test that is over has closed its page.
        run.catch(() => {});
      },
      // A page holds no process: how long Chromium takes to close it says nothing of the Conn.
      exit: () => context.close().then(() => 0),
      kill: () => context.close(),
    };
  }

  for (const { name, act, lost, withinMs } of faults) {
    test(`comes back after ${name}`, async (context) => {
      const all = await startScenario(context, { start, options });
      const { proxy, peer, away } = all;
      await talk(all);
      const from = now();
      await act(all);
      const news = await away.next("disconnected");
      expect(news).toMatchObject({ ...lost, wasOpen: true, willRetry: true, state: "waiting" });
      expect(news.at - from).toBeLessThan((withinMs && DEAD_MS) + SLACK_MS);
      await proxy.heal();
      expect(await away.next("open")).toMatchObject({ reconnected: true });
      peer.talk();
      await hear(all);
      expect(peer.live.size).toBeLessThanOrEqual(2);
      await hush(all);
      await leave(all);
    });
  }

  test("tries again all 3 s of a restart", async (context) => {
    const all = await startScenario(context, { start, options });
    const { proxy, peer, away } = all;
    await talk(all);
    await proxy.refuse();
    peer.each((socket) => socket.terminate());
    await away.next("disconnected", ({ wasOpen }) => wasOpen);
    const down = now();
    await until(() => expect(now() - down).toBeGreaterThan(3_000));
    await proxy.heal();
    expect((await away.next("open")).downMs).toBeGreaterThan(3_000);
    await hear(all);
    await hush(all);
    const failed = away.history.filter(({ event, wasOpen }) => event === "disconnected" && !wasOpen);
    for (const each of failed) expect(each).toMatchObject({ code: 1006, clean: false, willRetry: true });
    expect(failed.length).toBeGreaterThan(2);
    await leave(all);
  });

  // A page retries, because it does not see the status.
  test.for([401, 403, 404, 429, 503])(
    "takes an upgrade answered with %d for a failed attempt",
    async (status, context) => {
      const all = await startScenario(context, { start, options, before: ({ proxy }) => proxy.respond(status, {}, 9) });
      const { away, proxy } = all;
      const lost = await away.next("disconnected");
      expect(lost).toMatchObject({ code: 1006, clean: false, wasOpen: false, willRetry: true });
      expect(lost.status).toBeUndefined();
      // Under load Chromium opens a second TCP connection for one dial, so the answers are more than one.
      await proxy.heal();
      const { attempt } = await away.next("open");
      expect(away.history.filter(({ event }) => event === "disconnected")).toHaveLength(attempt);
      await talk(all);
      await hush(all);
      await leave(all);
    },
  );

  test.for([
    [1000, "peer"],
    [1008, "policy"],
    [4400, "policy"],
  ] as const)("ends for good with a close of %i, by the %s", async ([code, by], context) => {
    const all = await startScenario(context, { start, options });
    const { peer, away } = all;
    await talk(all);
    await hush(all);
    peer.each((socket) => socket.close(code, "why"));
    expect(await away.next("disconnected")).toMatchObject({ code, clean: true, wasOpen: true, willRetry: false });
    expect(await away.next("closed")).toMatchObject({ code, by, clean: true, unsent: [] });
    await end(all, { well: true });
    expect(away.history.filter(({ event }) => event === "open")).toHaveLength(1);
  });

  test("stays away as long as the reason of a close asks for", async (context) => {
    const all = await startScenario(context, { start, options });
    const { peer, away } = all;
    await talk(all);
    await hush(all);
    peer.each((socket) => socket.close(1013, "retry=700-900"));
    const { at } = await away.next("disconnected");
    const { reason, delayMs } = await away.next("waiting");
    expect(reason).toBe("server");
    expect(delayMs).toBeGreaterThanOrEqual(700);
    expect(delayMs).toBeLessThanOrEqual(900);
    expect((await away.next("open")).at - at).toBeGreaterThanOrEqual(700);
    expect(peer.opened).toBe(2);
    await leave(all);
  });

  test("refuses a message that is too large, and tells the peer", async (context) => {
    const all = await startScenario(context, { start, options: { ...options, maxPayloadBytes: 1_000 } });
    const { peer, away } = all;
    await away.next("open");
    peer.each((socket) => socket.send("x".repeat(1_001)));
    expect(await away.next("disconnected")).toMatchObject({
      code: 1009,
      willRetry: false,
      cause: { code: "too-large" },
    });
    expect(await away.next("closed")).toMatchObject({ code: 1009, by: "local" });
    await end(all);
    await until(() => expect(peer.codes).toEqual([TOO_LARGE]));
  });

  test("asks for the URL again after one that throws, hangs or is nonsense", async (context) => {
    const all = await startScenario(context, { start, user: "unsure", options: { connectTimeoutMs: 2_000 } });
    const { away } = all;
    expect(await away.next("open")).toMatchObject({ attempt: 7 });
    const lost = away.history.filter(({ event }) => event === "disconnected");
    const causes = ["provider", "provider", "timeout", "provider", "provider", "provider", "provider"];
    expect(lost).toMatchObject(
      causes.map((code) => ({ code: 1006, wasOpen: false, willRetry: true, cause: { code } })),
    );
    await leave(all);
  });

  test("gives up an upgrade that is never answered after connectTimeoutMs", async (context) => {
    const all = await startScenario(context, {
      start,
      options: { connectTimeoutMs: CONNECT_TIMEOUT_MS },
      before: ({ proxy }) => proxy.hang(),
    });
    const { away, proxy } = all;
    const { at, ...lost } = await away.next("disconnected");
    expect(lost).toMatchObject({ code: 1006, wasOpen: false, willRetry: true, cause: { code: "timeout" } });
    expect(at - performance.timeOrigin - (proxy.connectTimes[0] as number)).toBeLessThan(CONNECT_TIMEOUT_MS + SLACK_MS);
    await proxy.heal();
    await away.next("open");
    await talk(all);
    await hush(all);
    await leave(all);
  });

  test("doubles its wait while connections end after each open", async (context) => {
    let told: readonly News[] = [];
    // By what the Conn tells: under load Chromium may open a second TCP connection for one dial, or give one up unseen.
    const opens = () => told.filter(({ event }) => event === "open");
    const flap = (socket: WebSocket) => opens().length < 3 && setTimeout(() => socket.terminate(), 200);
    const all = await startScenario(context, {
      start,
      options,
      user: "patient",
      before: ({ peer }) => peer.greet(flap),
    });
    const { away } = all;
    told = away.history;
    await away.next("open", () => opens().length === 4);
    const gaps = opens().flatMap(({ at }, i, all) => (i > 0 ? [at - (all[i - 1] as News).at] : []));
    expect(gaps).toHaveLength(3);
    for (const [i, gap] of gaps.entries()) expect(gap).toBeGreaterThan(200 + 250 * 2 ** i - 20);
    await leave(all);
  });

  test("lets listeners throw, one by one", async (context) => {
    const all = await startScenario(context, { start, options, user: "clumsy" });
    await resetUnderThrowingListeners(all);
  });

  test("closes within closeTimeoutMs when the peer never answers", async (context) => {
    const all = await startScenario(context, {
      start,
      options: { ...options, heartbeat: false, closeTimeoutMs: CLOSE_TIMEOUT_MS },
    });
    const { away, peer } = all;
    await away.next("open");
    peer.each((socket) => socket.pause());
    away.tell("close");
    const { at } = await away.next("closing");
    const closed = await away.next("closed");
    expect(closed).toMatchObject({ by: "local", code: 1006, clean: false });
    expect(closed.at - at).toBeLessThan(CLOSE_TIMEOUT_MS + SLACK_MS);
  });

  test("closes at once in setup, without waiting for an answer", async (context) => {
    const all = await startScenario(context, { start, user: "pensive", options });
    const { away, peer } = all;
    await away.next("user", ({ setup }) => setup);
    away.tell("say", { count: 2 });
    away.tell("close");
    const { at } = await away.next("closing");
    const closed = await away.next("closed");
    expect(closed).toMatchObject({ code: 1000, by: "local", clean: false, unsent: ["0", "1"] });
    expect(closed.at - at).toBeLessThan(SLACK_MS);
    await end(all);
    expect(peer.codes).toEqual([1000]);
  });

  test("closes at once while it waits, and gives back what it was to send", async (context) => {
    const all = await startScenario(context, { start, options, before: ({ proxy }) => proxy.refuse() });
    const { away } = all;
    await away.next("waiting");
    away.tell("say", { count: 2 });
    away.tell("close");
    expect(await away.next("closed")).toMatchObject({ code: 1000, by: "local", clean: true, unsent: ["0", "1"] });
    await end(all);
  });

  test("sends what waits before it closes", async (context) => {
    const all = await startScenario(context, { start, options });
    const { away, peer } = all;
    await away.next("open");
    away.tell("say", { count: 500 });
    away.tell("close");
    expect(await away.next("closed")).toMatchObject({ code: 1000, by: "local", clean: true, unsent: [] });
    await end(all, { well: true });
    expect(peer.heard).toHaveLength(500);
  });

  test("closes at once while it connects, and gives back what it was to send", async (context) => {
    const all = await startScenario(context, {
      start,
      options: { connectTimeoutMs: 10_000 },
      before: ({ proxy }) => proxy.hang(),
    });
    const { away, proxy } = all;
    await until(() => expect(proxy.connectTimes).toHaveLength(1));
    away.tell("say", { count: 2 });
    away.tell("close");
    const { at } = await away.next("closing");
    const closed = await away.next("closed");
    expect(closed).toMatchObject({ code: 1000, by: "local", clean: true, unsent: ["0", "1"] });
    expect(closed.at - at).toBeLessThan(SLACK_MS);
    await end(all);
  });
});

async function pageServer(): Promise<Server> {
  const read = (path: string) => readFileSync(join(import.meta.dirname, path), "utf8");
  const files = new Map([
    ["/tautline.min.js", read("../../dist/tautline.min.js")],
    ["/page.mjs", read("page.mjs")],
    ["/program.mjs", read("program.mjs")],
    ["/users.mjs", read("users.mjs")],
  ]);
  const server = createServer(({ url = "" }, response) => {
    const text = url === "/" ? HTML : files.get(url);
    response.setHeader("Content-Type", `text/${url === "/" ? "html" : "javascript"}; charset=utf-8`);
    if (text === undefined) response.statusCode = 404;
    response.end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}
