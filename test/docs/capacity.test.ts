import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CHOICES, COSTS, choose, plan, table } from "../../scripts/capacity.mjs";

const ROOT = join(import.meta.dirname, "../..");
const page = readFileSync(join(ROOT, "docs/guides/capacity.md"), "utf8");

/** The rows of the table between two markers, by their first cell. */
function tableOf(name: string): Map<string, string[]> {
  const [, text = ""] = new RegExp(`<!-- ${name} -->\n([\\s\\S]*?)\n?<!-- end ${name} -->`).exec(page) ?? [];
  const rows = text.split("\n").filter((line) => /^\| [^|]/.test(line));
  return new Map(
    rows.map((row) => {
      const [first = "", ...others] = row
        .slice(1, -1)
        .split("|")
        .map((cell) => cell.replaceAll("*", "").trim());
      return [first, others];
    }),
  );
}

const numberIn = (cell: string | undefined) => Number.parseFloat((cell ?? "").replaceAll(",", ""));

test("the page has the costs from which the command starts, each with the part of the bench that prints it", () => {
  const rows = Object.values(COSTS).map(({ what, value, unit, from }) => [
    what,
    [`${value.toLocaleString("en")} ${unit}`, `\`${from}\``],
  ]);
  expect([...tableOf("costs")].slice(1)).toEqual(rows);
});

test("the example is what its command prints", () => {
  const [, args = ""] = /npm run capacity -- (.*)/.exec(page) ?? [];
  const [, example] = /<!-- example -->\n([\s\S]*?)\n<!-- end example -->/.exec(page) ?? [];
  expect(
    execFileSync(process.execPath, [join(ROOT, "scripts/capacity.mjs"), ...args.split(" ")], { encoding: "utf8" }),
  ).toBe(`${example}\n`);
  expect(choose(args.split(" "))).toEqual(
    Object.fromEntries(Object.entries(CHOICES).map(([name, { value }]) => [name, value])),
  );
});

test("the example follows from the page's own costs by the page's formulas", () => {
  const cost = Object.fromEntries([...tableOf("costs")].map(([what, [cell]]) => [what, numberIn(cell)]));
  const of = (what: string) => cost[what] as number;
  const example = tableOf("example");
  const figure = (name: string) => numberIn(example.get(name)?.[0]);
  const publishes = 1_000_000 / 60;
  expect(figure("publishes a second")).toBe(Math.round(publishes));
  expect(figure("deliveries a second")).toBe(Math.round(publishes * 100));
  const nodes = figure("nodes");
  const receivers = nodes * (1 - (1 - 1 / nodes) ** 100);
  expect(figure("nodes that receive a publish")).toBeCloseTo(receivers, 1);
  const busy =
    publishes *
      (of("a publish, of the node that makes it") + receivers * of("an entry that a node receives, of that node")) +
    publishes * 100 * of("a delivery to one connection, of a node") +
    1_000_000 * of("a connection at rest, of a node each second");
  expect(figure("of its core in use")).toBe(Math.round(busy / nodes / 10_000));
  expect(busy / nodes).toBeLessThanOrEqual(500_000);
  expect(figure("nodes that the memory of connections needs")).toBe(
    Math.ceil((1_000_000 * of("a connection with a channel, of a node's memory")) / (2 * 2 ** 30)),
  );
  expect(figure("connections on each")).toBe(Math.round(1_000_000 / nodes));
  const redis =
    publishes * (of("a publish, of Redis") + receivers * of("each node that receives it, of Redis besides"));
  expect(figure("of one Redis's core in use")).toBe(Math.round(redis / 10_000));
  expect(figure("servers of Redis")).toBe(Math.ceil(redis / 500_000));
  expect(figure("memory of Redis for the logs")).toBeCloseTo(
    (10_000 * 100 * of("a message of 256 bytes that is kept, of Redis's memory")) / 2 ** 30,
    2,
  );
});

test("the load that mostly listens has the nodes and connections of which the page speaks", () => {
  const { nodes, connections } = plan(choose(["--members", "10", "--minutes", "10", "--memory", "1"]));
  expect(page).toContain(
    `(\`--members 10 --minutes 10 --memory 1\`), the nodes are ${nodes}, and each has ${Math.round(connections).toLocaleString("en")} connections`,
  );
});

test("each bound is the one that limits where it asks for the most", () => {
  const limitOf = (...args: string[]) => /what limits first \| (.*) \|/.exec(table(choose(args)))?.[1];
  expect(limitOf("--minutes", "60", "--members", "2", "--memory", "0.1")).toBe("the memory of the nodes");
  expect(limitOf("--minutes", "60", "--members", "2", "--memory", "100", "--return", "0.5")).toBe(
    "the return of a node's clients",
  );
  expect(limitOf("--minutes", "60", "--members", "2", "--memory", "100")).toBe("the processors of the nodes");
  expect(limitOf()).toBe("Redis, which runs commands on one core");
});

test("a number that can't be is refused with the choices that there are", () => {
  for (const [args, message] of [
    [["--clients", "many"], '--clients must be a number above 0; got "many".'],
    [["--minutes", "0"], '--minutes must be a number above 0; got "0".'],
    [["--share", "1"], "--share must be below 1; got 1."],
  ] as const) {
    expect(() => choose([...args])).toThrow(message);
  }
});
