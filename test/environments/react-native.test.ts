import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { consumer } from "../consumers/packed.ts";

// These tools have a manifest of their own: what the compiler knows of them is only what is said here.
const load = createRequire(import.meta.url);
const MODULES = join(import.meta.dirname, "node_modules");
const { folder, remove } = consumer({ copies: true });
afterAll(remove);

test("Metro with the preset of React Native builds an app that runs in its engine", async () => {
  for (const file of ["app.js", "globals.js"])
    cpSync(join(import.meta.dirname, "react-native", file), join(folder, file));
  // React Native's own URL, without the native module for blobs behind it.
  const blob = join(folder, "node_modules/react-native/Libraries/Blob");
  mkdirSync(blob, { recursive: true });
  for (const file of ["URL.js", "URLSearchParams.js"])
    cpSync(join(MODULES, "react-native/Libraries/Blob", file), join(blob, file));
  writeFileSync(join(blob, "NativeBlobModule.js"), "export default null;\n");
  for (const name of ["abort-controller", "event-target-shim", "@babel/runtime", "invariant", "metro-runtime"]) {
    cpSync(join(MODULES, name), join(folder, "node_modules", name), { recursive: true });
  }
  writeFileSync(join(folder, "package.json"), '{ "name": "app", "private": true }\n');
  writeFileSync(
    join(folder, "babel.config.js"),
    `module.exports = { presets: [${JSON.stringify(load.resolve("@react-native/babel-preset"))}] };\n`,
  );

  const { loadConfig, mergeConfig, runBuild } = load("metro");
  const config = mergeConfig(await loadConfig({ cwd: folder }), {
    projectRoot: folder,
    watchFolders: [folder, join(MODULES, "metro-runtime")],
    reporter: { update() {} },
    maxWorkers: 1,
    resetCache: true,
    cacheStores: [],
    // As React Native's own configuration says (@react-native/metro-config).
    resolver: { unstable_conditionNames: ["react-native"], resolverMainFields: ["react-native", "browser", "main"] },
  });
  const out = join(folder, "app.bundle.js");
  await runBuild(config, { entry: join(folder, "app.js"), out, platform: "android", dev: false, minify: false });

  const hermes = join(MODULES, "hermes-engine-cli/linux64-bin/hermes");
  const printed = execFileSync(hermes, ["-w", out], { encoding: "utf8", timeout: 20_000 }).trim().split("\n");
  expect(printed).toEqual([
    "dial wss://example.com/live resume.v1",
    'open wss://example.com/live ""',
    "message hello",
    "sent",
    "closed 1000 done true local undefined",
  ]);
});
