import { readFileSync, rmSync } from "node:fs";
import commonjs from "@rollup/plugin-commonjs";
import { nodeResolve } from "@rollup/plugin-node-resolve";
import terser from "@rollup/plugin-terser";
import dts from "rollup-plugin-dts";
import esbuild from "rollup-plugin-esbuild";
import { entries, fileOf, inputOf } from "./entries.mjs";
import manifest from "./package.json" with { type: "json" };

const anywhere = inputOf("any");
const everything = inputOf("any", "node");

const banner = `/*! ${manifest.name} ${manifest.version} | ${manifest.license} */`;
/** Returns the first lines of a built file, by the name of its chunk. */
const topOf = ({ name }) => {
  const { directive } = entries.find((entry) => fileOf(entry) === name) ?? {};
  return directive ? `${banner}\n${directive}` : banner;
};
const common = { banner: topOf, sourcemap: true, exports: "named", interop: "auto", hoistTransitiveImports: false };
const builtins = /^node:/;
const dependencies = Object.keys(manifest.dependencies);
const peers = Object.keys(manifest.peerDependencies);

// cborg has no CommonJS form: modules import the peer, what is required carries a copy.
const requirable = (packages) => packages.filter((name) => name !== "cborg");

// Lower targets turn #private into WeakMaps, which are 60 times slower.
const typescript = () => esbuild({ target: "es2022" });
const resolveForNode = () => nodeResolve({ extensions: [".ts", ".js"] });
const resolveForBrowser = () => nodeResolve({ browser: true, extensions: [".ts", ".mjs", ".js"] });

/**
 * Beside each CommonJS entry, a module that re-exports it name by name. A second build would define a second `Conn`,
 * and `instanceof` would fail between a program's imports and its dependencies' requires.
 */
function modulesOverCommonjs() {
  return {
    name: "modules-over-commonjs",
    generateBundle(_options, bundle) {
      for (const chunk of Object.values(bundle)) {
        if (!chunk.isEntry || chunk.name === "codec/cbor") continue;
        this.emitFile({
          type: "asset",
          fileName: `${chunk.name}.mjs`,
          source: `${topOf(chunk)}\nexport { ${chunk.exports.join(", ")} } from "./${chunk.name.split("/").at(-1)}.cjs";\n`,
        });
      }
    },
  };
}

// Next.js builds servers with an empty module in place of the native addon of `ws`. `ws` then throws on each message of 48
// bytes or more. This comes before every import of a chunk, because `ws` reads the variable when it is loaded.
const withoutEmptyAddon = `try {
  if (typeof require("bufferutil").mask !== "function") process.env.WS_NO_BUFFER_UTIL = "1";
} catch {
  // It is not installed, and ws does without.
}`;

/** Puts the licence of a package that was copied into an entry beside it. */
function licence(name, entry) {
  return {
    name: "licence",
    generateBundle() {
      this.emitFile({
        type: "asset",
        fileName: `${entry}.LICENSE-${name}`,
        source: readFileSync(`node_modules/${name}/LICENSE`),
      });
    },
  };
}

/** The members of eventemitter3 that src/base/emitter.ts does not use, which takes no others by its type. */
const UNUSED = [
  "prefixed",
  "prototype.addListener",
  "prototype.eventNames",
  "prototype.listeners",
  "prototype.once",
  "prototype.removeAllListeners",
];

/**
 * Inlines eventemitter3, because what bundlers wrap around a CommonJS module weighs more than a second copy is likely to.
 * No bundler finds out which methods of a prototype are never called, so that they are left out here: a tenth of a page's code.
 */
