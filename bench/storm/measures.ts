import { seededRandom } from "../../src/testing/seeded-random.ts";
import type { FleetFactory } from "./model.ts";
import { DOWN_MS, dropping, limited, REFILL_S, roomy, type Server } from "./server.ts";
import { type Outcome, SLICE_MS, simulate } from "./storm.ts";

/** A client that is not back by then counts as not back. */
const STORM_END_MS = 300_000;
/** A server that lets nobody in for so long has gone down under the refusals. */
const HOPELESS_AFTER_MS = 60_000;
export const FLAPPING_END_MS = 60_000;
/** Clients of a server that takes everybody never meet each other, so that this many stand for any number. */
export const UNRELATED = 10_001;
const SECOND = 1_000 / SLICE_MS;

/** The input of a table: the same input gives the same table. */
export interface Run {
  readonly clients: number;
  readonly seed: number;
}

export interface StormMeasures {
  /** Until 99 of 100 are back, in ms, or undefined if they are not. */
  readonly backAtMs: number | undefined;
  /** How many are back at the end, and how many have given up, as parts of all, and when that end was. */
  readonly back: number;
  readonly gaveUp: number;
  readonly untilMs: number;
  /** Attempts a client that came to nothing. */
  readonly wasted: number;
  /** Attempts in the busiest second, and tenth of a second, once the server is up, as multiples of what it can accept. */
  readonly peak: number;
  readonly peakTenth: number;
  /** The server's work in its hardest second, as a multiple of what it can do. */
  readonly work: number;
}

export interface FlappingMeasures {
  /** Attempts a client in the first minute, in the busiest second, and in each of the last ten seconds. */
  readonly minute: number;
  readonly busiest: number;
  readonly late: number;
  readonly shortestWaitMs: number;
}

/** Everybody is dropped at once by a server that comes up after a while and accepts so many a second. */
export function measureStorm(
  breed: FleetFactory,
  { clients, seed }: Run,
  serve: (perSecond: number) => Server = limited,
): StormMeasures {
  const perSecond = clients / REFILL_S;
  const server = serve(perSecond);
  const random = seededRandom(seed);
  const ends = { endMs: STORM_END_MS, hopelessAfterMs: HOPELESS_AFTER_MS };
  const outcome = simulate({ clients, breed, server, ...ends, random });
  const up = DOWN_MS / SLICE_MS;
  return {
    backAtMs: whenBack(outcome, Math.ceil(0.99 * clients)),
    back: outcome.back / clients,
    gaveUp: outcome.gaveUp / clients,
    untilMs: outcome.untilMs,
    wasted: outcome.wasted / clients,
    peak: busiest(outcome.attempts.subarray(up), SECOND) / perSecond,
    peakTenth: (busiest(outcome.attempts.subarray(up), 1) * SECOND) / perSecond,
    work: busiest(outcome.work.subarray(up), SECOND) / perSecond,
  };
}

/** How much longer than the outage a client waits that is alone, in ms: the median. */
export function measureLone(breed: FleetFactory, seed: number, server: Server = roomy): number | undefined {
  const random = seededRandom(seed);
  const outcome = simulate({ clients: UNRELATED, breed, server, endMs: STORM_END_MS, random });
  const median = whenBack(outcome, Math.ceil(UNRELATED / 2));
  return median === undefined ? undefined : median - DOWN_MS;
}

/** A server accepts everybody and drops everybody. */
export function measureFlapping(breed: FleetFactory, seed: number): FlappingMeasures {
  const random = seededRandom(seed);
  const { attempts, shortestWaitMs } = simulate({
    clients: UNRELATED,
    breed,
    server: dropping,
    endMs: FLAPPING_END_MS,
    random,
  });
  return {
    minute: sum(attempts) / UNRELATED,
    busiest: busiest(attempts, SECOND) / UNRELATED,
    late: sum(attempts.subarray(-10 * SECOND)) / 10 / UNRELATED,
    shortestWaitMs,
  };
}

/** When so many were back, in ms. */
function whenBack({ back, backAtMs, gaveUp, trying }: Outcome, count: number): number | undefined {
  return back < count ? undefined : backAtMs.slice().sort()[gaveUp + trying + count - 1];
}

/** The largest sum of `width` slices that follow each other. */
function busiest(slices: Float64Array, width: number): number {
  let most = 0;
  for (let start = 0; start + width <= slices.length; start++) {
    most = Math.max(most, sum(slices.subarray(start, start + width)));
  }
  return most;
}

const sum = (slices: Float64Array) => slices.reduce((total, slice) => total + slice, 0);
