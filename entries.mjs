// The entry points of the package, each once: builds, `exports`, reports, size budgets and consumers' programs follow.

/**
 * @typedef {object} Entry
 * @property {string} name the path below the package, "." for the main entry
 * @property {string} source the file it is built from
 * @property {"any" | "node"} platform where it runs: everywhere, or only where there is Node's API (Node, Bun, Deno)
 * @property {string} [script] the name of its build for a `<script>` tag
 * @property {readonly string[]} [peers] optional peers that it imports
 * @property {string} [directive] a directive for the top of its built files
 * @property {{ code: string, bytes: number, beyond?: string }} [budget] what a page imports, and bytes of brotli that it may
 *   add to the core, or to the core and the entry that it is beyond
 */

/** @type {readonly Entry[]} */
export const entries = [
  {
    name: ".",
    source: "src/index.ts",
    platform: "any",
    script: "tautline",
    budget: { code: 'export { Conn, json } from "tautline";', bytes: 14_530 },
  },
  {
    name: "resume",
    source: "src/resume/client/index.ts",
    platform: "any",
    script: "tautline-resume",
    budget: { code: 'export { resume } from "tautline/resume";', bytes: 4_685 },
  },
  {
    name: "rpc",
    source: "src/rpc/index.ts",
    platform: "any",
    budget: { code: 'export { rpc, RpcError } from "tautline/rpc";', bytes: 3_780 },
  },
  {
    name: "channels",
    source: "src/channels/index.ts",
    platform: "any",
    budget: { code: 'export { channels } from "tautline/channels";', bytes: 4_075, beyond: "rpc" },
  },
  {
    name: "store",
    source: "src/store/index.ts",
    platform: "any",
    budget: { code: 'export { status, store } from "tautline/store";', bytes: 787 },
  },
  {
    name: "react",
    source: "src/react/index.ts",
    platform: "any",
    peers: ["react"],
    // Otherwise a server component of React that imports a hook fails with a riddle.
    directive: '"use client";',
    budget: {
      code: 'export { useChannel, useConn, useMessage, useStatus, useStore } from "tautline/react";',
      bytes: 1_625,
    },
  },
  {
    name: "trace",
    source: "src/trace/index.ts",
    platform: "any",
    budget: { code: 'export { trace } from "tautline/trace";', bytes: 1_232 },
  },
  {
    name: "websocket",
    source: "src/websocket/index.ts",
    platform: "any",
    script: "tautline-websocket",
    budget: { code: 'export { webSocket } from "tautline/websocket";', bytes: 3_290 },
  },
  { name: "server", source: "src/server/index.ts", platform: "node" },
  { name: "hub", source: "src/hub/index.ts", platform: "node" },
  { name: "engines/redis", source: "src/engines/redis.ts", platform: "node", peers: ["@redis/client"] },
  { name: "testing", source: "src/testing/index.ts", platform: "node" },
  { name: "testing/fake", source: "src/testing/fake/index.ts", platform: "any", script: "tautline-fake" },
  {
    name: "codec/validated",
    source: "src/codec/validated.ts",
    platform: "any",
    budget: { code: 'export { validated } from "tautline/codec/validated";', bytes: 384 },
  },
  {
    name: "codec/compressed",
    source: "src/codec/compressed.ts",
    platform: "any",
    peers: ["fflate"],
    budget: { code: 'export { compressed } from "tautline/codec/compressed";', bytes: 640 },
  },
  {
    name: "codec/msgpack",
    source: "src/codec/msgpack.ts",
    platform: "any",
    peers: ["@msgpack/msgpack"],
    budget: { code: 'export { msgpack } from "tautline/codec/msgpack";', bytes: 940 },
  },
  {
    name: "codec/cbor",
    source: "src/codec/cbor.ts",
    platform: "any",
    peers: ["cborg"],
    budget: { code: 'export { cbor } from "tautline/codec/cbor";', bytes: 620 },
  },
];

/** The name of an entry's files in dist. */
export const fileOf = ({ name }) => (name === "." ? "index" : name);

/** Input of a bundler: a file name in dist and a source for each entry of the platforms. */
export const inputOf = (...platforms) =>
  Object.fromEntries(
    entries.filter(({ platform }) => platforms.includes(platform)).map((entry) => [fileOf(entry), entry.source]),
  );

/** The `exports` of package.json. */
export function exportsOf() {
  const all = {};
  for (const entry of entries) {
    const file = fileOf(entry);
    const types = { module: `./dist/${file}.d.ts`, required: `./dist/${file}.d.cts` };
    const pair = (platform) => ({
      import: { types: types.module, default: `./dist/${platform}/${file}.mjs` },
      require: { types: types.required, default: `./dist/${platform}/${file}.cjs` },
    });
    const browser = { types: types.module, default: `./dist/browser/${file}.mjs` };
    all[entry.name === "." ? "." : `./${entry.name}`] =
      entry.platform === "node"
        ? { workerd: null, browser: null, ...pair("node") }
        : { deno: browser, workerd: browser, browser: pair("browser"), node: pair("node"), default: pair("browser") };
  }
  return { ...all, "./package.json": "./package.json" };
}

/** The `typesVersions` of package.json, for TypeScript's older resolution of modules. */
export function typesVersionsOf() {
  const files = entries
    .filter(({ name }) => name !== ".")
    .map((entry) => [entry.name, [`./dist/${fileOf(entry)}.d.ts`]]);
  return { "*": Object.fromEntries(files) };
}
