import { seededRandom } from "../../src/testing/seeded-random.ts";
import { type Act, ChannelsModel, type World } from "./channels-model.ts";

/** Decides among so many possibilities, the first of which are `harmless`: returns a whole number below `count`. */
export type Choose = (count: number, harmless: number) => number;

/** A story that broke a promise. */
export interface Violation {
  readonly violation: string;
  /** Everything that happened, in order. */
  readonly story: readonly string[];
}

/** Lets time pass. */
type Pass = (ms: number) => Promise<void>;

/** Plays one story, in which everything happens in the order that `choose` gives. Returns the promise that it broke. */
export async function play(world: World, choose: Choose, pass: Pass): Promise<Violation | undefined> {
  const model = new ChannelsModel(world, pass);
  const story: string[] = [];
  await model.start();
  for (let { harmless, faults } = model.acts(); harmless.length > 0; { harmless, faults } = model.acts()) {
    const all = [...harmless, ...faults];
    const chosen = choose(all.length, harmless.length);
    const act = all[chosen] as Act;
    story.push(act.name);
    await model.do(act, chosen >= harmless.length);
  }
  await model.finish();
  const [violation] = model.violations;
  return violation === undefined ? undefined : { violation, story };
}

/** The outcome of an exploration. */
export interface Found {
  readonly stories: number;
  /** Whether every order of events was tried. */
  readonly isComplete: boolean;
  readonly violation: Violation | undefined;
}

/** Plays every story, depth first, up to a number of stories. */
export async function explore(world: World, limit: number, pass: Pass): Promise<Found> {
  let path: { chosen: number; count: number }[] = [];
  for (let stories = 1; stories <= limit; stories++) {
    let depth = 0;
    const choose: Choose = (count) => {
      path[depth] ??= { chosen: 0, count };
      return path[depth++]?.chosen as number;
    };
    const violation = await play(world, choose, pass);
    if (violation) return { stories, isComplete: false, violation };
    path = path.slice(0, depth);
    while (path.length > 0 && path.at(-1)?.chosen === (path.at(-1)?.count as number) - 1) path.pop();
    const last = path.at(-1);
    if (!last) return { stories, isComplete: true, violation: undefined };
    last.chosen++;
  }
  return { stories: limit, isComplete: false, violation: undefined };
}

/** Plays a story that a seed decides, of 2 to 5 messages of each publisher. */
export async function playSeed(world: World, seed: number, pass: Pass): Promise<Violation | undefined> {
  const random = seededRandom(seed);
  // Rarely a fault, so that they are spread over the whole story.
  const choose: Choose = (count, harmless) => {
    const isFault = count > harmless && random() < 0.2;
    return isFault ? harmless + Math.floor(random() * (count - harmless)) : Math.floor(random() * harmless);
  };
  return play({ ...world, messages: 2 + Math.floor(random() * 4) }, choose, pass);
}

/** Plays stories by seed until one breaks a promise. Returns it with its seed. */
export async function playSeeds(
  world: World,
  seeds: number,
  pass: Pass,
  first = 1,
): Promise<(Violation & { readonly seed: number }) | undefined> {
  for (let seed = first; seed < first + seeds; seed++) {
    const violation = await playSeed(world, seed, pass);
    if (violation) return { seed, ...violation };
  }
  return undefined;
}
