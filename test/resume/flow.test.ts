import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { acknowledged, flow, isOpen, type Kept, put, remains, returned, weigh } from "../../src/resume/flow.ts";

interface Item extends Kept {
  readonly id: number;
}

function filled(count: number, volatile: readonly number[] = []) {
  const made = flow<Item>(1_000);
  for (let id = 1; id <= count; id++) put(made, { id, weight: 10, volatile: volatile.includes(id) });
  return made;
}

const ids = (items: readonly Item[] | undefined) => items?.map(({ id }) => id);

test("weighs a message by its length and 64 more", () => {
  expect(weigh("")).toBe(64);
  expect(weigh("äöü")).toBe(67);
  expect(weigh(new Uint8Array(100))).toBe(164);
});

test("lets one message more through than the window holds, whatever its size", () => {
  const small = flow<Item>(100);
  expect(isOpen(small)).toBe(true);
  put(small, { id: 1, weight: 99 });
  expect(isOpen(small)).toBe(true);
  put(small, { id: 2, weight: 1_000_000 });
  expect(isOpen(small)).toBe(false);
  acknowledged(small, 2);
  expect(isOpen(small)).toBe(true);
});

describe("an acknowledgement", () => {
  test("lets go of what it covers, in order", () => {
    const made = filled(5);
    expect(ids(acknowledged(made, 2))).toEqual([1, 2]);
    expect(ids(acknowledged(made, 2))).toEqual([]);
    expect(ids(acknowledged(made, 5))).toEqual([3, 4, 5]);
    expect(made.weight).toBe(0);
  });

  test.each([1, 6, 36 ** 10 - 1, Number.NaN])("that can't be is told apart: %d", (n) => {
    const made = filled(5);
    acknowledged(made, 2);
    expect(acknowledged(made, n)).toBeUndefined();
    expect(made.acked).toBe(2);
  });

  test("costs the same however many messages came before", () => {
    const made = flow<Item>(1_000_000);
    let longest = 0;
    for (let id = 1; id <= 100_000; id++) {
      put(made, { id, weight: 1 });
      if (id > 10) acknowledged(made, id - 10);
      longest = Math.max(longest, made.kept.length);
    }
    expect(longest).toBeLessThan(1_000);
  });
});

describe("a return", () => {
  test("goes on where the peer stands", () => {
    const made = filled(5);
    acknowledged(made, 1);
    const back = returned(made, 3);
    expect(ids(back?.again)).toEqual([4, 5]);
    expect(made).toMatchObject({ sent: 5, acked: 1, reached: 3, weight: 40 });
    expect(ids(acknowledged(made, 5))).toEqual([2, 3, 4, 5]);
  });

  test("gives the place of a volatile message that was not counted to the next", () => {
    const made = filled(5, [2, 4]);
    const back = returned(made, 2);
    expect(ids(back?.again)).toEqual([3, 5]);
    expect(ids(back?.stale)).toEqual([4]);
    expect(made.sent).toBe(4);
    put(made, { id: 6, weight: 10 });
    expect(ids(acknowledged(made, 5))).toEqual([1, 2, 3, 5, 6]);
  });

  test.each([0, 1, 6, Number.NaN])("with a count that can't be is told apart: %d", (rx) => {
    const made = filled(5);
    acknowledged(made, 1);
    returned(made, 2);
    expect(returned(made, rx)).toBeUndefined();
    expect(made).toMatchObject({ sent: 5, reached: 2 });
  });

  test("sets aside what three returns in a row sent first to no avail", () => {
    const made = filled(3);
    for (let trial = 0; trial < 3; trial++) expect(returned(made, 1)?.poison).toBeUndefined();
    const back = returned(made, 1);
    expect(back?.poison?.id).toBe(2);
    expect(ids(back?.again)).toEqual([3]);
    expect(made.sent).toBe(2);
    // The next has its own three.
    for (let trial = 0; trial < 2; trial++) expect(returned(made, 1)?.poison).toBeUndefined();
    expect(returned(made, 1)?.poison?.id).toBe(3);
    expect(ids(returned(made, 1)?.again)).toEqual([]);
  });

  test("suspects nobody whose peer's count moved in between", () => {
    const made = filled(9);
    for (let rx = 1; rx < 9; rx++) {
      for (let trial = 0; trial < 3; trial++) expect(returned(made, rx)?.poison).toBeUndefined();
    }
  });

  test("suspects nobody where nothing was sent", () => {
    const made = filled(1);
    for (let trial = 0; trial < 9; trial++) expect(returned(made, 1)?.poison).toBeUndefined();
    put(made, { id: 2, weight: 1 });
    expect(returned(made, 1)?.poison).toBeUndefined();
  });
});

describe("what a lost session leaves", () => {
  test("is known exactly where the peer still knows its count", () => {
    const made = filled(5);
    acknowledged(made, 1);
    const left = remains(made, 3);
    expect([ids(left?.delivered), ids(left?.notDelivered), ids(left?.inDoubt)]).toEqual([[2, 3], [4, 5], []]);
  });

  test("is in doubt beyond what the peer last stated", () => {
    const made = filled(5);
    returned(made, 2);
    const left = remains(made, undefined);
    expect([ids(left?.delivered), ids(left?.notDelivered), ids(left?.inDoubt)]).toEqual([[1, 2], [], [3, 4, 5]]);
  });

  test("is nothing where the count can't be", () => {
    expect(remains(filled(5), 6)).toBeUndefined();
  });
});

test("behaves as a list of numbered messages would", () => {
  const move = fc.oneof(
    fc.record({ type: fc.constant("put"), volatile: fc.boolean() }),
    fc.record({ type: fc.constantFrom("ack", "return"), part: fc.double({ min: 0, max: 1, noNaN: true }) }),
  );
  fc.assert(
    fc.property(fc.array(move, { maxLength: 400 }), (moves) => {
      const made = flow<Item>(1_000);
      let list: Item[] = [];
      let [acked, floor, nextId] = [0, 0, 0];
      for (const given of moves) {
        if ("volatile" in given) {
          const item = { id: ++nextId, weight: nextId, volatile: given.volatile };
          put(made, item);
          list.push(item);
        } else if (given.type === "ack") {
          const n = acked + Math.round(given.part * (list.length - acked));
          expect(acknowledged(made, n)).toEqual(list.slice(acked, n));
          acked = n;
        } else {
          const low = Math.max(acked, floor);
          floor = low + Math.round(given.part * (list.length - low));
          const back = returned(made, floor);
          const again = list.slice(floor).filter((item) => !item.volatile && item !== back?.poison);
          expect(back?.again).toEqual(again);
          list = [...list.slice(0, floor), ...again];
        }
        const kept = list.slice(acked);
        expect(made).toMatchObject({
          sent: list.length,
          acked,
          weight: kept.reduce((sum, { weight }) => sum + weight, 0),
        });
      }
    }),
  );
});
