import { describe, expect, test } from "vitest";
import { type MachineEvent, type State, transition } from "../../../src/core/state-machine.ts";
import { ConnError } from "../../../src/index.ts";

/** Sent to a peer that we leave for another connection. */
const LEAVE = { code: 4001, reason: "" };
const info = { code: 1011, reason: "why", clean: true, wasOpen: true, willRetry: true };
const error = new ConnError("closed", "why");
const frame = { code: 4000, reason: "bye" };

const STATES = {
  idle: { name: "idle" },
  connecting: { name: "connecting", attempt: 2 },
  open: { name: "open", attempt: 2, isStable: false },
  backoff: { name: "waiting", attempt: 2, reason: "backoff" },
  offline: { name: "waiting", attempt: 2, reason: "offline" },
  server: { name: "waiting", attempt: 2, reason: "server" },
  page: { name: "waiting", attempt: 2, reason: "suspended" },
  shortest: { name: "waiting", attempt: 2, reason: "server", isShortest: true },
  closing: { name: "closing", frame },
  closed: { name: "closed" },
} satisfies Record<string, State>;

const INPUTS = {
  connect: { type: "connect" },
  reconnect: { type: "reconnect" },
  ready: { type: "ready" },
  stable: { type: "stable" },
  flushed: { type: "flushed" },
  timedOut: { type: "timedOut" },
  delayElapsed: { type: "delayElapsed" },
  retried: { type: "disconnected", info, plan: { retry: true, delayMs: 700, reason: "backoff" } },
  final: { type: "disconnected", info, plan: { retry: false, by: "policy", error } },
  moveRequested: { type: "moveRequested" },
  close: { type: "close", frame },
  suspended: { type: "suspended" },
  restored: { type: "restored" },
  wakeUp: { type: "wakeUp" },
  wakeUpEarly: { type: "wakeUp", floorMs: 100 },
  connectEarly: { type: "connect", floorMs: 100 },
  reconnectEarly: { type: "reconnect", floorMs: 100 },
  moveRequestedEarly: { type: "moveRequested", floorMs: 100 },
  restoredEarly: { type: "restored", floorMs: 100 },
  delayElapsedEarly: { type: "delayElapsed", floorMs: 100 },
  unloaded: { type: "unloaded" },
  aborted: { type: "aborted", error },
} satisfies Record<string, Input>;

/** An event, and the time left of the minimum interval since the last dial. */
type Input = MachineEvent & { readonly floorMs?: number };

const step = (state: State, input: Input) => transition(state, input, input.floorMs);

type Row = Partial<Record<keyof typeof INPUTS, readonly [Record<string, unknown>, object?]>>;

// The result of each event, written out. Where a state has no row for an input, nothing changes.

const dial = (attempt: number, bye?: object) =>
  [
    { name: "connecting", attempt },
    { type: "dial", attempt, frame: bye },
  ] as const;
const wait = (reason: string, delayMs: number, bye?: object, attempt = 2) =>
  [
    { name: "waiting", attempt, reason },
    { type: "wait", delayMs, frame: bye },
  ] as const;
/** The rest of the minimum interval between two dials. */
const rest = (reason: string, bye?: object, attempt = 2) =>
  [
    { name: "waiting", attempt, reason, isShortest: true },
    { type: "wait", delayMs: 100, frame: bye },
  ] as const;
const settled = (by: string, code: number, reason: string, clean: boolean, why?: ConnError, told?: object) =>
  [{ name: "closed" }, { type: "finish", by, end: { code, reason }, clean, error: why, frame: told }] as const;

const cancelled = settled("local", 4000, "bye", true, undefined, frame);
const aborted = settled("signal", 1006, "", false, error);
const unanswered = settled("local", 1006, "", false);
const LAST = { code: 1000, reason: "" };
const unloaded = settled("local", 1000, "", false, undefined, LAST);
const forever = Number.POSITIVE_INFINITY;

