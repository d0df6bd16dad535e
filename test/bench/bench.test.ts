import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { bars, lines } from "../../bench/chart.mjs";
import { aimsOf } from "../../bench/comparison.mjs";
import { compare, contest, median } from "../../bench/runner.mjs";
import { parts, partsAgainst } from "../../bench/suites.mjs";

const ROUND = { rounds: 1, options: { count: 20, burst: 10, inFlight: 2, kind: "text", bytes: 64 } };

test.each(["up", "down", "echo"])(
  "bare ws has a rate and a cost: %s",
  async (task) => {
    const results = await contest(["bare ws", "bare ws again"], task, { ...ROUND, isFresh: true });
    for (const [, rounds] of results) {
      expect(rounds).toEqual([{ rate: expect.any(Number), cpuUs: expect.any(Number) }]);
      expect(rounds[0].rate).toBeGreaterThan(0);
    }
  },
  20_000,
);

test("a client that ends before it answers fails the contest", async () => {
  const lost = contest(["bare ws"], "no such task", { ...ROUND, isFresh: true });
  await expect(lost).rejects.toThrow("ended with 1");
}, 20_000);

test("an unknown part is refused with the names of all parts", async () => {
  const run = promisify(execFile)(process.execPath, ["bench/run.mjs", "--only", "nothing"]);
  await expect(run).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining("grow-outbox") });
});

test("two builds are compared in one run, and the same build twice by the same names", {
  timeout: 60_000,
}, async () => {
  const args = ["bench/run.mjs", "--against", "dist", "--only", "up-50", "--only", "sizes", "--rounds", "1", "--tiny"];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  expect(stdout).toMatch(/^\| this build \| [\d,.]+ \| \d+\.\d\d× /m);
  const weights = [...stdout.matchAll(/^\| (?:other|this) build \| ([\d,]+) \| ([\d,]+) \|$/gm)].map(
    ([, ...all]) => all,
  );
  expect(weights).toHaveLength(2);
  expect(weights[0]).toEqual(weights[1]);
  expect(Object.keys(partsAgainst)).toContain("memory");
});

test("a folder that holds no build is refused by its name", async () => {
  const run = promisify(execFile)(process.execPath, ["bench/run.mjs", "--against", "docs"]);
  await expect(run).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining("got docs") });
});

test("the page has a place for each part, and for nothing else but the machine", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/guides/performance.md"), "utf8");
  const places = [...page.matchAll(/^<!-- bench (\S+) -->\n.*?^<!-- end \1 -->$/gms)].map(([, name]) => name);
  expect(places.sort()).toEqual(["machine", ...Object.keys(parts)].sort());
});

test("ratios are taken round by round, whatever the rounds have in common", () => {
  expect(compare([2, 20, 60], [1, 10, 20])).toEqual({ median: 2, min: 2, max: 3 });
  expect(median([4, 1, 3, 2])).toBe(2.5);
});

test.each([
  ["rate", [96, 97, 98], "reached"],
  ["rate", [10, 94, 99], "missed, within the noise"],
  ["rate", [10, 80, 99], "missed"],
  ["cpuUs", [90, 105, 300], "reached"],
  ["cpuUs", [90, 110, 300], "missed, within the noise"],
  ["cpuUs", [90, 111, 300], "missed"],
])(
  "the median decides whether an aim is reached, and a miss within the noise is called so: %s %j",
  (measure, values, outcome) => {
    const rounds = (given: number[]) => given.map((value) => ({ [measure]: value }));
    const results = new Map([
      ["bare", rounds([100, 100, 100])],
      ["bare again", rounds([90, 100, 110])],
      ["ours", rounds(values)],
    ]);
    const [bound, side] = measure === "rate" ? [0.95, "least"] : [1.05, "most"];
    const report = (aims: object) => aimsOf(results, ["bare", "bare again", "ours"], { [measure]: "figure" }, aims);
    expect(report({ [measure]: bound })).toEqual([`Aim: figure at ${side} ${bound}× (${outcome}).`]);
    expect(report({})).toEqual([]);
  },
);

test("a chart is the same for the same figures, and its longest bar is the largest figure", () => {
  const chart = bars("a & b", [
    ["tautline", 4],
    ["other", 2],
  ]);
  expect(chart).toBe(
    bars("a & b", [
      ["tautline", 4],
      ["other", 2],
    ]),
  );
  expect(chart).toContain("a &amp; b");
  const [ours, other] = [...chart.matchAll(/<rect .*? width="(.*?)"/g)].map(([, width]) => Number(width));
  expect(ours).toBe(2 * (other as number));
  expect(
    lines(
      "t",
      "n",
      new Map([
        [
          "tautline",
          [
            [1, 1],
            [10, 1],
          ],
        ],
      ]),
    ).match(/<polyline/g),
  ).toHaveLength(1);
});
