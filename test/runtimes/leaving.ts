import { readFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type * as Server from "../../src/server/index.ts";
import { equal, until } from "../contract/assert.ts";
import type { Result } from "../contract/contract.ts";
import type { Engine } from "./engines.ts";

// By a name that TypeScript does not follow: what is tested is the build, which is made after the types are checked.
const BUILT: string = "tautline/server";
const DIST = join(process.cwd(), "dist");
const SCRIPTS = ["tautline.min.js", "tautline-resume.min.js"];
const TTL_MS = 60_000;
/** Far less than the time that the server keeps a session for. */
const SOON_MS = 10_000;

const page = (script: string) =>
  `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">${SCRIPTS.map((name) => `<script src="/${name}"></script>`).join("")}<script>${script}</script>`;

/** Opens a Conn, and calls `then` when it is open. */
const open = (query: string, then: string) => `
  const resume = ${query.includes("resume")} ? Tautline.resume() : undefined;
  new Tautline.Conn("/live?${query}", { resume }).on("open", () => { ${then} });`;

/** Pages, each of which opens a Conn and then leaves in its own way. */
const PAGES: Readonly<Record<string, string>> = {
  "/reload": page(`if (!sessionStorage.left) { ${open("reload", "sessionStorage.left = 1; location.reload()")} }`),
  "/reload-resume": page(
    `if (!sessionStorage.gone) { ${open("reload-resume", "sessionStorage.gone = 1; location.reload()")} }`,
  ),
  "/frame": page(`
    const frame = document.createElement("iframe");
    frame.src = "/inner";
    addEventListener("message", () => frame.remove());
    document.documentElement.append(frame);`),
  "/inner": page(open("frame-resume", 'parent.postMessage("open", "*")')),
};

/** A page that leaves says so itself, but Firefox closes the connection of a page before the page can. */
const LEFT = { code: 1000, clean: true, by: "peer" };
const CASES = [
  ["a page that is reloaded ends its Conn at once", "/reload", "/live?reload", LEFT],
  ["a page that is reloaded ends its session within seconds", "/reload-resume", "/live?reload-resume", LEFT],
  ["a frame that is removed ends its session at once", "/frame", "/live?frame-resume", LEFT],
] as const;

/** The same where the browser closes connections itself: with a session the server waits 5 s for the page. */
const BY_BROWSER: Readonly<Record<string, object>> = {
  "/live?reload": { code: 1001, clean: true, by: "peer" },
  "/live?reload-resume": { code: 1006, clean: false, by: "gave-up" },
};

/** Shows in a browser how the server sees the end of pages that can't come back. */
export async function runLeaving(engine: Engine, closesItself: boolean): Promise<Result[]> {
  const { handle, handler } = (await import(BUILT)) as typeof Server;
  const ends = new Map<string, object>();
  const served = handler(
    async (conn, { url = "" }) => {
      const { code, clean, by } = await conn.closed;
      ends.set(url, { code, clean, by });
    },
    { resume: { ttlMs: TTL_MS } },
  );
  const server = createServer(({ url = "" }, response) => answer(url, response));
  handle(server, "/live", served);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const results: Result[] = [];
  for (const [name, path, url, expected] of CASES) {
    const run = async () => {
      await engine.open(origin + path);
      await until("the Conn of the page has ended", () => ends.has(url), SOON_MS);
      equal(ends.get(url), (closesItself && BY_BROWSER[url]) || expected);
    };
    const failure = await run().then(
      () => "",
      (error: Error) => error.message,
    );
    results.push({ name, failure });
  }
  await served.shutdown({ timeoutMs: 0 });
  server.closeAllConnections();
  server.close();
  return results;
}

function answer(url: string, response: ServerResponse): void {
  const isScript = SCRIPTS.includes(url.slice(1));
  const body = isScript ? readFileSync(join(DIST, url.slice(1))) : PAGES[url];
  response.writeHead(body === undefined ? 404 : 200, { "Content-Type": isScript ? "text/javascript" : "text/html" });
  response.end(body);
}
