import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { entries } from "../../entries.mjs";
import { findChromium } from "../../scripts/browsers.mjs";
import { pagesOf } from "../support/examples.ts";
import { freePort } from "../support/free-port.ts";
import { fileOf, serveFolder } from "./serve-folder.ts";

const ROOT = join(import.meta.dirname, "../..");
const BUILT = join(ROOT, "site/dist");
const ARTEFACTS = join(ROOT, "artefacts");
const BUILD_MS = 300_000;
const SOON = { timeout: 10_000 };
/** A sample that runs for some seconds, and twice. */
const SLOW = { timeout: 60_000 };
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const executablePath = findChromium();

const textOf = (path: string) => readFileSync(join(BUILT, path), "utf8");
const builtPages = () =>
  readdirSync(BUILT, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".html"));

/** The links of a built page, without those that leave the site. */
const linksOf = (html: string) =>
  [...html.matchAll(/<a\b[^>]*?\bhref="([^"]*)"/g)]
    .map(([, href]) => (href as string).replaceAll("&amp;", "&"))
    .filter((href) => !/^[a-z]+:/.test(href));
const idsOf = (html: string) => new Set([...html.matchAll(/\bid="([^"]*)"/g)].map(([, id]) => id));

let build: { readonly status: number | null; readonly output: string };

beforeAll(() => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["site/build.mjs"], { cwd: ROOT, encoding: "utf8" });
  build = { status, output: stdout + stderr };
}, BUILD_MS);

test("the site builds without an error, and refuses a link that leads nowhere", () => {
  expect(build.status, build.output).toBe(0);
  expect(build.output).not.toMatch(/error/i);
});

test("has a page for each page of the docs and for each entry point", () => {
  const names = entries.map(({ name }) => (name === "." ? "tautline" : `tautline/${name}`));
  for (const name of names) expect(existsSync(join(BUILT, `api/${name}.html`)), name).toBe(true);
  const docs = [...pagesOf(ROOT).keys()].filter((path) => /^docs\/.+\//.test(path));
  expect(docs.length).toBeGreaterThan(30);
  for (const path of docs)
    expect(existsSync(join(BUILT, path.replace("docs/", "").replace(/md$/, "html"))), path).toBe(true);
});

test("every link of every page leads to a page, and to a heading of it", () => {
  const broken = builtPages().flatMap((page) =>
    linksOf(textOf(page)).flatMap((href) => {
      const { pathname, hash } = new URL(href, `http://localhost/${page.replace(/(index)?\.html$/, "")}`);
      const file = fileOf(BUILT, pathname);
      if (file === undefined) return [`${page}: ${href} is no page`];
      const isThere = hash === "" || idsOf(readFileSync(file, "utf8")).has(decodeURIComponent(hash.slice(1)));
      return isThere ? [] : [`${page}: ${href} is no heading`];
    }),
  );
  expect([...new Set(broken)]).toEqual([]);
});

test("every page is beside itself in Markdown, and named in llms.txt", () => {
  const list = [...textOf("llms.txt").matchAll(/\]\(\/(.*?)\)/g)].map(([, path]) => path as string);
  const shown = builtPages().map((page) => page.replace(/html$/, "md"));
  const unlisted = new Set(["404.md", "index.md", "contents.md", "api/index.md"]);
  for (const page of shown.filter((each) => each !== "404.md")) expect(existsSync(join(BUILT, page)), page).toBe(true);
  expect([...list].sort()).toEqual(shown.filter((page) => !unlisted.has(page)).sort());
  const full = textOf("llms-full.txt");
  for (const page of list) expect(full).toContain(`<!-- /${page.replace(/\.md$/, "")} -->`);
  expect(full.length).toBeGreaterThan(200_000);
});

