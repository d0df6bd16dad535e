// @ts-check
// The bytes of each client that a page downloads: the same imports and the same measure wherever a size is printed.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";
import { build } from "esbuild";

/** The import that a page with one connection needs. */
export const IMPORTS = /** @type {Record<string, string>} */ ({
  tautline: 'export { Conn, json } from "tautline"',
  "tautline, resume": 'export { Conn, json } from "tautline"; export { resume } from "tautline/resume"',
  sockette: 'export { default } from "sockette"',
  "websocket-ts": 'export { ExponentialBackoff, WebsocketBuilder } from "websocket-ts"',
  partysocket: 'export { WebSocket } from "partysocket"',
  "reconnecting-websocket": 'export { default } from "reconnecting-websocket"',
  "socket.io-client": 'export { io } from "socket.io-client"',
  centrifuge: 'export { Centrifuge } from "centrifuge"',
});

/** Sizes of two builds, each as its own files say. */
const BUILDS = /** @type {Record<string, readonly [string, string]>} */ ({
  "other build": [process.env.BENCH_AGAINST ?? "", "tautline.min.mjs"],
  "this build": [fileURLToPath(new URL("../dist", import.meta.url)), "tautline.min.mjs"],
  "other build, resume alone": [process.env.BENCH_AGAINST ?? "", "tautline-resume.min.mjs"],
  "this build, resume alone": [fileURLToPath(new URL("../dist", import.meta.url)), "tautline-resume.min.mjs"],
});
export const OTHER_SIZES = Object.keys(BUILDS);

/** Counts bytes as `npm run size` does, dependencies included: minified, and of brotli. */
export async function sizeOf(/** @type {string} */ name) {
  const file = BUILDS[name];
  if (file) {
    const code = readFileSync(join(...file));
    return { minified: code.length, brotli: brotliCompressSync(code).length };
  }
  const { outputFiles } = await build({
    stdin: {
      contents: IMPORTS[name] ?? "",
      resolveDir: fileURLToPath(new URL(name.startsWith("tautline") ? ".." : ".", import.meta.url)),
    },
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2022",
    platform: "browser",
    legalComments: "none",
    logLevel: "silent",
  });
  const script = outputFiles[0]?.text ?? "";
  return { minified: script.length, brotli: brotliCompressSync(script).length };
}
