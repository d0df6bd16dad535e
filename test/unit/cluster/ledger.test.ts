import { expect, test } from "vitest";
import { audit } from "../../cluster/ledger.mjs";

type Entry = [from: string, n: number, position: string] | [from: null, n: null, after: string];
const gap = (after: string): Entry => [null, null, after];

/** A run without a fault: two clients in a room of three messages. */
function run() {
  const log: [string, number, string][] = [
    ["c0", 0, "1-a"],
    ["c1", 0, "2-b"],
    ["c0", 1, "3-c"],
  ];
  const client = (id: string) => ({
    id,
    channel: "room:0",
    entries: [...log] as Entry[],
    publishes: log.filter(([from]) => from === id).map(([, n, position]) => [n, "done", position, 1_000]),
    ups: [[0, "acknowledged"]],
    calls: [[0, "done"]],
    downs: [["s", id === "c0" ? 0 : 1]] as [string, number][],
  });
  const clients = [client("c0"), client("c1")] as [ReturnType<typeof client>, ReturnType<typeof client>];
  const lines: (string | number)[][] = [
    ["up", "c0", 0],
    ["up", "c1", 0],
    ["call", "c0", 0],
    ["call", "c1", 0],
    ["outcome", "s", 0, "acknowledged"],
    ["outcome", "s", 1, "acknowledged"],
  ];
  return { clients, lines, logs: { "room:0": log } };
}

type Run = ReturnType<typeof run>;

test("a run without a fault has none", () => {
  expect(audit(run()).faults).toEqual([]);
});

const miscounts: [fault: string, change: (all: Run) => void][] = [
  ["c1 missed 1 before 3-c", ({ clients }) => clients[1].entries.splice(1, 1)],
  ["c1 missed the last 1", ({ clients }) => clients[1].entries.pop()],
  ["c1 missed the last 3", ({ clients }) => clients[1].entries.splice(0)],
  ["c1 missed 2 before 3-c", ({ clients }) => clients[1].entries.splice(0, 2)],
  ["c1 missed the last 1", ({ clients }) => clients[1].entries.splice(1, 2, ["c1", 9, "2-x"], gap("2-b"))],
  ["c1 got a gap up to 1-a, and the log reached back", ({ clients }) => clients[1].entries.splice(1, 0, gap("1-a"))],
  ["c1 got 2-b out of order", ({ clients }) => clients[1].entries.push(["c9", 9, "4-x"], gap("3-c"), ["c1", 0, "2-b"])],
  ["c1 was sent back to 1-a by a gap", ({ clients }) => clients[1].entries.push(["c9", 9, "4-x"], gap("1-a"))],
  ["c1 missed 1 before 3-c", ({ clients }) => clients[1].entries.splice(1, 1, ["c1", 9, "2-x"], gap("1-a"))],
  ["c1 got no gap after 4-x, which was lost", ({ clients }) => clients[1].entries.push(["c9", 9, "4-x"])],
  ["c1 got no gap after 4-x, which was lost", ({ clients }) => clients[1].entries.push(gap("4-x"))],
  ["c1 got 1-a twice", ({ clients }) => clients[1].entries.splice(1, 0, ["c0", 0, "1-a"])],
  ["c1 got 2-b out of order", ({ clients }) => clients[1].entries.reverse()],
  ["c1 got other data at 1-a", ({ clients }) => clients[1].entries.splice(0, 1, ["c9", 0, "1-a"])],
  ["c1 got no gap after 2-x, which was lost", ({ clients }) => clients[1].entries.splice(1, 1, ["c1", 9, "2-x"])],
  ["publish 1 of c0 resolved, and is not in the log", ({ logs }) => logs["room:0"].pop()],
  ["publish 0 of c1 has no outcome", ({ clients }) => clients[1].publishes[0]?.splice(1, 1, "pending")],
  [
    "c0 published 1 once, and it is in the log 2 times",
    ({ clients, logs }) => {
      logs["room:0"].push(["c0", 1, "4-d"]);
      for (const { entries } of clients) entries.push(["c0", 1, "4-d"]);
    },
  ],
  ["up c0 0 is acknowledged, and did not arrive", ({ lines }) => lines.splice(0, 1)],
  ["up c0 0 arrived 2 times", ({ lines }) => lines.push(["up", "c0", 0])],
  ["up c0 0 was refused, and arrived", ({ clients }) => clients[0].ups[0]?.splice(1, 1, "refused")],
  ["call c1 0 is done, and did not arrive", ({ lines }) => lines.splice(3, 1)],
  ["call c1 0 got the answer of another", ({ clients }) => clients[1].calls[0]?.splice(1, 1, "wrong")],
  ["down s 0 to - is acknowledged, and did not arrive", ({ clients }) => clients[0].downs.pop()],
  ["c0 got 0 of a session out of order or twice", ({ clients }) => clients[0].downs.push(["s", 0])],
];

test.each(miscounts)("the audit finds that %s", (fault, change) => {
  const all = run();
  change(all);
  expect(audit(all).faults).toContain(fault);
});

test("a gap after a lost message is no fault, nor is what the client missed up to its position", () => {
  const all = run();
  all.clients[1].entries.splice(1, 1, ["c1", 9, "2-x"], gap("2-b"));
  expect(audit(all).faults).toEqual([]);
});

test("a client that has left misses nothing", () => {
  const all = run();
  all.clients[1].entries.pop();
  Object.assign(all.clients[1], { hasLeft: true });
  expect(audit(all).faults).toEqual([]);
});

test("a publish that is in doubt may be in the log or not", () => {
  const all = run();
  all.clients[0].publishes.push([7, "interrupted"]);
  all.clients[0].publishes[0]?.splice(1, 1, "interrupted");
  expect(audit(all).faults).toEqual([]);
});

test("a publish that the engine lost is no fault at the time of the failover, and one at another time is", () => {
  const lost = (lossFrom: number) => {
    const all = run();
    all.logs["room:0"].pop();
    for (const { entries } of all.clients) entries.push(gap("2-b"));
    return audit({ ...all, lossFrom, lossUntil: lossFrom + 100 }).faults;
  };
  expect(lost(950)).toEqual([]);
  expect(lost(5_000)).toEqual(["publish 1 of c0 resolved, and is not in the log"]);
});
