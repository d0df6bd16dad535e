import { beforeAll, describe, expect, test } from "vitest";
import type { Env } from "./case-context.ts";
import { contract } from "./contract.ts";
import { fakePeer } from "./fake.ts";

// By a name that TypeScript does not follow: what is tested is the build, which is made after the types are checked.
const [name, resumeName, fakeName]: string[] = ["tautline", "tautline/resume", "tautline/testing/fake"];

const FRAMES = "It is about the frames and headers of a real server, and the fake has neither.";

/** Cases that a server in memory can't show, and why. All others run. */
const NOT_ON_THE_FAKE: Readonly<Record<string, string>> = {
  "sends the Origin of its page, or of the URL where ws can, else none": "The fake has no headers.",
  "speaks with a server like Go's, though that never answers a close frame": FRAMES,
  "leaves a server like Go's within closeTimeoutMs, though its function does not return": FRAMES,
  "connects again to a server like Go's, whose function ends without a close frame": FRAMES,
  "is refused by a server like Go's for two subprotocols, not for one": FRAMES,
  "is let in by a server that knows its Origin, and by another only if that is its own": "The fake has no headers.",
};

describe.concurrent("the fake server", () => {
  let env: Env;

  beforeAll(async () => {
    const [tautline, { resume }, { fakeServer }] = await Promise.all([
      import(name as string),
      import(resumeName as string),
      import(fakeName as string),
    ]);
    env = { ...fakePeer(fakeServer), tautline, resume, isNode: false, knowsStatus: false };
  });

  for (const { name, run } of contract) if (!(name in NOT_ON_THE_FAKE)) test(name, () => run(env));

  test("leaves out only cases that there are", () => {
    const names = contract.map(({ name }) => name);
    expect(Object.keys(NOT_ON_THE_FAKE).filter((name) => !names.includes(name))).toEqual([]);
  });
});
