import type { CDPSession, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { findChromium } from "../../scripts/browsers.mjs";
import type * as Library from "../../src/index.ts";
import { type BareChromium, bareChromium } from "./bare-chromium.ts";
import { type Line, type LineServer, lineServer } from "./line-server.ts";

const SOON = { timeout: 5_000, interval: 20 };
/** Quick enough for a test, and far quicker than the timers of a background tab. */
const QUICK = { intervalMs: 300, timeoutMs: 600 };
/** Never due within a test: whatever asks, it is not the heartbeat's own interval. */
const SLOW = { intervalMs: 600_000, timeoutMs: 10_000 };

/** The values that a page leaves in its global scope. */
interface InPage {
  readonly Tautline: typeof Library;
  conn: Library.Conn<string>;
  /** The events of the Conn and of the page, each by its name first. */
  told: unknown[][];
  ticks: number;
}

interface Visit {
  readonly page: Page;
  readonly server: LineServer;
  readonly devtools: CDPSession;
  /** The server's side of the page's nth connection. */
  line(index: number): Line;
}

const executablePath = findChromium();

// Where Chromium is not installed: apt-get install chromium, or set CHROMIUM to its path.
describe.skipIf(!executablePath)("a page", () => {
  let chromium: BareChromium;

  beforeAll(async () => {
    chromium = await bareChromium(executablePath ?? "");
  });
  afterAll(() => chromium?.close());

  /** Opens a page with an open Conn in it, which must leave nothing on the console. */
  async function visit(heartbeat?: Library.HeartbeatOptions): Promise<Visit> {
    const server = await lineServer();
    const page = await chromium.window.newPage();
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (line) => complaints.push(line.text()));
    onTestFinished(async () => {
      await page.close();
      expect(complaints).toEqual([]);
    });
    await page.goto(server.url);
    await page.evaluate(start, { heartbeat, heeds: true });
    await expect.poll(() => state(page), SOON).toBe("open");
    expect(server.lines).toHaveLength(1);
    const line = (index: number) => {
      const found = server.lines[index];
      if (!found) throw new Error(`No connection ${index}: there were ${server.lines.length}.`);
      return found;
    };
    return { page, server, line, devtools: await chromium.window.newCDPSession(page) };
  }

  test("finds the black hole of an offline page by its heartbeat, and is back as soon as it is online", async () => {
    const { page, server, line, devtools } = await visit(QUICK);
    await setOffline(devtools, true);
    await expect
      .poll(() => told(page, "disconnected"), SOON)
      .toMatchObject([{ code: 1006, cause: { code: "timeout" } }]);
    expect(await told(page, "waiting")).toMatchObject([{ delayMs: 30_000, reason: "offline" }]);
    await send(page, "written offline");
    expect(server.lines).toHaveLength(1);

    await setOffline(devtools, false);
    await expect.poll(() => server.heard, SOON).toEqual(["written offline"]);
    expect(line(1).heard).toEqual(["written offline"]);
    await expectBothWays(page, line(1));
    expect(server.lines).toHaveLength(2);
  });

  test("replaces a connection that has no heartbeat when it is online again", async () => {
    const { page, server, line, devtools } = await visit();
    await setOffline(devtools, true);
    await expect.poll(() => page.evaluate(() => navigator.onLine), SOON).toBe(false);
    expect(await state(page)).toBe("open");

    await setOffline(devtools, false);
    await expect.poll(() => server.lines.length, SOON).toBe(2);
    await expect.poll(() => line(0).code, SOON).toBe(4001);
    await expectBothWays(page, line(1));
    expect(await told(page, "open")).toMatchObject([{ reconnected: false }, { reconnected: true }]);
    expect(server.lines).toHaveLength(2);
  });

  test.for([undefined, QUICK])(
    "says 4001 when frozen, and sends what was queued when resumed (heartbeat: %o)",
    async (heartbeat) => {
      const { page, server, line, devtools } = await visit(heartbeat);
      await devtools.send("Page.setWebLifecycleState", { state: "frozen" });
      await expect.poll(() => line(0).code, SOON).toBe(4001);
      await send(page, "written frozen");
      expect(await state(page)).toBe("waiting");
      expect(server.lines).toHaveLength(1);

      await devtools.send("Page.setWebLifecycleState", { state: "active" });
      await expect.poll(() => server.heard, SOON).toEqual(["written frozen"]);
      await expectBothWays(page, line(1));
      expect(server.lines).toHaveLength(2);
      expect(await told(page, "disconnected")).toEqual([]);
    },
  );

  test.for([undefined, QUICK])(
    "is cached when left, and goes on when it is shown again (heartbeat: %o)",
    async (heartbeat) => {
      const { page, server, line } = await visit(heartbeat);
      await page.goto(`${server.url}elsewhere`);
      await expect.poll(() => line(0).code, SOON).toBe(4001);
      expect(server.lines).toHaveLength(1);

      await page.evaluate(() => history.back());
      await expect.poll(() => server.heard, SOON).toEqual(["shown again"]);
      // Playwright receives it later than the server.
      await expect.poll(() => page.url(), SOON).toBe(server.url);
      expect(await told(page, "pageshow")).toEqual([{ persisted: true, notRestoredReasons: null }]);
      const [suspended, ...rest] = (await told(page, "waiting")) as { delayMs: number; reason: string }[];
      expect(suspended).toMatchObject({ reason: "suspended", delayMs: Number.POSITIVE_INFINITY });
      // A page that is back within 250 ms of its dial waits for the rest of the floor.
      for (const { delayMs } of rest) expect(delayMs).toBeLessThanOrEqual(250);
      await expectBothWays(page, line(1));
      expect(server.lines).toHaveLength(2);
    },
  );

  test("sends the final close code when it is reloaded, so that the server can end its session at once", async () => {
    const { page, server, line } = await visit();
    await page.reload();
    await expect.poll(() => line(0).code, SOON).toBe(1000);
    expect(server.lines).toHaveLength(1);
  });

  test("keeps a healthy connection in a background tab that is throttled for longer than its heartbeat", async () => {
    const { page, server, line } = await visit(QUICK);
    // A page without a signal of the tab's return has only its late timers to go by.
    await page.evaluate(start, { heartbeat: QUICK, heeds: false });
    await expect.poll(() => server.lines.length, SOON).toBe(2);
    const other = await hide(page);
    // A timer of 100 ms that does not fire in 2 s: the heartbeat has long been due, and its answer too.
    let last = -1;
    const standsStill = async () => {
      const [then, now] = [last, await page.evaluate(ticks)];
      last = now;
      return now === then;
    };
    await expect.poll(standsStill, { timeout: 20_000, interval: 2_000 }).toBe(true);
    await expectBothWays(page, line(0));

    const pings = () => server.lines.map((each) => each.pings);
    const before = pings();
    await other.close();
    await page.bringToFront();
    // Enough for the probe's 2 s to be over.
    const more = () => Math.min(...pings().map((count, i) => count - (before[i] ?? 0)));
    await expect.poll(more, { timeout: 10_000, interval: 20 }).toBeGreaterThan(10);
    expect(await told(page, "disconnected")).toEqual([]);
    expect(server.lines).toHaveLength(2);
  });

  test("finds a dead connection when its tab is visible again, long before its heartbeat is due", async () => {
    const { page, server, line } = await visit(SLOW);
    const other = await hide(page);
    line(0).isDeaf = true;
    expect(line(0).pings).toBe(0);
    await other.close();
    await page.bringToFront();
    await expect
      .poll(() => told(page, "disconnected"), SOON)
      .toMatchObject([{ code: 1006, cause: { code: "timeout" } }]);
    expect(line(0).pings).toBeGreaterThan(0);
    await expect.poll(() => server.lines.length, SOON).toBe(2);
    await expectBothWays(page, line(1));
  });

  /** Puts another tab before the page. */
  async function hide(page: Page): Promise<Page> {
    const other = await chromium.window.newPage();
    onTestFinished(() => other.close());
    await other.bringToFront();
    await expect.poll(() => page.evaluate(() => document.visibilityState), SOON).toBe("hidden");
    return other;
  }
});

