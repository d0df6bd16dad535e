import { expect, test } from "vitest";
import { OTHERS } from "../../bench/storm/clients.ts";
import { measureFlapping, measureLone, measureStorm } from "../../bench/storm/measures.ts";
import { type FleetFactory, following, tautline } from "../../bench/storm/model.ts";
import type { Random } from "../../bench/storm/random.ts";
import {
  admitting,
  DOWN_MS,
  dropping,
  limited,
  quiet,
  REFILL_S,
  requestingDelay,
  roomy,
  type Server,
} from "../../bench/storm/server.ts";
import { simulate } from "../../bench/storm/storm.ts";
import { seededRandom } from "../../src/testing/seeded-random.ts";

const CLIENTS = 2_000;
const PER_SECOND = CLIENTS / REFILL_S;
const RUN = { clients: CLIENTS, seed: 1 };
const KINDS: [string, FleetFactory][] = [
  ["tautline", tautline()],
  ...OTHERS.map((f): [string, FleetFactory] => [f.name, following(f)]),
];

/** Clients of one kind in a storm, or before the server that is given. */
function storm(breed: FleetFactory, { seed = 1, endMs = 120_000, server = limited(PER_SECOND) } = {}) {
  return simulate({ clients: CLIENTS, breed, server, endMs, random: seededRandom(seed) });
}

/** When a lone client is back that always draws `drawn`; its answers take 20 ms and the same part of 60 ms more. */
function alone(breed: FleetFactory, drawn: number, server: Server = roomy): number | undefined {
  const random: Random = () => drawn;
  return simulate({ clients: 1, breed, server, endMs: 120_000, random }).backAtMs[0];
}

/** The kind of client whose name begins like this. */
function kind(name: string): FleetFactory {
  const found = KINDS.find(([full]) => full.startsWith(name));
  if (!found) throw new Error(`There is no ${name} in the table.`);
  return found[1];
}

test.each(KINDS)("is the same for the same seed: %s", (_name, breed) => {
  expect(storm(breed, { endMs: 30_000 })).toEqual(storm(breed, { endMs: 30_000 }));
});

test("differs for another seed", () => {
  expect(storm(tautline()).backAtMs).not.toEqual(storm(tautline(), { seed: 2 }).backAtMs);
});

test("the wait inside a server's window is drawn from the seed too", () => {
  const wished = () => storm(tautline(), { server: limited(PER_SECOND, () => requestingDelay(0, 60_000)) });
  expect(wished()).toEqual(wished());
});

test("leaves Math.random as it found it", () => {
  const real = Math.random;
  storm(tautline());
  expect(Math.random).toBe(real);
});

test.each(KINDS)("each client is back once, has given up or still tries: %s", (_name, breed) => {
  const { back, gaveUp, trying, backAtMs, wasted, attempts } = storm(breed);
  expect(back + gaveUp + trying).toBe(CLIENTS);
  expect(backAtMs.filter((ms) => ms >= DOWN_MS)).toHaveLength(back);
  expect(attempts.reduce((total, slice) => total + slice, 0)).toBe(back + wasted);
});

test("every tautline client comes back, and none before there is room for it", () => {
  const { back, backAtMs } = storm(tautline(), { endMs: 300_000 });
  expect(back).toBe(CLIENTS);
  const answerMs = 80;
  backAtMs.sort().forEach((ms, earlier) => {
    expect(ms).toBeGreaterThanOrEqual(DOWN_MS + ((earlier + 1) / PER_SECOND) * 1_000 - answerMs - 1);
  });
});

test.each<[string, FleetFactory, number, number]>([
  // Dials at 1.0, 3.08 and 7.16 s.
  ["tautline at its latest", tautline(), 1, 1_000 + 80 + 2_000 + 80 + 4_000 + 80],
  // Dials at 0 s, at first without a floor, and then 250 ms after each answer: 18 failures end before the server is up.
  ["tautline at its earliest", tautline(), 0, 19 * (250 + 20) + 20],
  ["socket.io-client", kind("socket.io"), 0.5, 1_000 + 50 + 2_000 + 50 + 4_000 + 50],
  ["partysocket", kind("partysocket"), 0, 3_000 + 20 + 3_900 + 20],
  ["reconnecting-websocket", kind("reconnecting"), 0.5, 3_000 + 50 + 3_900 + 50],
  ["signalr", kind("@microsoft"), 0, 20 + 2_000 + 20 + 10_000 + 20],
])("%s, alone, is back when its formula says", (_name, breed, drawn, backAtMs) => {
  expect(alone(breed, drawn)).toBe(backAtMs);
});

test.each<[drawn: number, waitMs: number]>([
  [0, 7_000],
  [1, 9_000],
])("a client obeys retry=7000-9000, drawing %d", (drawn, waitMs) => {
  const answerMs = 20 + 60 * drawn;
  const server: Server = (nowMs) => (nowMs < 5_000 ? { work: 0, loss: requestingDelay(7_000, 9_000) } : roomy(nowMs));
  expect(alone(tautline({ firstMs: 1, factor: 1 }), drawn, server)).toBe(drawn + answerMs + waitMs + answerMs);
});

test("a server that drops everybody is dialled no sooner than 250 ms after", () => {
  const { shortestWaitMs, wasted } = storm(tautline({ firstMs: 1, maxMs: 1 }), { server: dropping, endMs: 2_000 });
  expect(wasted).toBeGreaterThan(5 * CLIENTS);
  expect(shortestWaitMs).toBe(250);
});

test("a server that drops everybody is dialled less and less", () => {
  const { busiest, late } = measureFlapping(tautline(), 1);
  expect(late).toBeLessThan(busiest / 5);
});

test("full jitter peaks below every client without jitter", () => {
  const { peak } = measureStorm(tautline(), RUN);
  for (const name of ["partysocket", "sockette", "robust", "@microsoft", "phoenix"]) {
    expect(measureStorm(kind(name), RUN).peak, name).toBeGreaterThan(2 * peak);
  }
});

test("a slower start peaks lower than the default, and a window that the server names is sooner over", () => {
  const usual = measureStorm(tautline(), RUN);
  const slower = measureStorm(tautline({ factor: 4, maxMs: 60_000 }), RUN);
  const wished = measureStorm(tautline(), RUN, (perSecond) => limited(perSecond, () => requestingDelay(0, 60_000)));
  expect(slower.peak).toBeLessThan(usual.peak / 2);
  expect(wished.backAtMs).toBeLessThan(usual.backAtMs ?? 0);
});

test("slots from the server bring everybody back within its power, and without a second wave", () => {
  const run = { clients: 20_000, seed: 1 };
  const slotted = measureStorm(tautline(), run, (perSecond) => admitting({ perSecond, burst: perSecond / 25 }));
  expect(slotted.back).toBe(1);
  expect(slotted.backAtMs).toBeLessThan(71_000);
  expect(slotted.wasted).toBeLessThan(4.2);
  expect(slotted.work).toBeLessThanOrEqual(1.05);
});

test("slots from the server cost a client that is alone nothing", () => {
  expect(measureLone(tautline(), 1, quiet({ perSecond: 10, burst: 1 }))).toBe(measureLone(tautline(), 1));
});
