import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { build as bundle } from "esbuild";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { CHROMIUM_ARGS, findChromium } from "../../scripts/browsers.mjs";
import { type LiveServer, liveServer } from "./live-server.ts";
import { REACTS, workplace } from "./workplace.ts";

// The frameworks have a manifest of their own: the compiler knows nothing of them here.
const load = createRequire(import.meta.url);
const BURST = 200;
const VUE_FLAGS = {
  __VUE_OPTIONS_API__: "false",
  __VUE_PROD_DEVTOOLS__: "false",
  __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "false",
};
const SOON = { timeout: 10_000, interval: 20 };

const { folder, remove } = workplace();
const executablePath = findChromium();
afterAll(remove);

/** The script for a page that an app is built to. */
async function build(app: string, react: keyof typeof REACTS = "19"): Promise<string> {
  const vite = await import(load.resolve("vite"));
  const { svelte } = await import(load.resolve("@sveltejs/vite-plugin-svelte"));
  const { output } = await vite.build({
    root: folder,
    configFile: false,
    logLevel: "silent",
    plugins: [svelte({ configFile: false })],
    resolve: { alias: REACTS[react] },
    define: VUE_FLAGS,
    build: { write: false, rollupOptions: { input: join(folder, app) }, modulePreload: false },
  });
  return output[0].code;
}

/** The HTML that a server with this React makes of the prices. */
async function renderedBy(react: keyof typeof REACTS): Promise<string> {
  const outfile = join(folder, `rendered-${react}.cjs`);
  const [alias] = REACTS[react];
  const swap = {
    name: "react",
    setup({ onResolve, resolve }: import("esbuild").PluginBuild) {
      onResolve({ filter: /^react(-dom)?(\/|$)/ }, ({ path, pluginData, ...rest }) => {
        if (!alias || pluginData === "swapped") return undefined;
        const { kind, importer, resolveDir } = rest;
        return resolve(path.replace(alias.find, alias.replacement), {
          kind,
          importer,
          resolveDir,
          pluginData: "swapped",
        });
      });
    },
  };
  await bundle({
    entryPoints: [join(folder, "react-render.tsx")],
    outfile,
    bundle: true,
    platform: "node",
    format: "cjs",
    jsx: "automatic",
    logLevel: "error",
    plugins: [swap],
  });
  return (load(outfile) as { html: string }).html;
}

const pageOf = (script: string, html = "") =>
  `<!doctype html><title>prices</title><div id="app">${html}</div><script type="module">${script.replaceAll("</script", "<\\/script")}</script>`;

// Where Chromium is not installed: apt-get install chromium, or set CHROMIUM to its path.
describe.skipIf(!executablePath)("the same stores in Chromium", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: executablePath ?? "", args: CHROMIUM_ARGS });
  });
  afterAll(() => browser?.close());

  /** Opens a page with this script, which must leave nothing on the console. */
  async function visit(script: string, html?: string): Promise<{ page: Page; server: LiveServer }> {
    const server = await liveServer({ "/": pageOf(script, html) }, BURST);
    const page = await browser.newPage();
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (line) => {
      if (/error|warning/.test(line.type()) && !/favicon/.test(line.location().url)) complaints.push(line.text());
    });
    onTestFinished(async () => {
      await page.close();
      await server.close();
      expect(complaints).toEqual([]);
    });
    await page.goto(`http://127.0.0.1:${server.port}/`);
    return { page, server };
  }

  const shown = (page: Page) => page.locator("#app").textContent();
  const renders = (page: Page) => page.evaluate(() => (globalThis as { renders?: number }).renders);

  // A render for each message would be 200. How many there are depends on the pieces in which Chromium hands a burst over.
  const apps = [
    ["Vue", "vue.ts", 20],
    ["Svelte's $store", "svelte.ts", undefined],
    ["Svelte's runes", "svelte-runes.ts", undefined],
    ["RxJS", "rxjs.ts", 20],
    ["Solid", "solid.ts", 40],
    ["React 18", "react-client.tsx", 40],
    ["React 19", "react-client.tsx", 40],
  ] as const;

  test.each(apps)("%s shows a burst in a few renders, a restart and what comes after it", async (name, app, most) => {
    const { page, server } = await visit(await build(app, name === "React 18" ? "18" : "19"));
    await expect.poll(() => shown(page), SOON).toBe(`${BURST} open`);
    if (most !== undefined) expect(await renders(page)).toBeLessThanOrEqual(most);
    server.restart();
    await expect.poll(() => shown(page), SOON).toBe(`${2 * BURST} open`);
    expect([server.openTo("/live"), server.madeTo("/live")]).toEqual([1, 2]);
  });

  test.each(["18", "19"] as const)(
    "React %s takes over the HTML of a server, though messages came before",
    async (react) => {
      const html = await renderedBy(react);
      expect(html.replaceAll("<!-- -->", "")).toBe("<p>0 idle</p>");
      const { page } = await visit(await build("react-hydrate.tsx", react), html);
      await expect.poll(() => shown(page), SOON).toBe(`${BURST} open`);
    },
  );
});

test("the apps compile, each with the types of its framework", () => {
  const tsc = load.resolve("typescript/bin/tsc");
  const { spawnSync } = load("node:child_process") as typeof import("node:child_process");
  const { stdout } = spawnSync(process.execPath, [tsc, "--pretty", "false", "-p", folder], { encoding: "utf8" });
  expect(stdout).toBe("");
});

test("a wrong use does not compile", () => {
  const wrong = `
import { toSignal } from "@angular/core/rxjs-interop";
import { from } from "rxjs";
import { useStore } from "tautline/react";
import { store } from "tautline/store";
import { conn, total } from "./live.ts";
export const a: () => string = toSignal(total, { requireSync: true });
from(total).subscribe((sum) => sum.length);
store(conn, 0, (sum, price) => sum + price.length);
export const useText = (): string => useStore(total, (sum) => sum + 1);
`;
  const file = join(folder, "wrong.ts");
  writeFileSync(file, wrong);
  const config = join(folder, "wrong.json");
  const { compilerOptions } = JSON.parse(readFileSync(join(folder, "tsconfig.json"), "utf8"));
  writeFileSync(config, JSON.stringify({ compilerOptions, files: ["wrong.ts"] }));
  const tsc = load.resolve("typescript/bin/tsc");
  const { spawnSync } = load("node:child_process") as typeof import("node:child_process");
  const { stdout } = spawnSync(process.execPath, [tsc, "--pretty", "false", "-p", config], { encoding: "utf8" });
  const lines = [...stdout.matchAll(/^(?:.*\/)?wrong\.ts\((\d+),/gm)].map(([, line]) => Number(line));
  expect(lines).toEqual([7, 8, 9, 10]);
});