const ROWS: Record<keyof typeof STATES, Row> = {
  idle: {
    connect: dial(0),
    reconnect: dial(0),
    connectEarly: rest("backoff", undefined, 0),
    reconnectEarly: rest("backoff", undefined, 0),
    close: cancelled,
    unloaded,
    aborted,
  },
  connecting: {
    reconnect: dial(2),
    reconnectEarly: rest("backoff"),
    ready: [{ name: "open", attempt: 2, isStable: false }, { type: "activate" }],
    retried: wait("backoff", 700, undefined, 3),
    final: settled("policy", 1011, "why", true, error),
    suspended: wait("suspended", forever),
    close: cancelled,
    unloaded,
    aborted,
  },
  open: {
    reconnect: dial(2, LEAVE),
    reconnectEarly: rest("backoff", LEAVE),
    moveRequestedEarly: rest("backoff", LEAVE),
    stable: [{ name: "open", attempt: 0, isStable: true }],
    retried: wait("backoff", 700, undefined, 3),
    final: settled("policy", 1011, "why", true, error),
    moveRequested: dial(2, LEAVE),
    suspended: wait("suspended", forever, LEAVE),
    close: [{ name: "closing", frame }, { type: "flush" }],
    unloaded,
    aborted,
  },
  backoff: {
    connectEarly: rest("backoff"),
    reconnectEarly: rest("backoff"),
    restoredEarly: rest("backoff"),
    connect: dial(2),
    reconnect: dial(2),
    delayElapsed: dial(2),
    delayElapsedEarly: dial(2),
    restored: dial(2),
    wakeUp: dial(2),
    wakeUpEarly: rest("backoff"),
    suspended: wait("suspended", forever),
    close: cancelled,
    unloaded,
    aborted,
  },
  offline: {
    connectEarly: rest("offline"),
    reconnectEarly: rest("offline"),
    restoredEarly: rest("offline"),
    connect: dial(2),
    reconnect: dial(2),
    delayElapsed: dial(2),
    delayElapsedEarly: dial(2),
    restored: dial(2),
    wakeUp: dial(2),
    wakeUpEarly: rest("offline"),
    suspended: wait("suspended", forever),
    close: cancelled,
    unloaded,
    aborted,
  },
  server: {
    connectEarly: rest("server"),
    reconnectEarly: rest("server"),
    restoredEarly: rest("server"),
    connect: dial(2),
    reconnect: dial(2),
    delayElapsed: dial(2),
    delayElapsedEarly: dial(2),
    restored: dial(2),
    suspended: wait("suspended", forever),
    close: cancelled,
    unloaded,
    aborted,
  },
  page: {
    connectEarly: rest("suspended"),
    reconnectEarly: rest("suspended"),
    restoredEarly: rest("suspended"),
    connect: dial(2),
    reconnect: dial(2),
    delayElapsed: dial(2),
    delayElapsedEarly: dial(2),
    restored: dial(2),
    close: cancelled,
    unloaded,
    aborted,
  },
  shortest: {
    connect: dial(2),
    reconnect: dial(2),
    delayElapsed: dial(2),
    delayElapsedEarly: dial(2),
    restored: dial(2),
    suspended: wait("suspended", forever),
    close: cancelled,
    unloaded,
    aborted,
  },
  closing: {
    flushed: [STATES.closing, { type: "sendClose", frame }],
    retried: settled("local", 1011, "why", true),
    final: settled("local", 1011, "why", true),
    timedOut: unanswered,
    suspended: unanswered,
    unloaded,
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
  const life = [
    "connect",
    "retried",
    "delayElapsed",
    "ready",
    "retried",
    "delayElapsed",
    "ready",
    "stable",
    "retried",
  ] as const;
  let state: State = STATES.idle;
  for (const input of life) {
    [state] = step(state, INPUTS[input]);
    numbers.push("attempt" in state ? state.attempt : undefined);
  }
  expect(numbers).toEqual([0, 1, 1, 1, 2, 2, 2, 0, 1]);
});
