import { expect, test } from "vitest";
import { explore, playSeeds } from "../model/channels-explore.ts";
import type { FaultKind, World } from "../model/channels-model.ts";
import { advance, useFakeTime } from "../support/fake-time.ts";

// The promises of test/model once more, over the orders and seeds for which it has no time.

useFakeTime();

const SEARCH_SECONDS = 30;
const SEEDS = 20;
const FAULTS: readonly FaultKind[] = ["drops", "rooms", "pressure", "frames", "steps", "engines", "time"];
const FLAGS = [false, true];
const WORLDS: readonly World[] = FLAGS.flatMap((hasSession) =>
  FLAGS.flatMap((isPulled) =>
    FLAGS.flatMap((isForgetful) =>
      ([1, 2] as const).map((nodes) => ({
        nodes,
        subscribers: [0, nodes - 1],
        publishers: [0, nodes - 1],
        messages: 0,
        hasSession,
        isPulled,
        faults: isForgetful ? [...FAULTS, "store" as const] : FAULTS,
        mostFaults: isPulled ? 15 : 6,
        ...(isForgetful && { historySize: 3 }),
      })),
    ),
  ),
);

test("every order of events keeps the promises while a client on one node loses a connection, frame by frame", {
  timeout: 400_000,
}, async () => {
  const world: World = { nodes: 1, subscribers: [0], publishers: [0], messages: 1, faults: ["drops"], mostFaults: 1 };
  expect(await explore(world, 50_000, advance)).toMatchObject({ isComplete: true, violation: undefined });
});

test(`${SEARCH_SECONDS} s of seeds keep the promises, with and without sessions, on one node and on two`, {
  timeout: 400_000,
}, async () => {
  const isOver = startClock();
  let first = 10_000;
  for (; !isOver(); first += SEEDS) {
    for (const world of WORLDS) expect(await playSeeds(world, SEEDS, advance, first)).toBeUndefined();
  }
  console.log(`${((first - 10_000) * WORLDS.length).toLocaleString("en")} stories`);
});

/** Returns whether the time is over, by the clock that the fake timers leave alone. */
function startClock(): () => boolean {
  const start = process.uptime();
  return () => process.uptime() - start > SEARCH_SECONDS;
}
