// npm run bench: measures, and prints the tables of docs/guides/performance.md. `--write` puts them and the charts there.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem, type } from "node:os";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const USAGE = "Usage: npm run bench -- [--only <part>]... [--rounds <1 to 99>] [--tiny] [--write | --against <dist>]";
const root = fileURLToPath(new URL("..", import.meta.url));
const docs = `${root}docs/guides/performance.md`;
const npm = (...args) => execFileSync("npm", args, { cwd: root, stdio: ["ignore", "ignore", "inherit"] });

if (!existsSync(`${root}bench/node_modules/partysocket`)) npm("ci", "--prefix", "bench");
if (!existsSync(`${root}dist/node/index.cjs`)) npm("run", "build");

const options = {
  against: { type: "string" },
  only: { type: "string", multiple: true },
  rounds: { type: "string" },
  tiny: { type: "boolean" },
  write: { type: "boolean" },
};

try {
  const { against, only: chosen, rounds = "7", tiny = false, write = false } = parseArgs({ options }).values;
  if (against !== undefined) {
    if (write) throw new Error("--against compares two builds, and --write is for the page: use one of them.");
    // Read by the clients' processes too, so it is set before anything is imported or forked.
    process.env.BENCH_AGAINST = resolve(against);
    if (!existsSync(`${process.env.BENCH_AGAINST}/node/index.cjs`)) {
      throw new Error(`--against names the dist of another build, with node/index.cjs in it; got ${against}.`);
    }
  }
  const suites = await import("./suites.mjs");
  const parts = against === undefined ? suites.parts : suites.partsAgainst;
  const only = chosen ?? Object.keys(parts);
  for (const name of only)
    if (!(name in parts)) throw new Error(`There is no ${name}: ${Object.keys(parts).join(", ")}.`);
  if (!/^[1-9]\d?$/.test(rounds)) throw new Error(`--rounds must be from 1 to 99; got ${rounds}.`);
  for (const name of only) {
    const text = await measure(name, parts[name], { rounds: Number(rounds), scale: tiny ? 0.002 : 1 }, write);
    if (write && text) put("machine", machine(suites.versions()));
  }
} catch (error) {
  console.error(`${error.stack}\n${USAGE}`);
  process.exitCode = 1;
}

async function measure(name, { title, lacks, run }, how, write) {
  const heading = `### ${title[0].toUpperCase()}${title.slice(1)}`;
  if (lacks) {
    console.log(`${heading}\n\nNot measured: ${lacks}\n`);
    return undefined;
  }
  const { text, chart } = await run(how);
  console.log(`${heading}\n\n${text}\n`);
  if (!write) return text;
  mkdirSync(`${root}docs/charts`, { recursive: true });
  writeFileSync(`${root}docs/charts/${name}.svg`, chart);
  put(name, `${heading}\n\n${text}\n\n![${title}](../charts/${name}.svg)`);
  return text;
}

/** Describes the machine and the versions of a measurement. */
function machine(versions) {
  const [{ model }] = cpus();
  const gib = Math.round(totalmem() / 2 ** 30);
  return [
    `Node ${process.version}, ${type()} ${release()}, ${cpus().length} × ${model.trim()}, ${gib} GiB.`,
    `${versions.join(", ")}.`,
  ].join("\n");
}

/** Replaces the text between the marks of `name` in the docs. */
function put(name, text) {
  const [start, end] = [`<!-- bench ${name} -->`, `<!-- end ${name} -->`];
  const page = readFileSync(docs, "utf8");
  const from = page.indexOf(start);
  const to = page.indexOf(end);
  if (from < 0 || to < from) throw new Error(`docs/guides/performance.md has no place for ${name}.`);
  writeFileSync(docs, `${page.slice(0, from + start.length)}\n${text}\n${page.slice(to)}`);
}
