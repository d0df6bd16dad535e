import { beforeAll, describe, expect, test } from "vitest";
import type { Env } from "./case-context.ts";
import { contract } from "./contract.ts";
import { fakePeer } from "./fake.ts";

// By a name that TypeScript does not follow: what is tested is the build, which is made after the types are checked.
const [mainName, resumeName, fakeName]: string[] = ["tautline", "tautline/resume", "tautline/testing/fake"];

const FRAMES = "It is about the frames and headers of a real server, and the fake has neither.";

/**
 * Cases that a server in memory can't show, and why. All others run. The suite in serving.ts is about the server of tautline,
 * in whose place the fake stands, so none of its cases applies.
 */
export const NOT_ON_THE_FAKE: Readonly<Record<string, string>> = {
  "sends the Origin of its page, or of the URL where ws can, else none": "The fake has no headers.",
  "speaks with a server like Go's, though that never answers a close frame": FRAMES,
  "leaves a server like Go's within closeTimeoutMs, though its function does not return": FRAMES,
  "connects again to a server like Go's, whose function ends without a close frame": FRAMES,
  "is refused by a server like Go's for two subprotocols, not for one": FRAMES,
  "is let in by a server that knows its Origin, and by another only if that is its own": "The fake has no headers.",
};

/** A case that is left out may wait until its end for a server that is not there. */
const LEFT_OUT_MS = 5_000;

/** Runs the contract on the fake server, in the environment of the test file. */
export function runOnFake(name: string): void {
  describe.concurrent(name, () => {
    let env: Env;

    beforeAll(async () => {
      const [tautline, { resume }, { fakeServer }] = await Promise.all([
        import(mainName as string),
        import(resumeName as string),
        import(fakeName as string),
      ]);
      env = { ...fakePeer(fakeServer), tautline, resume, isNode: false, knowsStatus: false };
    });

    for (const { name, run } of contract) if (!(name in NOT_ON_THE_FAKE)) test(name, () => run(env));

    test("leaves out only cases that there are, and that fail on it", async () => {
      const left = contract.filter(({ name }) => name in NOT_ON_THE_FAKE);
      expect(left.map(({ name }) => name).sort()).toEqual(Object.keys(NOT_ON_THE_FAKE).sort());
      // In a page, because without an origin there is nothing in some cases that could fail.
      const page = { ...env, origin: "https://page.test", caseMs: LEFT_OUT_MS };
      const results = await Promise.allSettled(left.map(({ run }) => run(page)));
      expect(left.filter((_, i) => results[i]?.status === "fulfilled").map(({ name }) => name)).toEqual([]);
    });
  });
}
