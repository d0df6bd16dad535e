import { defineConfig } from "vitest/config";

/** The unit tests of the pure modules and of those that use them, without sockets. */
export default defineConfig({
  test: {
    include: ["test/unit/core/**/*.test.ts", "test/unit/resume/**/*.test.ts", "test/unit/server/admission.test.ts"],
    exclude: ["test/unit/resume/server/session-registry.test.ts"],
    pool: "threads",
    testTimeout: 20_000,
    restoreMocks: true,
    unstubGlobals: true,
  },
});
