// npm run bench: measures, and prints the tables that docs/guides/performance.md shows. `--write` puts them and the charts there.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem, type } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const USAGE = "Usage: npm run bench -- [--only <part>]... [--rounds <1 to 99>] [--tiny] [--write]";
const root = fileURLToPath(new URL("..", import.meta.url));
const docs = `${root}docs/guides/performance.md`;
const npm = (...args) => execFileSync("npm", args, { cwd: root, stdio: ["ignore", "ignore", "inherit"] });

if (!existsSync(`${root}bench/node_modules/partysocket`)) npm("ci", "--prefix", "bench");
if (!existsSync(`${root}dist/node/index.cjs`)) npm("run", "build");

const { parts, versions } = await import("./suites.mjs");
const options = {
  only: { type: "string", multiple: true },
  rounds: { type: "string" },
  tiny: { type: "boolean" },
  write: { type: "boolean" },
};

try {
  const { only = Object.keys(parts), rounds = "7", tiny = false, write = false } = parseArgs({ options }).values;
  for (const name of only)
    if (!(name in parts)) throw new Error(`There is no ${name}: ${Object.keys(parts).join(", ")}.`);
  if (!/^[1-9]\d?$/.test(rounds)) throw new Error(`--rounds must be from 1 to 99; got ${rounds}.`);
  for (const name of only) await measure(name, { rounds: Number(rounds), scale: tiny ? 0.002 : 1 }, write);
} catch (error) {
  console.error(`${error.stack}\n${USAGE}`);
  process.exitCode = 1;
}

async function measure(name, how, write) {
  const { title, lacks, run } = parts[name];
  const heading = `### ${title[0].toUpperCase()}${title.slice(1)}`;
  if (lacks) return console.log(`${heading}\n\nNot measured: ${lacks}\n`);
  const { text, chart } = await run(how);
  console.log(`${heading}\n\n${text}\n`);
  if (!write) return;
  mkdirSync(`${root}docs/charts`, { recursive: true });
  writeFileSync(`${root}docs/charts/${name}.svg`, chart);
  put(name, `${heading}\n\n${text}\n\n![${title}](../charts/${name}.svg)`);
  put("machine", machine());
}

/** Where all this was measured. */
function machine() {
  const [{ model }] = cpus();
  const gib = Math.round(totalmem() / 2 ** 30);
  return [
    `Node ${process.version}, ${type()} ${release()}, ${cpus().length} × ${model.trim()}, ${gib} GiB.`,
    `${versions().join(", ")}.`,
  ].join("\n");
}

/** Replaces what stands between the marks of `name` in the docs. */
function put(name, text) {
  const [start, end] = [`<!-- bench ${name} -->`, `<!-- end ${name} -->`];
  const page = readFileSync(docs, "utf8");
  const from = page.indexOf(start);
  const to = page.indexOf(end);
  if (from < 0 || to < from) throw new Error(`docs/guides/performance.md has no place for ${name}.`);
  writeFileSync(docs, `${page.slice(0, from + start.length)}\n${text}\n${page.slice(to)}`);
}
