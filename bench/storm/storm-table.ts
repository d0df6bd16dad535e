import { measureLone, measureStorm, type Run, type StormMeasures } from "./measures.ts";
import type { FleetFactory } from "./model.ts";
import { one, seconds, times } from "./table.ts";

export const STORM_HEAD = ["99 % back", "wasted attempts a client", "busiest second", "busiest 0.1 s", "server's work"];
export const LONE_HEAD = [...STORM_HEAD, "a lone client waits"];

/** One kind of client in the storm and alone. */
export interface Entry {
  readonly name: string;
  readonly storm: StormMeasures;
  readonly loneMs: number | undefined;
}

export function enter(name: string, breed: FleetFactory, run: Run): Entry {
  return { name, storm: measureStorm(breed, run), loneMs: measureLone(breed, run.seed) };
}

/** A row under {@link LONE_HEAD}. */
export function loneRow({ name, storm, loneMs }: Entry): string[] {
  return [...stormRow(name, storm), seconds(loneMs)];
}

/** A row under {@link STORM_HEAD}. */
export function stormRow(name: string, measures: StormMeasures): string[] {
  const { backAtMs, wasted, peak, peakTenth, work } = measures;
  return [
    name,
    backAtMs === undefined ? never(measures) : seconds(backAtMs),
    one(wasted),
    times(peak),
    times(peakTenth),
    `${work.toFixed(2)}×`,
  ];
}

function never({ back, gaveUp, untilMs }: StormMeasures): string {
  const percent = (part: number) => `${one(100 * part)} %`;
  return `${percent(back)} in ${seconds(untilMs)}${gaveUp > 0 ? `, ${percent(gaveUp)} gave up` : ""}`;
}
