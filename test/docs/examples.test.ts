import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { transformSync } from "esbuild";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import { type Example, examplesIn, examplesOf } from "../support/examples.ts";

const ROOT = join(import.meta.dirname, "../..");
const examples = examplesOf(ROOT);

const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext,
  moduleDetection: ts.ModuleDetectionKind.Force,
  lib: ["lib.es2022.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts", "lib.dom.asynciterable.d.ts"],
  types: ["node"],
  strict: true,
  skipLibCheck: true,
  noEmit: true,
};

/** What TypeScript says of examples, each a module in the root folder, where `tautline` is the package as built. */
function complaints(all: readonly Example[]): string[] {
  const sources = new Map(all.map(({ code }, i) => [join(ROOT, `example-${i}.mts`), code]));
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile } = host;
  host.fileExists = (file) => sources.has(file) || fileExists(file);
  host.readFile = (file) => sources.get(file) ?? readFile(file);
  const { getSourceFile } = host;
  host.getSourceFile = (file, version, ...rest) => {
    const code = sources.get(file);
    return code === undefined ? getSourceFile(file, version, ...rest) : ts.createSourceFile(file, code, version);
  };
  const program = ts.createProgram([...sources.keys()], options, host);
  return ts.getPreEmitDiagnostics(program).map(({ file, start = 0, messageText }) => {
    const place = file ? [...sources.keys()].indexOf(file.fileName) : -1;
    const line = file ? file.getLineAndCharacterOfPosition(start).line + 1 : 0;
    return `${all[place]?.name ?? file?.fileName}, line ${line}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
  });
}

/** What an example prints, run by Node in the root folder. */
function output({ code }: Example): string[] {
  const program = transformSync(code, { loader: "ts", format: "esm" }).code;
  const flags = ["--input-type=module", "--eval", program];
  return execFileSync(process.execPath, flags, { cwd: ROOT, encoding: "utf8" }).trimEnd().split("\n");
}

test("every example compiles against the package as built", { timeout: 60_000 }, () => {
  expect(examples.length).toBeGreaterThan(5);
  expect(complaints(examples)).toEqual([]);
});

const runnable = examples.filter(({ prints }) => prints.length > 0);

test.each(runnable.map((example) => [example.name, example] as const))("%s prints what it says", (_name, example) => {
  expect(output(example)).toEqual(example.prints);
});

describe("the check itself", () => {
  const page = [
    "```ts",
    "const a: number = 1;",
    "```",
    "<!-- prints: 1 -->",
    "<!-- prints: two -->",
    "```ts",
    'import { json } from "tautline";',
    'const b: string = json<number>().unmarshal("1");',
    'console.log(b); console.log("two");',
    "```",
    "```js",
    "not(checked);",
    "```",
    "",
  ].join("\n");
  const [quiet, wrong] = examplesIn("page.md", page) as [Example, Example];

  test("finds ts blocks, where they are and what they print", () => {
    expect(examplesIn("page.md", page)).toHaveLength(2);
    expect(quiet).toEqual({ name: "page.md:2", code: "const a: number = 1;\n", prints: [] });
    expect(wrong).toMatchObject({ name: "page.md:7", prints: ["1", "two"] });
  });

  test("reports what does not compile, by page and line", { timeout: 60_000 }, () => {
    expect(complaints([quiet, wrong])).toEqual([
      "page.md:7, line 2: Type 'number' is not assignable to type 'string'.",
    ]);
  });

  test("sees what is printed", () => {
    expect(output(wrong)).toEqual(["1", "two"]);
  });
});
