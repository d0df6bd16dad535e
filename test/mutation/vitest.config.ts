import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** The tests whose subject is a pure module. */
const EXACT = [
  "test/unit/core/state-machine.test.ts",
  "test/unit/core/retry-policy.test.ts",
  "test/unit/core/outbox.test.ts",
  "test/unit/core/inbox.test.ts",
  "test/unit/resume/client/client-handshake.test.ts",
  "test/unit/resume/protocol/delivery-state.test.ts",
  "test/unit/resume/server/server-handshake.test.ts",
  "test/unit/server/admission.test.ts",
];
/** The tests that use a pure module through one layer. */
const NEAR = [
  "test/unit/core/conn-{ending,retry,outbox,inbox,receive,pressure}.test.ts",
  "test/unit/resume/client/{client-session,refused-offer,resume-options,support}.test.ts",
  "test/unit/resume/protocol/{control,subprotocol,vectors}.test.ts",
];

/** Runs the exact tests first, because the first test that fails ends the run of a change. */
class ExactFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isExact = ({ moduleId }: TestSpecification) => EXACT.some((path) => moduleId.endsWith(path));
    return [...files.filter(isExact), ...files.filter((file) => !isExact(file))];
  }
}

/** Not all unit tests: each that opens a Conn covers every module, so that a run of all of them takes hours. */
export default defineConfig({
  test: {
    include: [...EXACT, ...NEAR],
    sequence: { sequencer: ExactFirst },
    pool: "threads",
    // No test waits for real time: a change that leaves one waiting is found soon, and costs no new tester.
    testTimeout: 4_000,
    restoreMocks: true,
    unstubGlobals: true,
  },
});
