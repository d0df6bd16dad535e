import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { transformSync } from "esbuild";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const DIST = join(ROOT, "dist");

const files = readdirSync(DIST, { recursive: true, encoding: "utf8" });
const read = (file: string) => readFileSync(join(DIST, file), "utf8");
const declarations = files.filter((file) => /\.d\.c?ts$/.test(file));

/** The modules over the CommonJS build hold no code of ours. */
const isReexport = (file: string) =>
  /^\/\*!.*\*\/\n(?:"use client";\n)?export \{[^}]*\} from "[^"]*";\n$/.test(read(file));
const scripts = files.filter((file) => /\.[cm]?js$/.test(file) && !isReexport(file));

const mapOf = (file: string): { sources: string[]; sourcesContent: (string | null)[] } =>
  JSON.parse(read(`${file}.map`));

const countIn = (code: string, pattern: RegExp) => code.match(pattern)?.length ?? 0;

/**
 * Compilers for older targets keep each #private field in a WeakMap and each #private method in a WeakSet: more of these
 * than `source` has itself.
 */
const hasLoweredPrivates = (code: string, source: string) =>
  /__private(Add|Get|Set|Method|In)\b/.test(code) ||
  countIn(code, /\bnew Weak(Map|Set)\b/g) > countIn(source, /\bnew Weak(Map|Set)\b/g);

/** Whatever could make a type checker load a module: imports, re-exports, inline imports, references. */
const modulesNamed = (code: string) =>
  [
    ...code.matchAll(
      /(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire\s*\(\s*|\b(?:types|path)=|\bmodule\s+)["']([^"']+)["']/g,
    ),
  ].map(([, name]) => name as string);

test("#private fields stay what they are", () => {
  expect(scripts).toContain("tautline.min.js");
  const sourceOf = (file: string) => mapOf(file).sourcesContent.join("\n");
  expect(scripts.filter((file) => hasLoweredPrivates(read(file), sourceOf(file)))).toEqual([]);
});

test("lowered #private fields would be found", () => {
  const source =
    "export class Box { #value = 1; #twice() { return this.#value * 2 } get twice() { return this.#twice() } }";
  const build = (target: string, minify: boolean) => transformSync(source, { target, minify, format: "esm" }).code;
  expect([true, false].map((minify) => hasLoweredPrivates(build("es2020", minify), source))).toEqual([true, true]);
  expect([true, false].map((minify) => hasLoweredPrivates(build("es2022", minify), source))).toEqual([false, false]);
});

test("the built files of the React layer, and no other, begin with the directive for React's servers", () => {
  const withDirective = files.filter(
    (file) => /\.[cm]?js$/.test(file) && /^\/\*!.*\*\/\n"use client";\n/.test(read(file)),
  );
  const built = ["browser/react.cjs", "browser/react.mjs", "node/react.cjs", "node/react.mjs"];
  expect(withDirective.sort()).toEqual(built);
});

test("Conn is defined once for all entry points of Node", () => {
  const owners = scripts.filter((file) => file.startsWith("node") && /\bclass Conn\b/.test(read(file)));
  expect(owners).toHaveLength(1);
});

test.each(["ts", "cts"])("Conn is declared once in the .d.%s files", (extension) => {
  const owners = declarations.filter((file) => file.endsWith(`.d.${extension}`) && /\bclass Conn\b/.test(read(file)));
  expect(owners).toHaveLength(1);
});

test("what runs in browsers names nothing of Node", () => {
  const web = scripts.filter((file) => !file.startsWith("node"));
  expect(web.filter((file) => /["']node:/.test(read(file)))).toEqual([]);
  expect(web.filter((file) => mapOf(file).sources.some((source) => source.endsWith("node-socket.ts")))).toEqual([]);
});

test("types name no package, and Node only for the server", () => {
  const named = declarations.flatMap((file) => modulesNamed(read(file)).map((name) => ({ file, name })));
  const foreign = named.filter(({ name }) => !name.startsWith(".") && name !== "esnext.disposable");
  expect(foreign.filter(({ file, name }) => !(name.startsWith("node:") && /^server\.d\./.test(file)))).toEqual([]);
});

test("every way to name a module in types would be found", () => {
  const ways = `
    import WebSocket from "a"; import type { B } from 'b'; export * from "c"; import "d";
    type E = import("e").E; import F = require("f"); declare module "g" {}
    /// <reference types="h" />
  `;
  expect(modulesNamed(ways)).toEqual(["a", "b", "c", "d", "e", "f", "g", "h"]);
});

test("every script has a source map that holds its sources", () => {
  expect(scripts.length).toBeGreaterThan(0);
  expect(scripts.filter((file) => !existsSync(join(DIST, `${file}.map`)))).toEqual([]);
  const incomplete = scripts.filter((file) => {
    const { sources, sourcesContent } = mapOf(file);
    // An entry that only passes on what its chunks hold has no source of its own.
    if (sources.length === 0) return /\bfunction\b|\bclass\b|=>/.test(read(file));
    return sources.some((_, i) => !sourcesContent[i]);
  });
  expect(incomplete).toEqual([]);
});

test("a minified build has one comment, the banner", () => {
  for (const file of ["tautline.min.js", "tautline.min.mjs"]) {
    const comments = transformSync(read(file), { legalComments: "external" }).legalComments.trim();
    expect(comments).toMatch(/^\/\*! tautline \S+ \| MIT \*\/$/);
  }
});

test("nothing built names a folder of this machine", () => {
  const texts = files.filter((file) => /\.(map|[cm]?[jt]s)$/.test(file));
  const places = [`${ROOT}/`, `${homedir()}/`, "file://"];
  expect(texts.filter((file) => places.some((place) => read(file).includes(place)))).toEqual([]);
});

test("the package holds what was built and its papers, nothing else", () => {
  const output = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
    cwd: ROOT,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [{ files: packed }] = JSON.parse(output) as [{ files: { path: string }[] }];
  const papers = packed.map(({ path }) => path).filter((path) => !path.startsWith("dist/"));
  expect(papers.sort()).toEqual([
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "THIRD-PARTY.txt",
    "package.json",
    "skills/tautline/SKILL.md",
  ]);
  expect(packed.some(({ path }) => path === "dist/index.d.ts")).toBe(true);
});
