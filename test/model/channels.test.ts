import { describe, expect, test } from "vitest";
import { advance, useFakeTime } from "../support/fake-time.ts";
import { explore, playSeeds } from "./channels-explore.ts";
import type { FaultKind, World } from "./channels-model.ts";
import type { RemovedRule } from "./channels-rules.ts";

useFakeTime();

const QUIET: World = { nodes: 1, subscribers: [0, 0], publishers: [0, 0], messages: 1, faults: [], mostFaults: 0 };
const ONE_NODE: World = { ...QUIET, subscribers: [0], publishers: [0] };
const TWO_NODES: World = { ...QUIET, nodes: 2, subscribers: [0, 1], publishers: [0] };
const STORE_FAULTS: readonly FaultKind[] = ["steps", "engines", "store"];

describe("every order of events", () => {
  test.each<[name: string, world: World, stories: number]>([
    ["two publishers and two subscribers of one node", { ...QUIET, isInstant: true }, 50],
    ["a publisher, and a subscriber on each of two nodes", TWO_NODES, 80],
    [
      "a publisher on each of two nodes, and a subscriber",
      { ...TWO_NODES, subscribers: [1], publishers: [0, 1], isInstant: true },
      200,
    ],
    ["one node, and one fault between it and the store", { ...ONE_NODE, faults: STORE_FAULTS, mostFaults: 1 }, 700],
    [
      "two nodes, and one fault between these and the store",
      { ...TWO_NODES, isInstant: true, faults: STORE_FAULTS, mostFaults: 1 },
      4_000,
    ],
    [
      "a client that loses its connection, and comes back to either of two nodes",
      { ...TWO_NODES, subscribers: [1], isInstant: true, faults: ["drops"], mostFaults: 1 },
      500,
    ],
  ])(
    "with %s keeps the promises",
    async (_name, world, stories) => {
      const found = await explore(world, 20_000, advance);
      expect(found).toMatchObject({ isComplete: true, violation: undefined });
      expect(found.stories).toBeGreaterThan(stories);
    },
    120_000,
  );
});

const FAULTS: readonly FaultKind[] = ["drops", "rooms", "pressure", "frames", "steps", "engines", "time"];
const ONE: World = { ...QUIET, faults: FAULTS, mostFaults: 6 };
const TWO: World = { ...ONE, nodes: 2, subscribers: [0, 1], publishers: [0, 1] };

describe("larger stories by seed", () => {
  test.each<[name: string, world: World]>([
    ["one node", ONE],
    ["two nodes", TWO],
    ["two nodes and many faults", { ...TWO, mostFaults: 15 }],
    ["two nodes and sessions that are resumed", { ...TWO, hasSession: true }],
    ["two nodes and readers that follow slowly", { ...TWO, isPulled: true }],
    ["two nodes and a log of two messages", { ...TWO, historySize: 2 }],
    ["one node and a store that forgets", { ...ONE, faults: [...FAULTS, "store"], mostFaults: 12 }],
    ["two nodes and a store that forgets", { ...TWO, faults: [...FAULTS, "store"], mostFaults: 12 }],
  ])(
    "200 seeds with %s keep the promises",
    async (_name, world) => {
      expect(await playSeeds(world, 200, advance)).toBeUndefined();
    },
    120_000,
  );
});

describe("each rule is needed", () => {
  const stays = /stays at/;
  const skips = /was delivered after/;
  test.each<[rule: RemovedRule, world: World, violation: RegExp]>([
    ["the client subscribes again on each connection", { ...ONE, faults: ["drops"] }, stays],
    ["the client returns with its position", { ...TWO, faults: ["drops"] }, skips],
    ["the client ignores frames until the answer", { ...ONE, faults: ["rooms", "drops"] }, /stays|delivered/],
    ["a message that does not follow makes the client subscribe again", { ...ONE, faults: ["frames"] }, skips],
    ["a repeated publish has the same id", { ...TWO, faults: ["drops"] }, /appended twice/],
    ["an unanswered publish is repeated", { ...TWO, faults: ["drops", "steps"] }, /is not there/],
    ["a client that takes no more is behind", { ...ONE, faults: ["pressure"] }, stays],
    [
      "who is behind is served from the log",
      { ...TWO, faults: ["drops", "pressure"], historySize: 1_000 },
      /gap|stays/,
    ],
    ["an id is appended once", { ...TWO, faults: ["drops"] }, /appended twice/],
    ["a hole in the log is a gap", { ...TWO, faults: ["drops", "steps"], historySize: 1 }, /stays|delivered/],
    ["an entry names its predecessor", { ...TWO, faults: ["steps"] }, /delivered|stays/],
    ["a position has a random tag", { ...TWO, faults: ["drops", "store"], mostFaults: 12 }, /delivered|stays/],
    ["heads are compared", { ...TWO, faults: ["steps", "engines"] }, stays],
  ])(
    "without the rule that %s, a promise is broken",
    async (removed, world, violation) => {
      const found = await playSeeds({ ...world, removed }, 400, advance);
      expect(found?.violation).toMatch(violation);
    },
    120_000,
  );
});
