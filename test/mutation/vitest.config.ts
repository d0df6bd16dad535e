import { defineConfig } from "vitest/config";

/**
 * The tests whose subject is a pure module, and those that use it through one layer. With all unit tests a run takes hours,
 * because every test that opens a Conn covers every module.
 */
export default defineConfig({
  test: {
    include: [
      "test/unit/core/{state-machine,retry-policy,outbox,inbox,conn-ending,conn-retry,conn-outbox,conn-inbox,conn-receive,conn-pressure}.test.ts",
      "test/unit/resume/{client,protocol}/*.test.ts",
      "test/unit/resume/server/server-handshake.test.ts",
      "test/unit/server/admission.test.ts",
    ],
    pool: "threads",
    // No test waits for real time: a change that leaves one waiting is found soon, and costs no new tester.
    testTimeout: 4_000,
    restoreMocks: true,
    unstubGlobals: true,
  },
});
