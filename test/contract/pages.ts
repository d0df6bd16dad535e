import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import type { Result } from "./contract.ts";
import type { Order } from "./page.ts";

/** Ways to run the contract in a browser: the script that a page loads, beside both builds. */
export const WAYS = {
  script: {
    html: scripts("tautline.min.js", "tautline-resume.min.js", "contract.js", "script.js"),
    files: { "script.js": "Contract.drive((order) => Contract.run(order, Tautline, Tautline.resume));" },
  },
  modules: {
    html: '<script type="module" src="modules.js"></script>',
    files: {
      "modules.js": `${imports()}Contract.drive((order) => Contract.run(order, tautline, resume));`,
    },
  },
  worker: {
    html: scripts("contract.js", "worker-page.js"),
    files: {
      "worker-page.js": `const worker = new Worker("worker.js");
Contract.drive(Contract.delegate((order) => worker.postMessage(order), worker));`,
      "worker.js": `importScripts("tautline.min.js", "tautline-resume.min.js", "contract.js");
onmessage = ({ data }) => Contract.run(data, Tautline, Tautline.resume).then((results) => postMessage(results));`,
    },
  },
  "shared worker": {
    html: scripts("contract.js", "shared-page.js"),
    files: {
      "shared-page.js": `const { port } = new SharedWorker("shared.js", { type: "module" });
Contract.drive(Contract.delegate((order) => port.postMessage(order), port));`,
      "shared.js": `${imports()}onconnect = ({ ports: [port] }) => {
  port.onmessage = ({ data }) => Contract.run(data, tautline, resume).then((results) => port.postMessage(results));
};`,
    },
  },
} as const;

export type Way = keyof typeof WAYS;

/** No inline script, no eval(): what a careful site allows, and the connections of the contract. */
const POLICY = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src http: https: ws: wss:";
const BUILDS = ["tautline.min.js", "tautline-resume.min.js", "tautline.min.mjs", "tautline-resume.min.mjs"];

function scripts(...names: string[]): string {
  return names.map((name) => `<script src="${name}"></script>`).join("");
}

function imports(): string {
  return `import * as tautline from "./tautline.min.mjs";
import { resume } from "./tautline-resume.min.mjs";
import * as Contract from "./contract.mjs";
`;
}

export interface Pages {
  /** The origin of its pages. */
  readonly origin: string;
  /** Runs the contract on a page that `open` opens by its address. */
  run(way: Way, env: Order["env"], open: (url: string) => Promise<void>): Promise<Result[]>;
  /** The same on a page from a file, in a folder that ends with the server. */
  runFile(env: Order["env"], open: (url: string) => Promise<void>): Promise<Result[]>;
  close(): Promise<void>;
}

export interface PagesOptions {
  readonly tls?: { readonly key: string; readonly cert: string } | undefined;
  /** The root of the repository. */
  readonly root: string;
}

const DEADLINE_MS = 90_000;

/** Serves the pages of the contract on loopback, and takes in their results. */
export async function contractPages({ tls, root }: PagesOptions): Promise<Pages> {
  const files = new Map<string, string>();
  for (const format of ["iife", "esm"] as const) {
    const { outputFiles } = await build({
      entryPoints: [join(root, "test/contract/page.ts")],
      bundle: true,
      write: false,
      format,
      globalName: "Contract",
      target: "es2022",
    });
    files.set(format === "iife" ? "contract.js" : "contract.mjs", outputFiles[0]?.text ?? "");
  }
  for (const name of BUILDS) files.set(name, readFileSync(join(root, "dist", name), "utf8"));
  for (const [way, { html, files: own }] of Object.entries(WAYS)) {
    files.set(`${encodeURIComponent(way)}.html`, `<!doctype html><title>${way}</title>${html}`);
    for (const [name, text] of Object.entries(own)) files.set(name, text);
  }

  const reports = new Map<string, (results: Result[]) => void>();
  let folder: string | undefined;

  function serve(request: IncomingMessage, response: ServerResponse): void {
    const name = (request.url ?? "").replace(/^\/|\?.*/g, "");
    // For a page from a file.
    response.setHeader("Access-Control-Allow-Origin", "*");
    if (request.method === "POST") {
      let body = "";
      request.on("data", (chunk) => {
        body += chunk;
      });
      request.on("end", () => {
        reports.get(name)?.(JSON.parse(body));
        response.end();
      });
      return;
    }
    const text = files.get(name);
    if (text === undefined) response.statusCode = 404;
    response.setHeader("Content-Type", `text/${name.endsWith(".html") ? "html" : "javascript"}; charset=utf-8`);
    response.setHeader("Content-Security-Policy", POLICY);
    response.end(text);
  }

  const server = tls ? createTlsServer(tls, serve) : createServer(serve);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `${tls ? "https" : "http"}://127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function go(address: string, order: Omit<Order, "report">, open: (url: string) => Promise<void>) {
    const id = `report-${Math.random()}`;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const results = new Promise<Result[]>((resolve, reject) => {
      reports.set(id, resolve);
      timer = setTimeout(() => reject(new Error(`No results within ${DEADLINE_MS} ms.`)), DEADLINE_MS);
    });
    results.catch(() => {});
    try {
      const hash = encodeURIComponent(JSON.stringify({ ...order, report: `${origin}/${id}` } satisfies Order));
      await open(`${address}?${id}#${hash}`);
      return await results;
    } finally {
      clearTimeout(timer);
      reports.delete(id);
    }
  }

  return {
    origin,
    run: (way, env, open) =>
      go(`${origin}/${encodeURIComponent(way)}.html`, { env: { ...env, origin }, strict: true }, open),
    runFile(env, open) {
      folder ??= mkdtempSync(join(tmpdir(), "tautline-page-"));
      for (const [name, text] of files) writeFileSync(join(folder, name), text);
      const page = pathToFileURL(join(folder, "script.html")).href;
      return go(page, { env: { ...env, origin: "null" }, strict: false }, open);
    },
    close() {
      if (folder) rmSync(folder, { recursive: true, force: true });
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
