// npm run test:mutation: changes the pure modules, one expression at a time, and prints how many changes the tests notice.
import { fileURLToPath } from "node:url";

/** Modules without timers, sockets or callbacks: their tests are exact, so that a change that survives is a gap. */
const PURE = [
  "src/core/state-machine.ts",
  "src/core/retry-policy.ts",
  "src/resume/protocol/delivery-state.ts",
  "src/resume/client/client-handshake.ts",
  "src/resume/server/server-handshake.ts",
  "src/core/outbox.ts",
  "src/core/inbox.ts",
  "src/server/admission.ts",
];

export default {
  mutate: process.env.MUTATE?.split(",") ?? PURE,
  testRunner: "vitest",
  plugins: ["@stryker-mutator/vitest-runner"],
  vitest: { configFile: "test/mutation/vitest.config.ts" },
  // Each tester has a vitest of its own, with one worker.
  concurrency: 2,
  coverageAnalysis: "perTest",
  ignoreStatic: true,
  // Above the testTimeout of vitest, so that only an endless loop costs a tester.
  timeoutMS: 10_000,
  inPlace: false,
  tempDirName: fileURLToPath(new URL("../../.stryker-tmp", import.meta.url)),
  ignorePatterns: [
    "dist",
    "demo",
    "docs",
    "bench",
    ".matrix",
    ".stryker-tmp",
    "/test/runtimes",
    "/test/consumers",
    "/test/frontends",
    "/test/environments",
  ],
  reporters: ["clear-text", "progress-append-only"],
  clearTextReporter: { allowColor: false, reportTests: false, reportScoreTable: true },
  disableTypeChecks: false,
};
