import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { createContext, runInContext } from "node:vm";
import { afterAll, expect, test } from "vitest";
import { consumer } from "./packed.ts";

// The bundlers have a manifest of their own: what the compiler knows of them is only what is said here.
const load = createRequire(import.meta.url);
const { folder, remove } = consumer();
afterAll(remove);

const entry = join(folder, "app.mjs");
writeFileSync(
  entry,
  'import { Conn, text } from "tautline";\nglobalThis.made = new Conn("wss://example.com/", { codec: text, autoConnect: false });\n',
);

interface Bundle {
  readonly code: string;
  readonly warnings: readonly string[];
}

const bundlers: Record<string, () => Promise<Bundle>> = {
  async esbuild() {
    const { build } = load("esbuild");
    const { outputFiles, warnings } = await build({
      entryPoints: [entry],
      bundle: true,
      write: false,
      format: "iife",
      logLevel: "silent",
    });
    return { code: outputFiles[0].text, warnings: warnings.map(({ text }: { text: string }) => text) };
  },
  async rollup() {
    const { rollup } = load("rollup");
    const { nodeResolve } = load("@rollup/plugin-node-resolve");
    const commonjs = load("@rollup/plugin-commonjs");
    const warnings: string[] = [];
    const bundle = await rollup({
      input: entry,
      plugins: [nodeResolve({ browser: true, preferBuiltins: false }), (commonjs.default ?? commonjs)()],
      onwarn: ({ message }: { message: string }) => warnings.push(message),
    });
    const { output } = await bundle.generate({ format: "iife" });
    return { code: output[0].code, warnings };
  },
  async vite() {
    const { build, createLogger } = await import(load.resolve("vite"));
    const warnings: string[] = [];
    const logger = createLogger("silent");
    logger.warn = (message: string) => warnings.push(message);
    const { output } = await build({
      root: folder,
      configFile: false,
      customLogger: logger,
      build: { write: false, minify: false, modulePreload: false, rollupOptions: { input: entry } },
    });
    return { code: output[0].code, warnings };
  },
  async webpack() {
    const webpack = load("webpack");
    const { readFileSync } = await import("node:fs");
    const compiler = webpack({
      mode: "production",
      performance: false,
      entry,
      context: folder,
      output: { path: join(folder, "webpack"), filename: "app.js" },
    });
    const warnings = await new Promise<string[]>((resolve, reject) => {
      compiler.run((error: Error | null, stats: { compilation: Record<"errors" | "warnings", Error[]> }) => {
        compiler.close(() => {});
        if (error) reject(error);
        else resolve([...stats.compilation.errors, ...stats.compilation.warnings].map(({ message }) => message));
      });
    });
    return { code: readFileSync(join(folder, "webpack/app.js"), "utf8"), warnings };
  },
};

test.each(Object.entries(bundlers))(
  "%s makes a bundle that runs without Node, ws, JSON codec or resume",
  async (_name, make) => {
    const { code, warnings } = await make();
    expect(warnings).toEqual([]);
    expect(code).toContain("bad-option");
    expect(code).not.toMatch(/\bWebSocketServer\b|["']node:|Sec-WebSocket-Key/);
    expect(code).not.toContain("JSON has no form");
    expect(code).not.toContain("broke the rules of resume");
    const page = { URL, TextEncoder, TextDecoder, AbortController, setTimeout, clearTimeout, queueMicrotask };
    const context = createContext({ ...page, performance, made: undefined });
    runInContext(code, context);
    expect(context.made.state).toBe("idle");
  },
);

test("the marks of what is shaken would be found", async () => {
  writeFileSync(
    entry,
    'import { Conn, json } from "tautline";\nimport { resume } from "tautline/resume";\nglobalThis.made = new Conn("wss://example.com/", { codec: json(), resume: resume(), autoConnect: false });\n',
  );
  const { code } = await (bundlers.esbuild as () => Promise<Bundle>)();
  expect(code).toContain("JSON has no form");
  expect(code).toContain("broke the rules of resume");
});

test("a bundle for browsers speaks with a server, over the WebSocket that its page has", async () => {
  writeFileSync(
    entry,
    `import { Conn, json } from "tautline";
     import { resume } from "tautline/resume";
     const conn = new Conn(globalThis.address, { codec: json(), resume: resume() });
     conn.send(["from the bundle"]);
     conn.receive().then(async (answer) => {
       const { by, clean } = await conn.close();
       console.log(JSON.stringify({ answer, protocol: conn.protocol, by, clean }));
     });`,
  );
  const { code } = await (bundlers.esbuild as () => Promise<Bundle>)();
  const bundle = join(folder, "bundle.cjs");
  const packed = createRequire(entry);
  const { json } = packed("tautline") as typeof import("../../src/index.ts");
  const { handle, handler } = packed("tautline/server") as typeof import("../../src/server/index.ts");
  const server = createServer();
  const options = { codec: json<string[]>(), resume: {} };
  const echo = handler(async (conn) => conn.send(await conn.receive()), options);
  handle(server, "/", echo);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  // Node 20 has no WebSocket of its own: the page's is that of ws, put there before the bundle is loaded.
  writeFileSync(
    bundle,
    `globalThis.WebSocket = require("ws");\nglobalThis.address = ${JSON.stringify(address)};\n${code}`,
  );
  const { stdout } = await promisify(execFile)(process.execPath, [bundle], { timeout: 20_000 });
  server.close();
  expect(JSON.parse(stdout)).toEqual({
    answer: ["from the bundle"],
    protocol: "",
    by: "local",
    clean: true,
  });
});
