import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { beforeAll, describe } from "vitest";
import { findChromium } from "../../scripts/find.mjs";
import type { Result, runAll } from "./contract.ts";
import { report } from "./report.ts";
import { contractServer } from "./server.ts";
import type { Env, Urls } from "./stage.ts";

const executablePath = findChromium();
const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const DIST = join(import.meta.dirname, "../../dist");

/** How a page gets at the library: each leaves it in `tautline`. */
const PAGES = {
  "the script build": '<script src="/tautline.min.js"></script><script>globalThis.tautline = Tautline</script>',
  "the module build":
    '<script type="module">import * as all from "/tautline.min.mjs"; globalThis.tautline = all</script>',
};

interface Page {
  readonly tautline: Env["tautline"];
  readonly Contract: { readonly runAll: typeof runAll };
}

// Where Chromium is not installed: apt-get install chromium, or set CHROMIUM to its path.
describe.skipIf(!executablePath)("Chromium", () => {
  const results = new Map<string, readonly Result[]>();

  beforeAll(async () => {
    const [server, pages] = await Promise.all([contractServer(), pageServer()]);
    const browser = await chromium.launch({ executablePath: executablePath as string, args: ARGS });
    try {
      const { base, never, refused } = server;
      const run = async ([name, html]: [string, string]) => {
        const page = await browser.newPage();
        await page.goto(pages.show(name, html));
        results.set(name, await page.evaluate(inPage, { base, never, refused }));
      };
      await Promise.all(Object.entries(PAGES).map(run));
    } finally {
      await Promise.all([browser, server, pages].map((each) => each.close()));
    }
  }, 60_000);

  describe.each(Object.keys(PAGES))("%s", (name) => report(() => results.get(name) ?? []));
});

/** Runs in the page. */
function inPage(urls: Urls): Promise<Result[]> {
  const { Contract, tautline } = globalThis as unknown as Page;
  return Contract.runAll({ ...urls, tautline, isNode: false, knowsStatus: false });
}

interface PageServer {
  /** The address of a page that holds `html` and the contract. */
  show(name: string, html: string): string;
  close(): Promise<void>;
}

async function pageServer(): Promise<PageServer> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, "contract.ts")],
    bundle: true,
    write: false,
    format: "iife",
    globalName: "Contract",
    target: "es2022",
  });
  const files = new Map<string, { type: string; text: string }>();
  files.set("/contract.js", { type: "text/javascript", text: outputFiles[0]?.text ?? "" });
  for (const name of ["/tautline.min.js", "/tautline.min.mjs"]) {
    files.set(name, { type: "text/javascript", text: readFileSync(DIST + name, "utf8") });
  }
  const server = createServer(({ url = "" }, response) => {
    const file = files.get(url);
    if (file) response.setHeader("Content-Type", `${file.type}; charset=utf-8`);
    else response.statusCode = 404;
    response.end(file?.text);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    show(name, html) {
      const path = `/${encodeURIComponent(name)}`;
      files.set(path, { type: "text/html", text: `<!doctype html>${html}<script src="/contract.js"></script>` });
      return `http://127.0.0.1:${port}${path}`;
    },
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
