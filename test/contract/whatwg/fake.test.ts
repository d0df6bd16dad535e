import { beforeAll, describe } from "vitest";
import { fakeServer } from "../../../src/testing/fake/index.ts";
import { fakePeer } from "../fake.ts";
import { runSteps, type StepResult } from "./cases.ts";
import { FAKE, judge, NOT_ON_THE_FAKE } from "./differences.ts";

describe("the fake server's class", () => {
  let results: readonly StepResult[] = [];

  beforeAll(async () => {
    const peer = fakePeer(fakeServer);
    const env = { ...peer, WebSocket: peer.WebSocket as unknown as typeof WebSocket };
    results = await runSteps(env, Object.keys(NOT_ON_THE_FAKE));
  }, 60_000);

  judge(() => results, FAKE, NOT_ON_THE_FAKE);
});
