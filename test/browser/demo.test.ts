import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { decode } from "cborg";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { HEIGHT, unmarshalPicture, WIDTH } from "../../demo/shared/frames.js";
import { allOpen, counted, executablePath, launch, log, openPage, picture, press, SOON } from "./demo-page.ts";
import { type Program, startDemo } from "./program.ts";

/** The first byte of a map of three members in CBOR, as notifications are. */
const CBOR_MAP = 0xa3;
/** The longest wait of the demo's backoff, and the attempt. */
const BACK_MS = 5_000;
const VIEWPORTS = [
  { width: 390, height: 844 },
  { width: 820, height: 1180 },
  { width: 1280, height: 900 },
  { width: 1920, height: 1080 },
];
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const chatWindow = (page: Page, number: 1 | 2) => page.getByRole("region", { name: `Chat window ${number}` });
const messageField = (page: Page, number: 1 | 2) => chatWindow(page, number).getByLabel("Message", { exact: true });
const texts = (page: Page, number: 1 | 2) =>
  chatWindow(page, number).locator("li:not(.pending) span").allTextContents();

/** The elements that do not show all of their text. */
const clipped = (page: Page) =>
  page
    .locator("button, h1, h2, h3, #status, dd, dt, figcaption *, .here, #lanes td:last-child, .who input")
    .evaluateAll((all) =>
      all
        .filter((one) => one.clientWidth > 0 && one.scrollWidth > one.clientWidth + 1)
        .map((one) => one.textContent || (one as HTMLInputElement).value),
    );

async function say(page: Page, number: 1 | 2, text: string): Promise<void> {
  await messageField(page, number).fill(text);
  await messageField(page, number).press("Enter");
}

async function enter(page: Page, number: 1 | 2, field: "Name" | "Room", text: string): Promise<void> {
  const input = chatWindow(page, number).getByLabel(field);
  await input.fill(text);
  await input.press("Tab");
}