describe.skipIf(!executablePath)("in a browser without a network", () => {
  let browser: Browser;
  let site: { readonly url: string; close(): void };

  beforeAll(async () => {
    site = await serveFolder(BUILT);
    browser = await chromium.launch({ executablePath: executablePath ?? "", args: ["--no-sandbox", "--disable-gpu"] });
  });
  afterAll(async () => {
    await browser?.close();
    site?.close();
  });

  async function open(path: string, width = 1280): Promise<Page> {
    const page = await browser.newPage({ viewport: { width, height: 900 } });
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (line) => line.type() === "error" && complaints.push(line.text()));
    await page.route("**", (route) => {
      if (route.request().url().startsWith(site.url)) return route.continue();
      complaints.push(route.request().url());
      return route.abort();
    });
    onTestFinished(async () => {
      await page.close();
      expect(complaints).toEqual([]);
    });
    await page.goto(`${site.url}${path}`);
    return page;
  }

  test("the first page says in one screen what it is, shows the line, and a figure with its command for each promise", async () => {
    const page = await open("/", 1440);
    expect(await page.locator("h1").textContent()).toContain("A WebSocket that outlives its connections");
    const picture = page.locator(".VPHero img").first();
    await expect.poll(() => picture.evaluate((img: HTMLImageElement) => img.naturalWidth), SOON).toBeGreaterThan(0);
    // On a phone the picture and the way in are on the first screen, too.
    await page.setViewportSize({ width: 390, height: 844 });
    for (const part of [picture, page.getByRole("link", { name: "Break it yourself" })]) {
      const box = await part.boundingBox();
      expect(box && box.width > 100 && box.height > 30 && box.y >= 0 && box.y + box.height <= 844).toBe(true);
    }
    await page.setViewportSize({ width: 1440, height: 900 });
    const cards = page.locator(".VPFeature");
    expect(await cards.count()).toBeGreaterThanOrEqual(5);
    for (const card of await cards.all()) {
      expect(await card.locator(".details").textContent()).toMatch(/\d/);
      expect(await card.locator("code").textContent()).toMatch(/^(npm run|node) /);
    }
  });

  test("the playground counts, is cut, and resumes: nothing is missing or doubled", async () => {
    const page = await open("/playground");
    const figure = async (name: string) => Number(await page.locator(`[data-figure="${name}"]`).textContent());
    const trace = () => page.locator(".trace li").allTextContents();
    await expect.poll(() => figure("arrived"), SOON).toBeGreaterThan(3);
    await page.getByRole("button", { name: "Cut" }).click();
    await expect.poll(trace, SOON).toContainEqual(expect.stringMatching(/disconnected.*1006/));
    await expect.poll(trace, SOON).toContainEqual(expect.stringMatching(/ open .*resumed/));
    await page.getByRole("button", { name: "Black hole" }).click();
    await expect.poll(() => figure("missing"), SOON).toBeGreaterThan(2);
    await expect.poll(() => figure("missing"), SOON).toBe(0);
    expect(await figure("doubled")).toBe(0);
    expect(await trace()).toContainEqual(expect.stringMatching(/disconnected/));
  });

  test("the playground heals what it held, and loses what is sent into a black hole without resume", async () => {
    const page = await open("/playground");
    const figure = async (name: string) => Number(await page.locator(`[data-figure="${name}"]`).textContent());
    const code = page.getByRole("textbox", { name: "The code" });
    await code.fill((await code.inputValue()).replace(/^ *resume: resume\(\),.*$/m, ""));
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await expect.poll(() => figure("arrived"), SOON).toBeGreaterThan(2);
    await page.getByRole("button", { name: "Black hole" }).click();
    await expect.poll(() => figure("missing"), SOON).toBeGreaterThan(2);
    await page.getByRole("button", { name: "Heal" }).click();
    await expect.poll(() => figure("missing"), SOON).toBe(0);
    await page.getByRole("button", { name: "Black hole" }).click();
    await expect.poll(() => figure("missing"), SOON).toBeGreaterThan(2);
    await page.getByRole("button", { name: "Cut" }).click();
    const trace = () => page.locator(".trace li").allTextContents();
    await expect.poll(trace, SOON).toContainEqual(expect.stringMatching(/disconnected.*1006/));
    const before = await figure("arrived");
    await expect.poll(() => figure("arrived"), SOON).toBeGreaterThan(before + 3);
    expect(await figure("missing")).toBeGreaterThan(2);
  });

  test("the playground shows a mistake in the code, and no module that it doesn't have", async () => {
    const page = await open("/playground");
    const code = page.getByRole("textbox", { name: "The code" });
    const status = page.locator(".playground [role=status]");
    for (const [text, says] of [
      ["const = 1;", /^SyntaxError: /],
      ['import { x } from "elsewhere";', /^Error: The playground has no module elsewhere\.$/],
      ['import { Conn } from "tautline";\nnew Conn("nonsense:");', /^ConnError: /],
    ] as const) {
      await code.fill(text);
      await page.getByRole("button", { name: "Run", exact: true }).click();
      await expect.poll(() => status.textContent(), SOON).toMatch(says);
    }
  });

  /** A guide whose sample was started, and what one sees of it. */
  async function tryIn(guide: string) {
    const page = await open(`/guides/${guide}`);
    const sample = page.locator(".try").first();
    // The code is readable, and coloured, before anything runs.
    expect(await sample.locator("pre code").textContent()).toContain("fakeServer(");
    await sample.getByRole("button", { name: "Run it here, and break it" }).click();
    return {
      page,
      press: (name: string) => sample.getByRole("button", { name, exact: true }).click(),
      printed: () => sample.locator(".prints li").allTextContents(),
      trace: () => sample.locator(".events li").allTextContents(),
      code: sample.getByRole("textbox", { name: "The code" }),
      status: sample.locator("[role=status]"),
    };
  }

  test("the sample of resume loses nothing to a cut, and something without resume", SLOW, async () => {
    const { code, press, printed, trace } = await tryIn("resume");
    await expect.poll(printed, SOON).toContainEqual(expect.stringMatching(/^[1-9]\d* sent, 0 missing, 0 doubled$/));
    await press("Black hole");
    await expect.poll(printed, SOON).toContainEqual(expect.stringMatching(/ sent, [1-9]\d* missing, 0 doubled$/));
    await expect.poll(trace, SOON).toContainEqual(expect.stringMatching(/ open .*resumed/));
    await expect.poll(async () => (await printed())[0], SOON).toMatch(/ sent, [01] missing, 0 doubled$/);
    await code.fill((await code.inputValue()).replace("resume: resume(), ", "").replace("heartbeat, ", ""));
    await press("Run again");
    await expect.poll(printed, SOON).toContainEqual(expect.stringMatching(/^[1-9]\d* sent, 0 missing, 0 doubled$/));
    await press("Black hole");
    await expect.poll(async () => (await printed())[0], SOON).toMatch(/ sent, [3-9] missing, 0 doubled$/);
    await press("Cut");
    const sentBy = async () => Number.parseInt((await printed())[0] ?? "", 10);
    const before = await sentBy();
    await expect.poll(sentBy, SOON).toBeGreaterThan(before + 4);
    expect((await printed())[0]).toMatch(/ sent, [3-9] missing, 0 doubled$/);
  });

  test("the sample of sending says what became of each message", SLOW, async () => {
    const { press, printed } = await tryIn("sending");
    await expect.poll(printed, SOON).toContainEqual("message 1, while open: sent");
    await press("Cut");
    await expect.poll(printed, SOON).toContainEqual(expect.stringMatching(/^message \d+, while (waiting|open): sent$/));
  });

  test("the sample of delivery prints the events of a cut", SLOW, async () => {
    const { press, printed } = await tryIn("delivery");
    await expect.poll(printed, SOON).toContainEqual("open");
    await press("Cut");
    await expect
      .poll(printed, SOON)
      .toEqual([
        expect.stringMatching(/^back after \d+ ms$/),
        expect.stringMatching(/^attempt 1 in \d+ ms \(backoff\)$/),
        "disconnected 1006, will retry: true",
        "open",
      ]);
  });

  test("the sample of the heartbeat finds a black hole, and nothing does without one", SLOW, async () => {
    const { code, press, printed, status } = await tryIn("background");
    await expect.poll(printed, SOON).toContainEqual(expect.stringMatching(/^an answer after \d+\.\d ms$/));
    await press("Black hole");
    await expect.poll(printed, SOON).toContainEqual(expect.stringMatching(/^disconnected 1006: /));
    await code.fill((await code.inputValue()).replace(/^ *heartbeat: .*$/m, ""));
    await press("Run again");
    await expect.poll(() => status.textContent(), SOON).toBe("The Conn is open.");
    await press("Black hole");
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    expect(await status.textContent()).toBe("The Conn is open.");
    expect(await printed()).toEqual([]);
  });

  test("draws its diagrams, in light and dark", async () => {
    const page = await open("/internals/architecture");
    const source = readFileSync(join(ROOT, "docs/internals/architecture.md"), "utf8");
    const drawn = source.split("```mermaid").length - 1;
    expect(drawn).toBeGreaterThan(0);
    await expect.poll(() => page.locator(".diagram svg").count(), { timeout: 20_000 }).toBe(drawn);
    await page.evaluate(() => document.documentElement.classList.add("dark"));
    expect(await page.locator("pre.diagram").count()).toBe(0);
  });

  test("finds a page by its words", async () => {
    const page = await open("/guides/getting-started");
    await page.keyboard.press("Control+k");
    await page.locator(".VPLocalSearchBox input").fill("takeover black hole heartbeat");
    await page.locator(".VPLocalSearchBox input").fill("half-open");
    await expect.poll(() => page.locator(".VPLocalSearchBox .result").count(), SOON).toBeGreaterThan(0);
  });

  test("each page of the docs says where to edit it", async () => {
    const page = await open("/guides/resume");
    expect(await page.locator(".edit-link-button").getAttribute("href")).toBe(
      "https://github.com/tautline/tautline/edit/main/docs/guides/resume.md",
    );
  });

  test("shows axe nothing to complain of in pages of its own, and fits from a phone to a wide desk", {
    timeout: 60_000,
  }, async () => {
    for (const path of ["/", "/playground", "/guides/resume"]) {
      const page = path.startsWith("/guides") ? (await tryIn("resume")).page : await open(path);
      await page.evaluate(AXE);
      for (const width of [390, 820, 1280, 1920]) {
        await page.setViewportSize({ width, height: 900 });
        for (const scheme of ["light", "dark"] as const) {
          await page.emulateMedia({ colorScheme: scheme });
          await expect.poll(() => page.locator("html.dark").count(), SOON).toBe(scheme === "dark" ? 1 : 0);
          const violations = await page.evaluate(
            `axe.run(${JSON.stringify(path.startsWith("/guides") ? ".try" : "body")}).then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]))`,
          );
          expect(violations).toEqual([]);
          expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
          const name = `site-${path === "/" ? "first" : path.split("/").at(-1)}-${width}-${scheme}.png`;
          if (path.startsWith("/guides")) await page.locator(".try").first().scrollIntoViewIfNeeded();
          await page.screenshot({ path: join(ARTEFACTS, name) });
        }
      }
    }
  });
});

