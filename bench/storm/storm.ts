import type { FleetFactory } from "./model.ts";
import type { Random } from "./random.ts";
import { Schedule } from "./schedule.ts";
import { DROPPED, type Loss, type Server } from "./server.ts";

/** Load is counted in slices of this many milliseconds. */
export const SLICE_MS = 100;
/** A client learns what became of its attempt after so many milliseconds. */
const ANSWER_MS = [20, 80] as const;
const NOT_YET = -1;

export interface Scene {
  readonly clients: number;
  readonly breed: FleetFactory;
  readonly server: Server;
  /** When to stop looking, if not everybody is back or has given up before. */
  readonly endMs: number;
  /** Stop as soon as nobody has come back for so long. Default go on to the end. */
  readonly hopelessAfterMs?: number;
  readonly random: Random;
}

export interface Outcome {
  /** How many are back, how many gave up, and how many still try at the end: all clients together. */
  readonly back: number;
  readonly gaveUp: number;
  readonly trying: number;
  /** When the last look was taken. */
  readonly untilMs: number;
  /** When each client was back, or -1. */
  readonly backAtMs: Int32Array;
  /** Attempts that came to nothing. */
  readonly wasted: number;
  /** Attempts, and the server's work, in each slice of time. */
  readonly attempts: Float64Array;
  readonly work: Float64Array;
  /** The shortest wait of all but the first ones, which follow a stable connection. */
  readonly shortestWaitMs: number;
}

/** Drops all clients at 0 and follows them until each is back, has given up, or the end. Time goes in whole milliseconds. */
export function simulate({ clients, breed, server, endMs, hopelessAfterMs = endMs, random }: Scene): Outcome {
  const calendar = new Schedule(clients, endMs, random);
  const herd = breed(clients, random);
  const backAtMs = new Int32Array(clients).fill(NOT_YET);
  const attempts = new Float64Array(Math.ceil(endMs / SLICE_MS));
  const work = new Float64Array(attempts.length);
  let back = 0;
  let gaveUp = 0;
  let wasted = 0;
  let shortestWaitMs = Number.POSITIVE_INFINITY;
  let nowMs = 0;
  let lastBackMs = 0;
  let dialled = 0;
  let worked = 0;

  const lose = (client: number, atMs: number, loss: Loss) => {
    const waitMs = herd(client, loss);
    if (waitMs === undefined) {
      gaveUp++;
      return;
    }
    if (loss !== DROPPED && waitMs < shortestWaitMs) shortestWaitMs = waitMs;
    calendar.enter(client, atMs + Math.round(waitMs));
  };

  const dial = (client: number) => {
    const fate = server(nowMs);
    dialled++;
    worked += fate.work;
    const answeredAtMs = nowMs + Math.round(ANSWER_MS[0] + random() * (ANSWER_MS[1] - ANSWER_MS[0]));
    if (fate.loss) {
      wasted++;
      lose(client, answeredAtMs, fate.loss);
      return;
    }
    if (backAtMs[client] !== NOT_YET) throw new Error(`Client ${client} came back twice.`);
    backAtMs[client] = answeredAtMs;
    lastBackMs = nowMs;
    back++;
  };

  for (let client = 0; client < clients; client++) lose(client, 0, DROPPED);
  for (; nowMs < Math.min(endMs, lastBackMs + hopelessAfterMs) && back + gaveUp < clients; nowMs++) {
    dialled = 0;
    worked = 0;
    calendar.turn(nowMs, dial);
    const slice = Math.floor(nowMs / SLICE_MS);
    attempts[slice] = (attempts[slice] ?? 0) + dialled;
    work[slice] = (work[slice] ?? 0) + worked;
  }
  const trying = clients - back - gaveUp;
  return { back, gaveUp, trying, untilMs: nowMs, backAtMs, wasted, attempts, work, shortestWaitMs };
}
