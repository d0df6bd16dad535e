import { beforeAll, describe } from "vitest";
import { fakeServer } from "../../../src/testing/fake/index.ts";
import { fakePeer } from "../fake.ts";
import { runSteps, type StepResult } from "./cases.ts";
import { FAKE, judge, NOT_ON_THE_FAKE } from "./differences.ts";

/** Judges the class of the fake server in the environment of the test file. */
export function judgeFake(where: string): void {
  describe(`the fake server's class in ${where}`, () => {
    let results: readonly StepResult[] = [];

    beforeAll(async () => {
      const peer = fakePeer(fakeServer);
      const env = { ...peer, WebSocket: peer.WebSocket as unknown as typeof WebSocket };
      results = await runSteps(env, Object.keys(NOT_ON_THE_FAKE));
    }, 60_000);

    judge(() => results, FAKE, NOT_ON_THE_FAKE);
  });
}
