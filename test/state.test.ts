import { describe, expect, test } from "vitest";
import { ConnError } from "../src/index.ts";
import { AWAY, type Input, type State, step } from "../src/state.ts";

const info = { code: 1011, reason: "why", clean: true, opened: true, retry: true };
const error = new ConnError("closed", "why");
const goodbye = { code: 4000, reason: "bye" };

const STATES = {
  idle: { name: "idle" },
  connecting: { name: "connecting", attempt: 2 },
  open: { name: "open", attempt: 2, isStable: false },
  backoff: { name: "waiting", attempt: 2, reason: "backoff" },
  offline: { name: "waiting", attempt: 2, reason: "offline" },
  server: { name: "waiting", attempt: 2, reason: "server" },
  page: { name: "waiting", attempt: 2, reason: "page" },
  closing: { name: "closing", goodbye },
  closed: { name: "closed" },
} satisfies Record<string, State>;

const INPUTS = {
  connect: { type: "connect" },
  reconnect: { type: "reconnect" },
  ready: { type: "ready" },
  stable: { type: "stable" },
  flushed: { type: "flushed" },
  timedOut: { type: "timedOut" },
  elapsed: { type: "elapsed" },
  retried: { type: "lost", info, plan: { retry: true, delayMs: 700, reason: "backoff" } },
  final: { type: "lost", info, plan: { retry: false, by: "verdict", error } },
  toldToMove: { type: "toldToMove" },
  close: { type: "close", goodbye },
  pageCached: { type: "pageCached" },
  pageBack: { type: "pageBack" },
  awake: { type: "awake", floorMs: 0 },
  awakeEarly: { type: "awake", floorMs: 100 },
  aborted: { type: "aborted", error },
} satisfies Record<string, Input>;

type Row = Partial<Record<keyof typeof INPUTS, readonly [Record<string, unknown>, object?]>>;

// What each input comes to, written out. Where a state has no row for an input, nothing changes.

const dial = (attempt: number, bye?: object) =>
  [
    { name: "connecting", attempt },
    { type: "dial", attempt, goodbye: bye },
  ] as const;
const wait = (reason: string, delayMs: number, bye?: object, attempt = 2) =>
  [
    { name: "waiting", attempt, reason },
    { type: "wait", delayMs, goodbye: bye },
  ] as const;
const settled = (by: string, code: number, reason: string, clean: boolean, why?: ConnError, told?: object) =>
  [{ name: "closed" }, { type: "settle", by, end: { code, reason }, clean, error: why, goodbye: told }] as const;

const cancelled = settled("us", 4000, "bye", true, undefined, goodbye);
const aborted = settled("signal", 1006, "", false, error);
const unanswered = settled("us", 1006, "", false);
const forEver = Number.POSITIVE_INFINITY;

const ROWS: Record<keyof typeof STATES, Row> = {
  idle: { connect: dial(0), reconnect: dial(0), close: cancelled, aborted },
  connecting: {
    reconnect: dial(2),
    ready: [{ name: "open", attempt: 2, isStable: false }, { type: "serve" }],
    retried: wait("backoff", 700, undefined, 3),
    final: settled("verdict", 1011, "why", true, error),
    pageCached: wait("page", forEver),
    close: cancelled,
    aborted,
  },
  open: {
    reconnect: dial(2, AWAY),
    stable: [{ name: "open", attempt: 0, isStable: true }],
    retried: wait("backoff", 700, undefined, 3),
    final: settled("verdict", 1011, "why", true, error),
    toldToMove: dial(2, AWAY),
    pageCached: wait("page", forEver, AWAY),
    close: [{ name: "closing", goodbye }, { type: "flush" }],
    aborted,
  },
  backoff: {
    connect: dial(2),
    reconnect: dial(2),
    elapsed: dial(2),
    pageBack: dial(2),
    awake: dial(2),
    awakeEarly: wait("backoff", 100),
    pageCached: wait("page", forEver),
    close: cancelled,
    aborted,
  },
  offline: {
    connect: dial(2),
    reconnect: dial(2),
    elapsed: dial(2),
    pageBack: dial(2),
    awake: dial(2),
    awakeEarly: wait("offline", 100),
    pageCached: wait("page", forEver),
    close: cancelled,
    aborted,
  },
  server: {
    connect: dial(2),
    reconnect: dial(2),
    elapsed: dial(2),
    pageBack: dial(2),
    pageCached: wait("page", forEver),
    close: cancelled,
    aborted,
  },
  page: {
    connect: dial(2),
    reconnect: dial(2),
    elapsed: dial(2),
    pageBack: dial(2),
    close: cancelled,
    aborted,
  },
  closing: {
    flushed: [STATES.closing, { type: "sayGoodbye", goodbye }],
    retried: settled("us", 1011, "why", true),
    final: settled("us", 1011, "why", true),
    timedOut: unanswered,
    pageCached: unanswered,
    aborted,
  },
  closed: {},
};

describe.for(Object.keys(STATES) as (keyof typeof STATES)[])("%s", (name) => {
  const state: State = STATES[name];

  test.for(Object.keys(INPUTS) as (keyof typeof INPUTS)[])("meets %s", (input) => {
    const before = structuredClone(state);
    const [next, effect] = step(state, INPUTS[input]);
    const [expected, does] = ROWS[name][input] ?? [state, undefined];
    expect(next).toEqual(expected);
    expect(effect).toEqual(does);
    expect(state).toEqual(before);
  });
});

test("an attempt's number goes through a whole life", () => {
  const numbers: unknown[] = [];
  const life = ["connect", "retried", "elapsed", "ready", "retried", "elapsed", "ready", "stable", "retried"] as const;
  let state: State = STATES.idle;
  for (const input of life) {
    [state] = step(state, INPUTS[input]);
    numbers.push("attempt" in state ? state.attempt : undefined);
  }
  expect(numbers).toEqual([0, 1, 1, 1, 2, 2, 2, 0, 1]);
});
