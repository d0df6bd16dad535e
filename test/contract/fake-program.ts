// Runs the contract and the steps of WHATWG on the fake server in a page, with the script builds loaded.
import type * as Tautline from "../../src/index.ts";
import type { resume } from "../../src/resume/client/index.ts";
import type { fakeServer } from "../../src/testing/fake/index.ts";
import { contract, type Result, runCases } from "./contract.ts";
import { fakePeer } from "./fake.ts";
import { runSteps } from "./whatwg/cases.ts";

interface Page {
  readonly Tautline: typeof Tautline & { readonly resume: typeof resume; readonly fakeServer: typeof fakeServer };
}

/** Runs the contract but the cases `without`, which would wait for their whole limit. */
export function run(without: readonly string[]): Promise<Result[]> {
  const { Tautline: tautline } = globalThis as unknown as Page;
  const { resume } = tautline;
  const env = { ...fakePeer(tautline.fakeServer), tautline, resume, isNode: false, knowsStatus: false };
  return runCases(
    contract.filter(({ name }) => !without.includes(name)),
    env,
  );
}

export function follow(without: readonly string[]): Promise<Result[]> {
  const peer = fakePeer((globalThis as unknown as Page).Tautline.fakeServer);
  return runSteps({ ...peer, WebSocket: peer.WebSocket as unknown as typeof WebSocket }, without);
}
