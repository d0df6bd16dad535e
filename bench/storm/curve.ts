import { FACTOR, FIRST_MS, MAX_MS } from "../../src/core/backoff.ts";
import type { Run } from "./measures.ts";
import { tautline } from "./model.ts";
import { type Entry, enter, LONE_HEAD, loneRow } from "./storm-table.ts";
import { seconds, table, times } from "./table.ts";

type Point = readonly [factor: number, firstMs: number, maxMs: number];

const DEFAULT: Point = [FACTOR, FIRST_MS, MAX_MS];
const GENTLE: Point = [3, 1_000, 30_000];
const GENTLEST: Point = [4, 1_000, 60_000];
const PATIENT: Point = [2, 1_000, 60_000];
/** The points that the default was chosen from. */
const POINTS: readonly Point[] = [
  [1.5, 1_000, 30_000],
  [2, 1_000, 10_000],
  [2, 500, 30_000],
  DEFAULT,
  [2, 2_000, 30_000],
  PATIENT,
  [2, 1_000, 120_000],
  GENTLE,
  [3, 1_000, 60_000],
  [4, 1_000, 30_000],
  GENTLEST,
  [4, 1_000, 120_000],
];

/** Factor, first and last bound against what they cost, and why the default is where it is. */
export function curve(run: Run): string {
  const entries = new Map(POINTS.map((point) => [point, measure(point, run)]));
  return `${table(["full jitter", ...LONE_HEAD], [...entries.values()].map(loneRow))}\n\n${why(entries)}`;
}

function measure(point: Point, run: Run): Entry {
  const [factor, firstMs, maxMs] = point;
  return enter(point === DEFAULT ? `**${named(point)}**` : named(point), tautline({ factor, firstMs, maxMs }), run);
}

function named([factor, firstMs, maxMs]: Point): string {
  return `×${factor}, ${firstMs / 1_000} s to ${maxMs / 1_000} s`;
}

function why(entries: ReadonlyMap<Point, Entry>): string {
  const back = (point: Point) => seconds(entries.get(point)?.storm.backAtMs);
  const lone = (point: Point) => seconds(entries.get(point)?.loneMs);
  const peak = (point: Point) => times(entries.get(point)?.storm.peak ?? 0);
  const work = (point: Point) => times(entries.get(point)?.storm.work ?? 0);
  return `**Why ${named(DEFAULT)}.** Waiting longer spares the server and costs the client that is alone, as most clients are at most
times. With ${named(GENTLEST)} the busiest second is ${peak(GENTLEST)} what the server can accept instead of ${peak(DEFAULT)}, and 99 % are back after
${back(GENTLEST)} instead of ${back(DEFAULT)}, but a lone client waits ${lone(GENTLEST)} too long instead of ${lone(DEFAULT)}; ${named(GENTLE)} lies between them with
${peak(GENTLE)}, ${back(GENTLE)} and ${lone(GENTLE)}. A higher cap alone moves only the last to come back: ${back(PATIENT)} with ${named(PATIENT)}. With the
default, accepting and refusing take ${work(DEFAULT)} of what the server can do in its hardest second, so the peak is one of refusals
that it can afford. Who wants less than that says so on the server, at no cost to the lone client: see the next table.`;
}