describe.skipIf(!executablePath)("the demo's page", () => {
  let browser: Browser;
  let server: Program & { readonly url: string; readonly port: number };

  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    server = await startDemo();
  });

  test("a page that is reloaded leaves no Conn behind at the server", async () => {
    const page = await openPage(browser, server.url);
    const conns = () =>
      page.locator("#system figure", { hasText: "Connections of all pages" }).locator("b").textContent();
    await expect.poll(conns, SOON).toMatch(/^6 open, 0 away$/);
    for (let times = 0; times < 3; times++) {
      await page.reload();
      await allOpen(page);
    }
    await expect.poll(conns, SOON).toMatch(/^6 open, 0 away$/);
  });

  test("two pages chat in a room, once each, with a cut in the middle of typing", async () => {
    const [ours, theirs] = await Promise.all([openPage(browser, server.url), openPage(browser, server.url)]);
    for (const page of [ours, theirs]) {
      await enter(page, 1, "Name", page === ours ? "Zoë" : "Toni");
      await enter(page, 1, "Room", "__proto__");
    }
    const here = chatWindow(theirs, 1).locator(".here");
    await expect.poll(() => here.textContent(), SOON).toBe("In this room: Toni (you), Zoë");

    await messageField(ours, 1).pressSequentially("half of it ");
    await expect.poll(() => chatWindow(theirs, 1).locator(".typing").textContent(), SOON).toBe("Zoë is typing …");
    await press(theirs, "Cut");
    await messageField(ours, 1).pressSequentially("and <b>the rest</b>");
    await messageField(ours, 1).press("Enter");
    await say(theirs, 1, "as much from here");
    await Promise.all([allOpen(ours), allOpen(theirs)]);

    const all = ["half of it and <b>the rest</b>", "as much from here"];
    for (const page of [ours, theirs]) {
      await expect.poll(async () => (await texts(page, 1)).sort(), SOON).toEqual([...all].sort());
      expect(await texts(page, 2)).toEqual([]);
    }
    // A visitor who comes later finds the earlier lines.
    await enter(theirs, 2, "Room", "__proto__");
    await expect.poll(async () => (await texts(theirs, 2)).sort(), SOON).toEqual([...all].sort());
    await picture(theirs, "chat", "#chat");
  });

  test("the game sends thirty small pictures a second, and a boat obeys the arrow keys", async () => {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    const frames: { readonly method?: string; readonly params?: unknown }[] = [];
    page.on("websocket", (socket) => {
      if (!socket.url().includes("/game")) return;
      socket.on("framereceived", ({ payload }) => {
        const bytes = typeof payload === "string" ? undefined : payload;
        // A frame of the session, such as an acknowledgement, is no CBOR, or has no method.
        if (bytes && bytes[0] === CBOR_MAP) frames.push(decode(bytes));
      });
    });
    await page.goto(server.url);
    await allOpen(page);
    const of = (method: string) => frames.filter((frame) => frame.method === method).map(({ params }) => params);
    const pictures = () =>
      of("$/message").map((params) => unmarshalPicture((params as [string, null, null, Uint8Array])[3]));
    const mine = () => {
      const [boat] = of("boat") as { readonly id: number }[];
      return pictures()
        .at(-1)
        ?.boats.find(({ id }) => id === boat?.id);
    };
    const rate = async () => Number.parseInt((await page.locator("#rate").textContent()) ?? "", 10);
    await expect.poll(rate, SOON).toBeGreaterThan(26);
    expect(await rate()).toBeLessThan(35);
    expect(await page.locator("#rate").textContent()).toMatch(/, 29 bytes each$/);

    // Away from the edge that is nearer, so that there is room to sail.
    const start = mine();
    const [key, sign] = (start?.x ?? 0) < WIDTH / 2 ? (["ArrowRight", 1] as const) : (["ArrowLeft", -1] as const);
    await page.locator("#sea").focus();
    await page.keyboard.down(key);
    await expect.poll(() => sign * ((mine()?.x ?? 0) - (start?.x ?? 0)), SOON).toBeGreaterThan(150);
    await page.keyboard.up(key);
    await expect.poll(() => page.locator("#scores").textContent(), SOON).toMatch(/^Buoys reached\. .*Bot 1: \d+/);
    expect(mine()?.y).toBeLessThanOrEqual(HEIGHT);
    await picture(page, "game", "#game");
    await page.close();
  });

  test("the ticker shows ten products with their trends, and each list once", async () => {
    const page = await openPage(browser, server.url);
    const rows = () => page.locator("#rows tr").allTextContents();
    await expect.poll(rows, SOON).toHaveLength(10);
    const before = await rows();
    await expect.poll(rows, SOON).not.toEqual(before);
    expect(await page.locator("#rows polyline").count()).toBe(10);
    await expect
      .poll(() => page.locator("#pulled").textContent(), SOON)
      .toMatch(/^List (\d+) of the server · \d+ shown here, 0 skipped for a newer one, 0 shown twice$/);
  });

  test("the system's figures are the server's own, and its charts are drawn", async () => {
    const page = await openPage(browser, server.url);
    const figures = () => page.locator("#system b").allTextContents();
    await expect
      .poll(figures, SOON)
      .toEqual([
        expect.stringMatching(/^\d+ %$/),
        expect.stringMatching(/^\d{2,} MiB$/),
        expect.stringMatching(/^\d+\.\d ms$/),
        "6 open, 0 away",
      ]);
    const pixels = () =>
      page.locator("#system canvas").evaluateAll((canvases) =>
        canvases.map((canvas) => {
          const { width, height } = canvas as HTMLCanvasElement;
          const { data } = (canvas as HTMLCanvasElement).getContext("2d")?.getImageData(0, 0, width, height) ?? {};
          return data?.some((byte) => byte > 0) ?? false;
        }),
      );
    await expect.poll(pixels, SOON).toEqual([true, true, true, true]);
    await openPage(browser, server.url);
    await expect.poll(async () => (await figures())[3], SOON).toBe("12 open, 0 away");
    await picture(page, "system", "#system");
  });

  test("is back within 5 s of a killed server's return, with what was said meanwhile, once", async () => {
    const page = await openPage(browser, server.url);
    await server.end("SIGKILL");
    await expect.poll(() => page.locator("#status").textContent(), SOON).toBe("All connections are away");
    await say(page, 1, "said while away");
    expect(await chatWindow(page, 1).locator("li.pending").count()).toBe(1);

    await startDemo(server.port);
    await expect.poll(() => texts(page, 2), { timeout: BACK_MS }).toEqual(["said while away"]);
    await expect.poll(() => texts(page, 1), SOON).toEqual(["said while away"]);
    await allOpen(page);
    expect(await log(page)).toContainEqual(expect.stringContaining("session lost"));
    // The new server knows no numbers: both ends began anew.
    await expect.poll(async () => (await counted(page, "with"))[0], SOON).toBeGreaterThan(40);
    expect((await counted(page, "with")).slice(1)).toEqual([0, 0]);
  });

  test("says in every pane that its connection is away, and in an empty chat that nothing was said", async () => {
    const page = await openPage(browser, server.url);
    const placeholder = (number: 1 | 2) =>
      chatWindow(page, number)
        .locator("ol")
        .evaluate((list) => getComputedStyle(list, "::before").content);
    expect(await placeholder(2)).toMatch(/^"No messages in this room yet\./);
    expect(await chatWindow(page, 1).locator(".here").textContent()).toBe("In this room: Ada (you), Grace");
    expect(await page.locator(".notice:visible").count()).toBe(0);

    await server.end("SIGKILL");
    for (const number of [1, 2] as const) {
      await expect
        .poll(() => chatWindow(page, number).locator(".notice:visible").textContent(), SOON)
        .toMatch(/^Away\. Next attempt in \d\.\d s\. What you write waits, and is sent then\.$/);
    }
    for (const name of ["Game", "Ticker", "System"]) {
      await expect
        .poll(() => page.locator(`[data-conn="${name}"]:visible`).textContent(), SOON)
        .toMatch(/^Away\. (Next attempt in \d\.\d s|Attempt \d+ is under way)\.$/);
    }
    await startDemo(server.port);
    await press(page, "Retry now");
    await allOpen(page);
    await expect.poll(() => page.locator(".notice:visible").count(), SOON).toBe(0);
  });

  test("each fault says in a sentence what it does, to the eye and to a screen reader", async () => {
    const page = await openPage(browser, server.url);
    const buttons = page.locator("#faults button");
    const sentences = new Set<string>();
    for (const button of await buttons.all()) {
      await button.hover();
      const shown = (await page.locator("#fault-says").textContent()) ?? "";
      const id = await button.getAttribute("aria-describedby");
      expect(await page.locator(`#${id}`).textContent()).toBe(shown);
      expect(shown.length).toBeGreaterThan(60);
      sentences.add(shown);
    }
    expect(sentences.size).toBe(9);
  });

  test("keeps the state of the line and its buttons in reach on a phone, wherever one scrolls", async () => {
    const page = await openPage(browser, server.url, { viewport: { width: 390, height: 844 } });
    for (const id of ["chat", "game", "inspector"]) {
      await page.locator(`#${id}`).scrollIntoViewIfNeeded();
      for (const reached of ["#status", '[data-fault="cut"]']) {
        const box = await page.locator(reached).boundingBox();
        expect(box && box.y > 0 && box.y + box.height <= 844, `${reached} beside ${id}`).toBe(true);
      }
    }
  });

  test("shows axe nothing to complain of, and fits, from a phone to a wide desk, in light and dark", async () => {
    const page = await openPage(browser, server.url, { reducedMotion: "reduce" });
    await say(page, 1, "Is the line up?");
    await press(page, "Cut");
    await say(page, 2, "a-long-word-without-a-break-".repeat(8));
    await allOpen(page);
    await page.evaluate(AXE);
    for (const { width, height } of VIEWPORTS) {
      await page.setViewportSize({ width, height });
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        const violations = await page.evaluate("axe.run().then(({ violations }) => violations)");
        expect(violations).toEqual([]);
        expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
        expect(await clipped(page)).toEqual([]);
        await picture(page, `page-${width}-${colorScheme}`);
      }
    }
  });
});
