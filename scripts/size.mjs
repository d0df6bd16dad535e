import { SourceMap } from "node:module";
import { brotliCompressSync } from "node:zlib";
import { build } from "esbuild";
import manifest from "../package.json" with { type: "json" };

// The first row is the core alone; each later row is what its line adds to the first.
const budgets = [
  { name: "core", code: 'export { Conn, json } from "tautline";', budget: 11776 },
  { name: "resume", code: 'export { resume } from "tautline/resume";', budget: 4096 },
  // Optional peers are not counted: whether a page has them is its own affair.
  { name: "codec/validated", code: 'export { validated } from "tautline/codec/validated";' },
  { name: "codec/compressed", code: 'export { compressed } from "tautline/codec/compressed";' },
  { name: "codec/msgpack", code: 'export { msgpack } from "tautline/codec/msgpack";' },
  { name: "codec/cbor", code: 'export { cbor } from "tautline/codec/cbor";' },
];

async function bundle(code) {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: process.cwd() },
    outdir: "size",
    bundle: true,
    external: Object.keys(manifest.peerDependencies),
    minify: true,
    write: false,
    format: "esm",
    target: "es2022",
    platform: "browser",
    sourcemap: "external",
    legalComments: "none",
  });
  const [map, script] = outputFiles.sort((a, b) => b.path.length - a.path.length);
  return { code: script.text, map: new SourceMap(JSON.parse(map.text)) };
}

const brotli = (code) => brotliCompressSync(code).length;

/** How many minified characters come from each source file, heaviest first. */
function weigh({ code, map }) {
  const weights = new Map();
  for (const [line, text] of code.split("\n").entries()) {
    for (let column = 0; column < text.length; column++) {
      const source = map.findEntry(line, column).originalSource ?? "bundler";
      const name = source.replace(/^.*?(src|node_modules)\//, "").replace("<stdin>", "exports");
      weights.set(name, (weights.get(name) ?? 0) + 1);
    }
  }
  return [...weights].sort(([, a], [, b]) => b - a);
}

const row = (name, size, note) => console.log(`${name.padEnd(32)} ${String(size).padStart(7)}  ${note}`);

let coreCode = "";
let coreSize = 0;
for (const { name, code, budget = Number.POSITIVE_INFINITY } of budgets) {
  const result = await bundle(coreCode + code);
  const size = brotli(result.code) - coreSize;
  const verdict = `, ${size > budget ? "over" : "within"} the budget of ${budget}`;
  row(name, size, `bytes of brotli${Number.isFinite(budget) ? verdict : " added"}`);
  if (size > budget) process.exitCode = 1;
  if (coreCode && !Number.isFinite(budget)) continue;
  for (const [module, weight] of weigh(result)) row(`  ${module}`, weight, "bytes minified");
  coreCode ||= code;
  coreSize ||= size;
}
