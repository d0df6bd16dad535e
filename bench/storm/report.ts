import { OTHERS } from "./clients.ts";
import { curve } from "./curve.ts";
import { FLAPPING_END_MS, measureFlapping, measureLone, measureStorm, type Run, UNRELATED } from "./measures.ts";
import { type FleetFactory, following, tautline } from "./model.ts";
import { admitting, DOWN_MS, limited, quiet, REFILL_S, type Refusal, requestingDelay, unavailable } from "./server.ts";
import { enter, LONE_HEAD, loneRow, STORM_HEAD, stormRow } from "./storm-table.ts";
import { one, seconds, table } from "./table.ts";

const KINDS: readonly (readonly [name: string, breed: FleetFactory])[] = [
  ["**tautline**", tautline()],
  ...OTHERS.map((formula) => [formula.name, following(formula)] as const),
];
const LIMIT_MS = DOWN_MS + 0.99 * REFILL_S * 1_000;

/** The whole report as Markdown, part by part, since at a million clients it takes minutes. */
export function* report(run: Run): Generator<string> {
  yield `${count(run.clients)} clients, seed ${run.seed}. No client can have 99 % back before ${seconds(LIMIT_MS)}.`;
  yield "### By default";
  yield table(
    ["client", ...LONE_HEAD],
    KINDS.map(([name, breed]) => loneRow(enter(name, breed, run))),
  );
  yield "### The curve";
  yield curve(run);
  yield "### What the server wishes";
  yield table(
    ["tautline, refused with", ...STORM_HEAD],
    refusals(run.clients).map(([name, refuse]) =>
      stormRow(
        name,
        measureStorm(tautline(), run, (perSecond) => limited(perSecond, refuse)),
      ),
    ),
  );
  yield "### Slots from the server";
  yield table(["tautline, before `handler()` with", ...LONE_HEAD], [admissionRow(run)]);
  yield "### Accepted and dropped";
  yield table(
    ["client", "attempts in the first minute", "in its busiest second", "in each of the last 10 s", "shortest wait"],
    KINDS.map(([name, breed]) => flappingRow(name, breed, run.seed)),
  );
  yield `${count(UNRELATED)} clients for ${seconds(FLAPPING_END_MS)}: they never meet, so more of them would show no more.`;
}

const count = (clients: number) => clients.toLocaleString("en");

/** Ways to refuse that say when to come back. */
function refusals(clients: number): [name: string, refuse: Refusal][] {
  const perMs = clients / REFILL_S / 1_000;
  return [
    ["503 alone", unavailable()],
    ...["10", "30", "60"].map((s): [string, Refusal] => [`503 and \`Retry-After: ${s}\``, unavailable(s)]),
    ...[30_000, 60_000].map((ms): [string, Refusal] => [`1013 and \`retry=0-${ms}\``, () => requestingDelay(0, ms)]),
    [
      "1013 and `retry=0-<the time that the rest needs>`",
      (_nowMs, kept) => requestingDelay(0, (clients - kept) / perMs),
    ],
  ];
}

/** The bucket holds what is earned in 40 ms, so that a full one never takes the server above 1.05 of what it can do. */
const BURST_PART = 1 / 25;
/** Answers take 20 to 80 ms: with less than this in the bucket, who comes early by that is refused again. */
const LEAST_BURST = 10;

function admissionRow(run: Run): string[] {
  const perSecond = run.clients / REFILL_S;
  const options = { perSecond, burst: Math.max(LEAST_BURST, perSecond * BURST_PART) };
  const storm = measureStorm(tautline(), run, () => admitting(options));
  const loneMs = measureLone(tautline(), run.seed, quiet(options));
  return loneRow({ name: "`admission`, burst of 1/25 s", storm, loneMs });
}

function flappingRow(name: string, breed: FleetFactory, seed: number): string[] {
  const { minute, busiest, late, shortestWaitMs } = measureFlapping(breed, seed);
  return [name, one(minute), one(busiest), one(late), `${Math.round(shortestWaitMs)} ms`];
}