/** Runs in the page: makes its Conn, and notes what that tells. */
function start(wanted: { heartbeat: Library.HeartbeatOptions | undefined; heeds: boolean }): void {
  const all = globalThis as unknown as InPage;
  const told: unknown[][] = all.told ?? [];
  const conn = new all.Tautline.Conn<string>("/", {
    codec: all.Tautline.text,
    lifecycle: wanted.heeds ? undefined : false,
    heartbeat: wanted.heartbeat && {
      ...wanted.heartbeat,
      ping: () => "ping",
      isPong: (payload) => payload === "pong",
    },
  });
  for (const name of ["open", "waiting", "message"] as const) conn.on(name, (payload) => told.push([name, payload]));
  // Only the message of an error would reach the test.
  conn.on("disconnected", ({ cause, ...info }) =>
    told.push(["disconnected", { ...info, cause: { ...(cause as Library.ConnError) } }]),
  );
  conn.on("message", (message) => {
    if (message.startsWith("question")) conn.send(message.replace("question", "answer"));
  });
  addEventListener("pageshow", ({ persisted }) => {
    const [entry] = performance.getEntriesByType("navigation") as unknown as { notRestoredReasons: unknown }[];
    told.push(["pageshow", { persisted, notRestoredReasons: entry?.notRestoredReasons }]);
    if (persisted) conn.send("shown again");
  });
  Object.assign(all, { conn, told, ticks: 0 });
  setInterval(() => all.ticks++, 100);
}

function ticks(): number {
  return (globalThis as unknown as InPage).ticks;
}

function state(page: Page): Promise<Library.StateName> {
  return page.evaluate(() => (globalThis as unknown as InPage).conn.state);
}

/** The events of this name, so far. */
function told(page: Page, name: string): Promise<unknown[]> {
  return page.evaluate((wanted) => {
    const { told } = globalThis as unknown as InPage;
    return told.flatMap(([name, event]) => (name === wanted ? [event] : []));
  }, name);
}

/** Sends without waiting for it. */
async function send(page: Page, message: string): Promise<void> {
  await page.evaluate((text) => {
    (globalThis as unknown as InPage).conn.send(text);
  }, message);
}

async function expectBothWays(page: Page, line: Line): Promise<void> {
  line.socket.send("question");
  await expect.poll(() => line.heard, SOON).toContain("answer");
  expect(await told(page, "message")).toContain("question");
}

async function setOffline(devtools: CDPSession, offline: boolean): Promise<void> {
  const unlimited = { latency: 0, downloadThroughput: -1, uploadThroughput: -1 };
  await devtools.send("Network.enable");
  await devtools.send("Network.emulateNetworkConditions", { offline, ...unlimited });
}
