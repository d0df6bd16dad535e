import { SourceMap } from "node:module";
import { brotliCompressSync } from "node:zlib";
import { build } from "esbuild";

// The first row is the core alone; each later row is what its line adds to the first.
const budgets = [{ name: "core", code: 'export { Conn, json } from "tautline";', budget: 10496 }];

async function bundle(code) {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: process.cwd() },
    outdir: "size",
    bundle: true,
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
for (const { name, code, budget } of budgets) {
  const result = await bundle(coreCode + code);
  const size = brotli(result.code) - coreSize;
  row(name, size, `bytes of brotli, ${size > budget ? "over" : "within"} the budget of ${budget}`);
  if (size > budget) process.exitCode = 1;
  for (const [module, weight] of weigh(result)) row(`  ${module}`, weight, "bytes minified");
  coreCode ||= code;
  coreSize ||= size;
}
