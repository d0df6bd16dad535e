// Writes what each entry point declares, sorted and without what is private: a change of the public API shows in the diff.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import manifest from "../package.json" with { type: "json" };

const root = fileURLToPath(new URL("..", import.meta.url));
// Kept with the compilers that the package is tested with, so that installing for development stays quick.
const load = createRequire(join(root, "test/consumers/package.json"));
const { CompilerState, Extractor, ExtractorConfig } = load("@microsoft/api-extractor");

const folder = resolve(process.argv[2] ?? join(root, "etc"));
const scratch = mkdtempSync(join(tmpdir(), "tautline-api-"));
mkdirSync(folder, { recursive: true });

const compilerOptions = {
  target: "es2022",
  module: "nodenext",
  moduleResolution: "nodenext",
  lib: ["es2022", "dom"],
  types: ["node"],
  typeRoots: [join(root, "node_modules/@types")],
  skipLibCheck: true,
};
// Comments and links are typedoc's to check.
const silent = { default: { logLevel: "none" } };

const entries = Object.entries(manifest.exports).flatMap(([entry, { import: module, node }]) => {
  const types = (module ?? node?.import)?.types;
  return types
    ? [{ name: entry === "." ? "index" : entry.slice(2).replaceAll("/", "-"), file: join(root, types) }]
    : [];
});
const files = entries.map(({ file }) => file);
const configs = entries.map(({ name, file }) =>
  ExtractorConfig.prepare({
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath: file,
      newlineKind: "lf",
      compiler: { overrideTsconfig: { compilerOptions, files } },
      apiReport: { enabled: true, reportFileName: `${name}.api.md`, reportFolder: folder, reportTempFolder: scratch },
      messages: {
        compilerMessageReporting: { default: { logLevel: "error" } },
        extractorMessageReporting: silent,
        tsdocMessageReporting: silent,
      },
    },
    packageJsonFullPath: join(root, "package.json"),
  }),
);
const compilerState = CompilerState.create(configs[0], { additionalEntryPoints: files });
for (const config of configs) {
  const { errorCount } = Extractor.invoke(config, {
    localBuild: true,
    compilerState,
    messageCallback(message) {
      message.handled = message.logLevel !== "error";
    },
  });
  if (errorCount > 0) process.exitCode = 1;
}
rmSync(scratch, { recursive: true });
