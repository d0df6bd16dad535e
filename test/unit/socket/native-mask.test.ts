import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { canLoadAddon } from "../../../src/socket/native-mask.ts";

/** Makes a folder in which these packages are installed, and returns the address of a file in it. */
function installed(...packages: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), "native-mask-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const name of packages) {
    mkdirSync(join(folder, "node_modules", name), { recursive: true });
    writeFileSync(join(folder, "node_modules", name, "index.js"), "");
  }
  return pathToFileURL(join(folder, "index.js")).href;
}

test("ws masks natively where bufferutil is installed beside it", () => {
  const folder = installed("ws", "bufferutil");
  expect(canLoadAddon(() => folder, {})).toBe(true);
});

test("ws masks natively where bufferutil is in its own folder alone", () => {
  const folder = installed("ws", "ws/node_modules/bufferutil");
  expect(canLoadAddon(() => folder, {})).toBe(true);
});

test.for<[string, readonly string[], { readonly WS_NO_BUFFER_UTIL?: string }]>([
  ["without the addon", ["ws"], {}],
  ["without ws", ["bufferutil"], {}],
  ["where the environment forbids the addon", ["ws", "bufferutil"], { WS_NO_BUFFER_UTIL: "1" }],
])("ws masks byte by byte %s", ([, packages, env]) => {
  const folder = installed(...packages);
  expect(canLoadAddon(() => folder, env)).toBe(false);
});

test("ws masks byte by byte where the address of the code is no file", () => {
  expect(canLoadAddon(() => "https://example.com/bundle.js", {})).toBe(false);
  const nowhere = () => {
    throw new ReferenceError("__filename is not defined");
  };
  expect(canLoadAddon(nowhere, {})).toBe(false);
});
