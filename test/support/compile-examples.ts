import { join } from "node:path";
import ts from "typescript";
import type { Example } from "./examples.ts";

/** The endings of the languages of programs. */
export const EXTENSIONS: Readonly<Record<string, string>> = { ts: "mts", tsx: "tsx", js: "mjs" };

/** How a reader's compiler is set up. */
const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext,
  moduleDetection: ts.ModuleDetectionKind.Force,
  jsx: ts.JsxEmit.ReactJSX,
  lib: ["lib.es2022.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts", "lib.dom.asynciterable.d.ts"],
  types: ["node"],
  allowJs: true,
  strict: true,
  skipLibCheck: true,
  noEmit: true,
};

/**
 * Lists the errors that TypeScript reports for examples, each a module in `folder`, from which it finds the packages that the
 * example imports.
 */
export function complaintsOf(all: readonly Example[], folder: string, more: ts.CompilerOptions = {}): string[] {
  const options = { ...OPTIONS, ...more };
  const fileOf = ({ language }: Example, i: number) => join(folder, `example-${i}.${EXTENSIONS[language]}`);
  const sources = new Map(all.map((example, i) => [fileOf(example, i), example.code]));
  const host = ts.createCompilerHost(options);
  // Where `types` are looked for.
  host.getCurrentDirectory = () => folder;
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

/** Why a sample is not compiled beside the package itself, and which test compiles it beside the library that it needs. */
export const COMPILED_BESIDE = {
  frameworks: /^needs (express|fastify|hono|msw|react-use-websocket)$/,
  frontends: /^needs (next|RxJS|Solid|Vite|Vue)$/,
} as const;
