import { SourceMap } from "node:module";
import { brotliCompressSync } from "node:zlib";
import { build } from "esbuild";
import { entries } from "../entries.mjs";
import manifest from "../package.json" with { type: "json" };

// The first row is the core alone. Each later row is the difference to the first, or to both the first and the row that
// it is beyond. Exports that a page downloads only if it
// uses them (`readable`, `writable`) do not count. Nor do the server, testing and optional peers.
const budgets = entries.flatMap(({ name, budget }) =>
  budget ? [{ name: name === "." ? "core" : name, ...budget, budget: budget.bytes }] : [],
);

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

/** How many minified characters come from each source file. */
function weigh({ code, map }) {
  const weights = new Map();
  for (const [line, text] of code.split("\n").entries()) {
    for (let column = 0; column < text.length; column++) {
      const source = map.findEntry(line, column).originalSource ?? "bundler";
      const name = source.replace(/^.*?(src|node_modules)\//, "").replace("<stdin>", "exports");
      weights.set(name, (weights.get(name) ?? 0) + 1);
    }
  }
  return weights;
}

/** Returns the modules that are heavier than in the core, the heaviest first. */
function added(weights, core) {
  const modules = [...weights].map(([name, weight]) => ({ name, size: weight - (core.get(name) ?? 0) }));
  return modules.filter(({ size }) => size > 0).sort((a, b) => b.size - a.size);
}

const row = (name, size, note) => console.log(`${name.padEnd(32)} ${String(size).padStart(7)}  ${note}`);

let core = { imports: "", size: 0, weights: new Map() };
const rows = new Map();
for (const { name, code, budget, beyond } of budgets) {
  const base = rows.get(beyond) ?? core;
  const result = await bundle(base.imports + code);
  const size = brotli(result.code) - base.size;
  row(name, size, `bytes of brotli, ${size > budget ? "over" : "within"} the budget of ${budget}`);
  if (size > budget) process.exitCode = 1;
  const weights = weigh(result);
  const modules = added(weights, base.weights);
  for (const module of modules) row(`  ${module.name}`, module.size, "bytes minified");
  const all = { imports: base.imports + code, size: base.size + size, weights };
  rows.set(name, all);
  if (core.imports === "") core = all;
}
