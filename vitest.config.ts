import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const REACT_18 = fileURLToPath(new URL("test/frontends/react-18/node_modules", import.meta.url));

/** The tests that break the demo, which take their time. */
const DEMO = ["test/browser/demo-faults.test.ts", "test/browser/demo-nodes.test.ts"];

/** The contract in environments and on classes that are not ours, which takes its time too. */
const PLATFORMS = ["test/contract/**/fake-in-*.test.ts", "test/contract/whatwg/platforms.test.ts"];

const built = (entry: string) => fileURLToPath(new URL(`dist/node/${entry}.mjs`, import.meta.url));

export default defineConfig({
  test: {
    retry: 0,
    // By default one on two cores, though the tests with browsers and sockets mostly wait.
    maxWorkers: 2,
    allowOnly: false,
    restoreMocks: true,
    unstubGlobals: true,
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts", "test/model/**/*.test.ts"],
          pool: "threads",
          testTimeout: 20_000,
        },
      },
      {
        extends: true,
        test: {
          name: "contract",
          include: ["test/contract/**/*.test.ts"],
          exclude: PLATFORMS,
          pool: "forks",
          testTimeout: 20_000,
        },
      },
      {
        extends: true,
        test: { name: "platforms", include: PLATFORMS, pool: "forks", testTimeout: 20_000 },
      },
      {
        extends: true,
        test: {
          name: "package",
          include: ["test/package/**/*.test.ts", "test/docs/**/*.test.ts"],
          pool: "forks",
          // They read every file, which takes its time on a busy machine.
          testTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: "faults",
          include: ["test/faults/**/*.test.ts"],
          pool: "forks",
          // Each file runs eight worlds at a time and holds them to times: two files would slow each other down.
          fileParallelism: false,
          testTimeout: 20_000,
          maxConcurrency: 8,
        },
      },
      {
        extends: true,
        // Starts redis-server.
        test: {
          name: "engines",
          include: ["test/engines/**/*.test.ts"],
          pool: "forks",
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        extends: true,
        test: {
          name: "consumers",
          include: ["test/consumers/*.test.ts"],
          pool: "forks",
          testTimeout: 120_000,
          hookTimeout: 60_000,
          // Each is a compiler, and busy.
          maxConcurrency: 2,
        },
      },
      {
        extends: true,
        test: {
          name: "frontends",
          include: ["test/frontends/*.test.ts"],
          pool: "forks",
          testTimeout: 120_000,
          hookTimeout: 60_000,
          // Each starts a browser and a compiler.
          fileParallelism: false,
        },
      },
      {
        extends: true,
        // The unit tests of the React layer once more, with the oldest React that it works with.
        resolve: {
          alias: [{ find: /^(react|react-dom|react-test-renderer)(\/.*)?$/, replacement: `${REACT_18}/$1$2` }],
        },
        test: {
          name: "react-18",
          include: ["test/unit/react/**/*.test.ts"],
          pool: "threads",
          env: { REACT_VERSION: "18" },
        },
      },
      {
        extends: true,
        test: {
          name: "environments",
          include: ["test/environments/*.test.ts"],
          pool: "forks",
          testTimeout: 180_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
      {
        extends: true,
        test: { name: "soak", include: ["test/soak/**/*.test.ts"], pool: "forks", fileParallelism: false },
      },
      {
        extends: true,
        // The manifest beside these tests hides the name of the package.
        resolve: {
          alias: [
            { find: /^tautline$/, replacement: built("index") },
            { find: /^tautline\/(.*)$/, replacement: built("$1") },
          ],
        },
        test: { name: "hosts", include: ["test/hosts/*.test.ts"], pool: "forks", testTimeout: 20_000 },
      },
      {
        extends: true,
        test: {
          name: "browser",
          include: ["test/browser/**/*.test.ts"],
          exclude: DEMO,
          pool: "forks",
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        extends: true,
        test: {
          name: "bench",
          include: ["test/bench/**/*.test.ts"],
          pool: "forks",
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 30_000,
        },
      },
      {
        extends: true,
        // Builds the site, and opens it.
        test: { name: "site", include: ["test/site/**/*.test.ts"], pool: "forks", testTimeout: 30_000 },
      },
      {
        extends: true,
        // Starts Python and Go, which compiles for some seconds.
        test: { name: "interop", include: ["test/interop/**/*.test.ts"], pool: "forks", testTimeout: 60_000 },
      },
      {
        extends: true,
        test: { name: "demo", include: DEMO, pool: "forks", testTimeout: 60_000 },
      },
    ],
  },
});
