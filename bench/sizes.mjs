// @ts-check
// What a page downloads of each client: the same imports and the same measure wherever sizes are told.
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

/** Bytes as `npm run size` counts them, dependencies included: minified, and of brotli. */
export async function sizeOf(/** @type {string} */ name) {
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
