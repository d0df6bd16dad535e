import { spawnSync } from "node:child_process";
import { cpSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { consumer } from "../consumers/packed.ts";

const load = createRequire(import.meta.url);
const MODULES = join(import.meta.dirname, "node_modules");
const { folder, remove } = consumer();
afterAll(remove);

test("jest with jsdom and Testing Library runs a front end's tests over the published package", () => {
  cpSync(join(import.meta.dirname, "jsdom/conn.test.jsx"), join(folder, "conn.test.jsx"));
  for (const name of ["react", "react-dom", "@testing-library", "@babel"]) {
    const to = join(folder, "node_modules", name);
    // One React for the app and its renderer, whichever the package was tested with.
    rmSync(to, { recursive: true, force: true });
    symlinkSync(join(MODULES, name), to);
  }
  const config = {
    rootDir: folder,
    testEnvironment: load.resolve("jest-environment-jsdom"),
    transform: {
      "\\.m?jsx?$": [load.resolve("babel-jest"), { presets: [load.resolve("@react-native/babel-preset")] }],
    },
    // The build for browsers is what jsdom's own conditions choose.
    transformIgnorePatterns: ["node_modules/(?!tautline|eventemitter3)"],
  };
  writeFileSync(join(folder, "jest.config.json"), JSON.stringify(config));
  const args = [
    join(MODULES, "jest/bin/jest.js"),
    "--config",
    join(folder, "jest.config.json"),
    "--json",
    "--silent",
    "--no-cache",
  ];
  // Its report says more than the exit code.
  const { stdout } = spawnSync(process.execPath, args, { encoding: "utf8", cwd: folder });
  const { numPassedTests, testResults } = JSON.parse(stdout);
  expect(testResults.map(({ message }: { message: string }) => message)).toEqual([""]);
  expect(numPassedTests).toBe(3);
});
