// `npm run test:matrix`: the contract in every runtime and engine. Prints the matrix, and writes it to
// .matrix/matrix.md; the last line is the count, and the exit code is 1 if a case failed.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { CASE_MS } from "../contract/assert.ts";
import { CHROMIUM_CASE_MS, type Platform } from "../contract/case-context.ts";
import type { Result } from "../contract/contract.ts";
import { contractPages, type Pages, type Way } from "../contract/pages.ts";
import { type ContractServer, contractServer } from "../contract/server.ts";
import { certificate } from "./certificate.ts";
import { type Engine, engines } from "./engines.ts";
import { runLeaving } from "./leaving.ts";
import { Matrix } from "./matrix.ts";
import { processes, runProcess } from "./processes.ts";
import { runWorkerd } from "./workerd.ts";

const root = process.cwd();
const built = join(root, ".matrix");
const WAYS: readonly Way[] = ["script", "modules", "worker", "shared worker"];
/** Which platforms differ from the others, and in what: see docs/reference/platforms.md. */
const HIDES: Readonly<Record<string, Partial<Platform>>> = {
  Firefox: { opensUnselected: true },
  WebKitGTK: { hides: [1012, 1013], hidesBuffer: true, unclean: true, opensUnselected: true },
};

/** Names to run alone, from the command line. */
const chosen = process.argv.slice(2);
const isChosen = (name: string) => chosen.length === 0 || chosen.some((part) => name.includes(part));
const matrix = new Matrix();

mkdirSync(built, { recursive: true });
await build({
  entryPoints: {
    run: join(root, "test/contract/run.mjs"),
    contract: join(root, "test/contract/contract.ts"),
    "react-native": join(root, "test/runtimes/react-native.mjs"),
  },
  bundle: true,
  format: "esm",
  target: "es2022",
  external: ["tautline", "tautline/*", "ws", "node:*", "./contract.mjs", "../dist/*"],
  outdir: built,
  outExtension: { ".js": ".mjs" },
  logLevel: "warning",
});

const tls = certificate();
const pages = await contractPages({ root });
const securePages = tls && (await contractPages({ root, tls }));
const origins = [pages.origin, ...(securePages ? [securePages.origin] : []), "null"];
const server = await contractServer({ origins });
const secureServer = tls && (await contractServer({ origins, tls }));

for (const kind of processes(server)) {
  if (!isChosen(kind.name)) continue;
  await matrix.run(kind.name, kind.way, "npm ci --prefix test/runtimes", () => runProcess(kind, server));
}
if (isChosen("workerd")) {
  const platform = { isNode: false, knowsStatus: false, opensUnselected: true };
  await matrix.run("workerd", "its own WebSocket", "npm ci --prefix test/runtimes", () => runWorkerd(platform, server));
}
for (const { name, advice, start } of engines) {
  if (!isChosen(name)) continue;
  const platform = { isNode: false, knowsStatus: false, ...HIDES[name] };
  const caseMs = name === "Chromium" ? CHROMIUM_CASE_MS : CASE_MS;
  const on = (from: ContractServer) => ({ ...from, ...platform, caseMs });
  const within = (engine: Engine, results: Promise<Result[]>) =>
    results.then((all) => ({ version: engine.version, results: all }));

  const plain = await start(false);
  for (const way of WAYS) {
    await matrix.run(name, way, advice, async () => plain && within(plain, pages.run(way, on(server), plain.open)));
  }
  await matrix.run(name, "script, from a file", advice, async () => {
    return plain && within(plain, pages.runFile(on(server), plain.open));
  });
  await matrix.run(name, "pages that are left", advice, async () => {
    return plain && within(plain, runLeaving(plain, name === "Firefox"));
  });
  await plain?.close();

  const trusting = tls && (await start(true));
  await matrix.run(name, "script, https and wss", tls ? advice : "apt-get install openssl", async () => {
    if (!trusting || !securePages || !secureServer) return undefined;
    return within(trusting, securePages.run("script", on(secureServer), trusting.open));
  });
  await trusting?.close();
}
await Promise.all(
  [pages, securePages, server, secureServer].map((each: Pages | ContractServer | undefined) => each?.close()),
);

const table = matrix.table();
writeFileSync(join(built, "matrix.md"), `${table}\n`);
console.log(`\n${table}\n\n${matrix.summary()}`);
process.exitCode = matrix.failed > 0 ? 1 : 0;
