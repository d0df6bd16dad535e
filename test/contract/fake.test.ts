import { beforeAll, describe, test } from "vitest";
import * as tautline from "../../src/index.ts";
import { resume } from "../../src/resume/client/index.ts";
import { fakeServer } from "../../src/testing/fake/index.ts";
import type { Env } from "./case-context.ts";
import { contract } from "./contract.ts";
import { fakePeer } from "./fake.ts";

describe.concurrent("the fake server", () => {
  let env: Env;

  beforeAll(async () => {
    const peer = fakePeer(fakeServer);
    env = { ...peer, tautline, resume, isNode: false, knowsStatus: false };
  });

  for (const { name, run } of contract) test(name, () => run(env));
});
