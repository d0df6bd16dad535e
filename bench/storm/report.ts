import { OTHERS } from "./clients.ts";
import { curve } from "./curve.ts";
import { type Breed, following, tautline } from "./herd.ts";
import { FLAPPING_END_MS, measureFlapping, measureStorm, type Run, UNRELATED } from "./measures.ts";
import { DOWN_MS, REFILL_S, type Refusal, unavailable, wishing } from "./server.ts";
import { enter, LONE_HEAD, loneRow, STORM_HEAD, stormRow } from "./storm-table.ts";
import { one, seconds, table } from "./table.ts";

const KINDS: readonly (readonly [name: string, breed: Breed])[] = [
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
    refusals(run.clients).map(([name, refuse]) => stormRow(name, measureStorm(tautline(), run, refuse))),
  );
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
    ...[30_000, 60_000].map((ms): [string, Refusal] => [`1013 and \`retry=0-${ms}\``, () => wishing(0, ms)]),
    ["1013 and `retry=0-<the time that the rest needs>`", (_nowMs, kept) => wishing(0, (clients - kept) / perMs)],
  ];
}

function flappingRow(name: string, breed: Breed, seed: number): string[] {
  const { minute, busiest, late, shortestWaitMs } = measureFlapping(breed, seed);
  return [name, one(minute), one(busiest), one(late), `${Math.round(shortestWaitMs)} ms`];
}
