import { describe, test } from "vitest";
import { fakeServer } from "../../../src/testing/fake/index.ts";
import { fakePeer } from "../fake.ts";
import { steps } from "./cases.ts";
import type { StepEnv } from "./stage.ts";

describe.concurrent("the fake server's class", () => {
  const peer = fakePeer(fakeServer);
  const env: StepEnv = { ...peer, WebSocket: peer.WebSocket as unknown as typeof WebSocket };

  for (const { name, run } of steps) test(name, () => run(env));
});
