import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createContext, runInContext } from "node:vm";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");

/** What a program can import, types aside. */
const NAMES: Record<string, readonly string[]> = {
  tautline: ["Codec", "Conn", "ConnError", "bytes", "exponential", "fatal", "json", "message", "text"],
  "tautline/server": ["handle", "handler"],
};

/** Runs a program in Node itself, since Vitest resolves and loads modules its own way. */
function node(program: string, ...flags: string[]): unknown {
  return JSON.parse(execFileSync(process.execPath, [...flags, "-e", program], { cwd: ROOT, encoding: "utf8" }));
}

const imported = (entry: string, ...flags: string[]) =>
  node(
    `import * as all from "${entry}"; console.log(JSON.stringify(Object.keys(all).sort()))`,
    "--input-type=module",
    ...flags,
  );
const required = (entry: string, ...flags: string[]) =>
  node(`console.log(JSON.stringify(Object.keys(require("${entry}")).sort()))`, "--input-type=commonjs", ...flags);

test.each(Object.keys(NAMES))("%s has the listed names in Node, imported and required", (entry) => {
  expect(imported(entry)).toEqual(NAMES[entry]);
  expect(required(entry)).toEqual(NAMES[entry]);
});

test.each(["tautline"])("%s has the listed names in a bundle for browsers, imported and required", (entry) => {
  expect(imported(entry, "--conditions=browser")).toEqual(NAMES[entry]);
  expect(required(entry, "--conditions=browser")).toEqual(NAMES[entry]);
});

test.each(["browser", "workerd", "deno"])("tautline/server is not there for %s", (condition) => {
  expect(
    node(
      'import("tautline/server").then(() => "loaded", (error) => error.code).then((it) => console.log(JSON.stringify(it)))',
      `--conditions=${condition}`,
    ),
  ).toBe("ERR_PACKAGE_PATH_NOT_EXPORTED");
});

test("the script build puts the listed names on one global", () => {
  const page = { URL, TextEncoder, TextDecoder, setTimeout, clearTimeout, queueMicrotask };
  const before = Object.keys(page);
  const context = createContext({ ...page });
  runInContext(readFileSync(join(ROOT, "dist/tautline.min.js"), "utf8"), context);
  expect(Object.keys(context).filter((name) => !before.includes(name))).toEqual(["Tautline"]);
  expect(Object.keys(context.Tautline).sort()).toEqual(NAMES.tautline);
});

test("the module build for pages has the listed names", () => {
  expect(imported("./dist/tautline.min.mjs")).toEqual(NAMES.tautline);
});

test("import and require give the same Conn", () => {
  const program = `
    import { createRequire } from "node:module";
    import { Conn } from "tautline";
    const require = createRequire(process.cwd() + "/program.js");
    console.log(JSON.stringify(require("tautline").Conn === Conn && typeof Conn === "function"));
  `;
  expect(node(program, "--input-type=module")).toBe(true);
});
