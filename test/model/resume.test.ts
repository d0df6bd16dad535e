import { describe, expect, test } from "vitest";
import {
  actions,
  type Bounds,
  createModel,
  isComplete,
  type ProtocolModel,
  type RemovedRule,
  tidy,
  Violation,
} from "./resume-model.ts";

interface Found {
  readonly states: number;
  /** The first fault, or `undefined`. */
  readonly violation: string | undefined;
}

/** Plain data is its own copy. */
function copy<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copy) as T;
  const made: Record<string, unknown> = {};
  for (const key in value) made[key] = copy(value[key]);
  return made as T;
}

/** Every order of events, breadth first; then whether each state can still come to a good end. */
function explore(bounds: Bounds, without?: RemovedRule): Found {
  const known = new Map<string, number>();
  const from: number[] = [];
  const to: number[] = [];
  const complete: number[] = [];
  let frontier: ProtocolModel[] = [];
  const meet = (state: ProtocolModel): number => {
    const key = JSON.stringify(state);
    const index = known.get(key);
    if (index !== undefined) return index;
    known.set(key, known.size);
    frontier.push(state);
    if (isComplete(state, bounds)) complete.push(known.size - 1);
    return known.size - 1;
  };
  meet(createModel());
  for (let done = 0; frontier.length > 0; ) {
    const layer = frontier;
    frontier = [];
    for (const state of layer) {
      for (const act of actions(state, bounds, without)) {
        const next = copy(state);
        try {
          act(next);
          tidy(next);
        } catch (error) {
          if (!(error instanceof Violation)) throw error;
          return { states: known.size, violation: error.message };
        }
        from.push(done);
        to.push(meet(next));
      }
      done++;
    }
  }
  const states = known.size;
  known.clear();
  return { states, violation: reached(states, from, to, complete) === states ? undefined : "a dead end" };
}

/** How many states can reach one of `goals`. */
function reached(states: number, from: readonly number[], to: readonly number[], goals: readonly number[]): number {
  const heads = new Int32Array(states).fill(-1);
  const next = new Int32Array(from.length);
  for (let edge = 0; edge < from.length; edge++) {
    next[edge] = heads[to[edge] as number] as number;
    heads[to[edge] as number] = edge;
  }
  const seen = new Uint8Array(states);
  const stack = [...goals];
  for (const goal of goals) seen[goal] = 1;
  let count = goals.length;
  for (let state = stack.pop(); state !== undefined; state = stack.pop()) {
    for (let edge = heads[state] as number; edge >= 0; edge = next[edge] as number) {
      const before = from[edge] as number;
      if (seen[before]) continue;
      seen[before] = 1;
      count++;
      stack.push(before);
    }
  }
  return count;
}

describe("every order of events", () => {
  test.each<[string, Bounds]>([
    ["two messages each way over three sockets", { client: 2, server: 2, sockets: 3, forgettings: 0 }],
    ["two and one with a server that forgets once", { client: 2, server: 1, sockets: 3, forgettings: 1 }],
    ["two and none over four sockets with two forgettings", { client: 2, server: 0, sockets: 4, forgettings: 2 }],
    ["two and one while either end closes", { client: 2, server: 1, sockets: 3, forgettings: 0, closings: 2 }],
    ["two and one behind a middlebox that closes", { client: 2, server: 1, sockets: 3, forgettings: 0, cuts: 1 }],
    [
      "one each way behind a middlebox, while an end closes",
      { client: 1, server: 1, sockets: 3, forgettings: 0, closings: 1, cuts: 1 },
    ],
    [
      "two and none, sent again where they are in doubt, while an end closes",
      { client: 2, server: 0, sockets: 4, forgettings: 2, closings: 1, resends: true },
    ],
    [
      "one each way to a server that keeps no session, behind a middlebox",
      { client: 1, server: 1, sockets: 3, forgettings: 0, closings: 1, cuts: 1, keepsNone: true },
    ],
  ])(
    "delivers %s exactly once, or says what is in doubt",
    (_name, bounds) => {
      const { states, violation } = explore(bounds);
      expect(violation).toBeUndefined();
      expect(states).toBeGreaterThan(10_000);
    },
    120_000,
  );

  const small = { client: 1, server: 1, sockets: 3, forgettings: 0 };
  test.each<[RemovedRule, Bounds, RegExp]>([
    ["the fence", small, /twice|lost/],
    ["the fence of the issuing socket", small, /twice|dead end/],
    ["the exact count", small, /twice/],
    ["retention", { ...small, client: 2 }, /lost|dead end/],
    ["gen", small, /dead end|range/],
    ["the wait for H", small, /dead end|lost|client meets/],
    ["issued sessions that outlive their socket", small, /in doubt/],
    ["a frame of its own for the final counts", { ...small, client: 2, cuts: 1 }, /reported undelivered/],
    ["the socket of the final counts", { ...small, client: 2, cuts: 1 }, /reported undelivered/],
    ["doubt that lasts", { ...small, server: 0, forgettings: 1, closings: 1, resends: true }, /reported undelivered/],
    ["doubt after an eviction", { ...small, server: 2, cuts: 1, keepsNone: true }, /reported undelivered/],
  ])("goes wrong without %s", (without, bounds, violation) => {
    expect(explore(bounds, without).violation).toMatch(violation);
  });

  test("needs none of that where nothing is taken out", () => {
    expect(explore(small).violation).toBeUndefined();
  });
});
