import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { seededRandom } from "../../src/testing/seeded-random.ts";
import { ChannelsModel, type Choose, type RemovedRule } from "./channels-model.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const pass = async (ms: number) => {
  await vi.advanceTimersByTimeAsync(ms);
};
const settle = async () => {
  for (let turn = 0; turn < 30; turn++) await Promise.resolve();
};

/** Faults that a run may have. */
interface Faults {
  /** Steps that are lost or repeated, and drops of connections. */
  readonly most: number;
  /** Whether the store itself may lose writes and logs. */
  readonly store: boolean;
}

/** Does one thing out of all that can happen now. Returns false when nothing is left. */
async function doOne(model: ChannelsModel, choose: Choose, faults: { left: number; store: boolean }): Promise<boolean> {
  const acts: (() => void)[] = [];
  for (const step of model.store.choices()) acts.push(() => step.run());
  for (const subscriber of model.subscribers) {
    if (subscriber.client.frames.length > 0) acts.push(() => subscriber.receive(1));
  }
  if (acts.length === 0) return false;
  const harmless = acts.length;
  if (faults.left > 0) {
    for (const step of model.store.choices()) {
      acts.push(() => step.lose());
      if (step.repeat) acts.push(() => step.repeat?.());
    }
    for (const subscriber of model.subscribers) {
      acts.push(() => subscriber.drop());
      acts.push(() => subscriber.leaveAndReturn());
    }
    acts.push(() => {
      model.setUp(false);
      model.setUp(true);
    });
    if (faults.store) {
      acts.push(() => {
        model.isStoreAtFault = true;
        model.store.loseWrites(1);
      });
      acts.push(() => {
        model.isStoreAtFault = true;
        model.store.beginAnew("all:a");
      });
    }
  }
  const chosen = choose(acts.length, harmless);
  if (chosen >= harmless) faults.left--;
  acts[chosen]?.();
  await settle();
  return true;
}

/** Runs one story: each of two publishers publishes, and everything happens in the order that `choose` gives. */
async function run(
  choose: Choose,
  messages: number,
  { most, store }: Faults,
  removed?: RemovedRule,
): Promise<string[]> {
  const model = new ChannelsModel(removed);
  await model.start();
  const publishers = [0, 1].map(async (publisher) => {
    for (let i = 0; i < messages; i++) await model.publish(publisher * 100 + i);
  });
  await settle();
  const faults = { left: most, store };
  while (await doOne(model, choose, faults));
  await model.finish(pass);
  await Promise.all(publishers);
  return model.violations;
}

/** Tries every sequence of choices, depth first, up to a number of stories. Returns how many there were, and a fault. */
async function explore(limit: number, story: (choose: Choose) => Promise<string[]>) {
  let path: { chosen: number; count: number }[] = [];
  for (let stories = 1; stories <= limit; stories++) {
    let depth = 0;
    const violations = await story((count) => {
      path[depth] ??= { chosen: 0, count };
      return path[depth++]?.chosen as number;
    });
    if (violations.length > 0) return { stories, isComplete: false, violation: violations[0] };
    path = path.slice(0, depth);
    while (path.length > 0 && path.at(-1)?.chosen === (path.at(-1)?.count as number) - 1) path.pop();
    const last = path.at(-1);
    if (!last) return { stories, isComplete: true, violation: undefined };
    last.chosen++;
  }
  return { stories: limit, isComplete: false, violation: undefined };
}

/** Larger stories by seed, with more messages and more faults. */
async function runSeed(seed: number, faults: Faults, removed?: RemovedRule): Promise<string[]> {
  const random = seededRandom(seed);
  // Rarely a fault, so that they are spread over the whole story.
  const choose: Choose = (count, harmless) => {
    const isFault = count > harmless && random() < 0.2;
    return isFault ? harmless + Math.floor(random() * (count - harmless)) : Math.floor(random() * harmless);
  };
  return run(choose, 2 + Math.floor(random() * 4), faults, removed);
}

async function firstFault(seeds: number, faults: Faults, removed?: RemovedRule): Promise<string | undefined> {
  for (let seed = 1; seed <= seeds; seed++) {
    const [violation] = await runSeed(seed, faults, removed);
    if (violation) return `seed ${seed}: ${violation}`;
  }
  return undefined;
}

describe("one channel, two publishers, two subscribers, one node", () => {
  test("every order of events without faults keeps the promises", async () => {
    const found = await explore(20_000, (choose) => run(choose, 1, { most: 0, store: false }));
    expect(found).toMatchObject({ isComplete: true, violation: undefined });
    expect(found.stories).toBeGreaterThan(100);
  }, 60_000);

  test("orders with one fault keep the promises", async () => {
    const found = await explore(3_000, (choose) => run(choose, 1, { most: 1, store: true }));
    expect(found.violation).toBeUndefined();
  }, 60_000);

  test.each([
    { most: 3, store: false },
    { most: 12, store: false },
    { most: 3, store: true },
    { most: 12, store: true },
  ])(
    "600 seeds with %o keep the promises",
    async (faults) => {
      expect(await firstFault(600, faults)).toBeUndefined();
    },
    60_000,
  );
});

describe("each rule is needed", () => {
  test.each<[rule: RemovedRule, faults: Faults, violation: RegExp]>([
    ["the client returns with its position", { most: 6, store: false }, /attached after .* without a gap/],
    ["the client ignores frames until the answer", { most: 6, store: false }, /without a gap|twice/],
    ["a repeated publish has the same id", { most: 6, store: false }, /appended twice/],
    ["an entry names its predecessor", { most: 6, store: false }, /was delivered after/],
    ["a position has a random tag", { most: 12, store: true }, /delivered|stays|without a gap/],
    ["heads are compared", { most: 6, store: false }, /stays at/],
  ])(
    "without the rule that %s, a promise is broken",
    async (rule, faults, violation) => {
      expect(await firstFault(400, faults, rule)).toMatch(violation);
    },
    60_000,
  );
});