function inlined() {
  return [
    {
      name: "without-unused-members",
      transform(code, id) {
        if (!id.endsWith("/eventemitter3/index.js")) return null;
        const unused = this.parse(code).body.filter(({ start, end }) =>
          UNUSED.some((name) => code.slice(start, end).startsWith(`EventEmitter.${name} = `)),
        );
        if (unused.length !== UNUSED.length) this.error("A member to leave out is not in eventemitter3 any more.");
        // Blanks of the same length, so that positions in the source map stay right.
        const blank = (text, { start, end }) =>
          text.slice(0, start) + text.slice(start, end).replace(/./g, " ") + text.slice(end);
        return { code: unused.reduce(blank, code), map: null };
      },
    },
    // No other CommonJS module is inlined that could need a wrapper, because it is part of a cycle or has no default.
    commonjs({ include: /node_modules/, strictRequires: false, defaultIsModuleExports: true }),
  ];
}

/** Gives CommonJS its own place for that of a module. Rollup would ask the page's document for it first. */
const placeOfCommonjs = {
  name: "place-of-commonjs",
  resolveImportMeta: (property) => (property === "url" ? "__filename" : null),
};

rmSync("dist", { recursive: true, force: true });

const node = {
  input: everything,
  external: [...dependencies, ...requirable(peers), builtins],
  plugins: [resolveForNode(), typescript(), placeOfCommonjs, modulesOverCommonjs(), licence("cborg", "codec/cbor.cjs")],
  output: {
    ...common,
    dir: "dist/node",
    format: "cjs",
    intro: ({ imports }) => (imports.includes("ws") || imports.includes("isomorphic-ws") ? withoutEmptyAddon : ""),
    entryFileNames: "[name].cjs",
    chunkFileNames: "chunks/[name].cjs",
  },
};

/** Files whose exports this module takes from the main entry, because a second `ConnError` would fail `instanceof`. */
const OF_MAIN_ENTRY = /\/src\/(codec\/codec|base\/errors)\.ts$/;

// The one module of Node that holds code, because its peer can't be required. The core it takes from the others.
const nodeCbor = {
  input: anywhere["codec/cbor"],
  external: ["cborg", OF_MAIN_ENTRY],
  plugins: [resolveForNode(), typescript()],
  output: {
    ...common,
    file: "dist/node/codec/cbor.mjs",
    format: "es",
    paths: (id) => (OF_MAIN_ENTRY.test(id) ? "../index.cjs" : id),
  },
};

const browser = [
  { format: "es", extension: "mjs", external: peers, plugins: [] },
  { format: "cjs", extension: "cjs", external: requirable(peers), plugins: [licence("cborg", "codec/cbor.cjs")] },
].map(({ format, extension, external, plugins }) => ({
  input: anywhere,
  external,
  plugins: [resolveForBrowser(), ...inlined(), typescript(), ...plugins],
  output: {
    ...common,
    dir: "dist/browser",
    format,
    entryFileNames: `[name].${extension}`,
    chunkFileNames: `chunks/[name].${extension}`,
  },
}));

// The second adds its names to the first's: what a page does not ask for it does not load.
const scripts = entries
  .filter(({ script }) => script)
  .map(({ source, script }) => ({
    input: source,
    plugins: [
      resolveForBrowser(),
      ...inlined(),
      typescript(),
      terser({ compress: { passes: 3 }, format: { comments: /^! tautline/ } }),
    ],
    output: [
      { ...common, file: `dist/${script}.min.js`, format: "iife", name: "Tautline", extend: true },
      { ...common, file: `dist/${script}.min.mjs`, format: "es" },
    ],
  }));

// All entries in one build: a type they share is declared once.
const types = {
  input: everything,
  external: [...dependencies, ...peers, builtins],
  plugins: [dts()],
  output: ["ts", "cts"].map((extension) => ({
    // Conn has Symbol.asyncDispose, which older `lib` settings do not know.
    banner: '/// <reference lib="esnext.disposable" />',
    dir: "dist",
    format: "es",
    entryFileNames: `[name].d.${extension}`,
    chunkFileNames: `chunks/[name].d.${extension}`,
  })),
};

export default [node, nodeCbor, ...browser, ...scripts, types];