describe.skipIf(!executablePath)("while one writes", () => {
  test("npm run docs:dev serves pages that load nothing from elsewhere, run, and leave nothing on the console", {
    timeout: 240_000,
  }, async () => {
    const port = await freePort();
    const child = spawn(process.execPath, ["site/build.mjs", "dev", String(port)], { cwd: ROOT });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk) => {
        output += chunk;
      });
    }
    const ended = once(child, "exit");
    const browser = await chromium.launch({ executablePath: executablePath ?? "", args: ["--no-sandbox"] });
    onTestFinished(async () => {
      await browser.close();
      child.kill();
      await ended;
    });
    const url = `http://127.0.0.1:${port}`;
    const printed = () => stripVTControlCharacters(output);
    await expect.poll(printed, { timeout: 180_000, interval: 200 }).toContain(`${url}/`);
    const page = await browser.newPage();
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (line) => line.type() !== "debug" && complaints.push(line.text()));
    page.on("request", (request) => {
      if (!/^(data:|blob:)/.test(request.url()) && !request.url().startsWith(url)) complaints.push(request.url());
    });
    const slow = { timeout: 60_000 };
    await page.goto(`${url}/guides/resume`, slow);
    await expect.poll(() => page.locator("h1").textContent(), slow).toContain("Resume: exactly once across drops");
    await page.goto(`${url}/playground`, slow);
    const arrived = async () => Number(await page.locator('[data-figure="arrived"]').textContent());
    await expect.poll(arrived, slow).toBeGreaterThan(2);
    expect(complaints).toEqual([]);
  });
});
