import { describe, expect, onTestFinished, test, vi } from "vitest";
import { pageLifecycle } from "../../../src/core/page-lifecycle.ts";
import type { LifecycleSignal } from "../../../src/index.ts";
import { advance, useFakeTime } from "../../support/conn.ts";
import { usePage } from "../../support/fake-page.ts";

useFakeTime();

/** The signals from here on, and the unsubscribe function. */
function listen(): { readonly heard: LifecycleSignal[]; readonly undo: () => void } {
  const heard: LifecycleSignal[] = [];
  const undo = pageLifecycle.subscribe((signal) => heard.push(signal));
  onTestFinished(undo);
  return { heard, undo };
}

/** The machine sleeps: its clock goes on, its timers do not. */
function sleep(ms: number): void {
  vi.setSystemTime(Date.now() + ms);
}

describe("where there is no page", () => {
  test("no signal is emitted, no timer runs, and the network counts as present", () => {
    listen();
    expect(vi.getTimerCount()).toBe(0);
    expect(pageLifecycle.isOnline()).toBe(true);
  });

  test.for([
    ["events and no network", { addEventListener() {} }],
    ["a navigator that knows no network", { addEventListener() {}, navigator: { userAgent: "Deno" } }],
    ["a network and no events", { navigator: { onLine: false } }],
  ] as const)("%s make no page", ([, globals]) => {
    // Newer Nodes have a navigator of their own.
    for (const [name, value] of Object.entries({ navigator: undefined, ...globals })) vi.stubGlobal(name, value);
    listen();
    expect(vi.getTimerCount()).toBe(0);
    expect(pageLifecycle.isOnline()).toBe(true);
  });
});

describe("a page", () => {
  test.for([
    ["online", "online"],
    ["offline", "offline"],
  ] as const)("tells the window's %s", ([type, signal]) => {
    const page = usePage();
    const { heard } = listen();
    page.window.fire(type);
    expect(heard).toEqual([signal]);
  });

  test.for([
    ["pagehide", "suspend", ["unload"]],
    ["pageshow", "restore", []],
  ] as const)("takes a persisted %s as %s, and one that is not as %j", ([type, signal, other]) => {
    const page = usePage();
    const { heard } = listen();
    page.window.fire(type);
    page.window.fire(type, { persisted: false });
    expect(heard).toEqual(other);
    page.window.fire(type, { persisted: true });
    expect(heard).toEqual([...other, signal]);
  });

  test.for([
    ["freeze", "suspend"],
    ["resume", "restore"],
  ] as const)("takes the document's %s as %s", ([type, signal]) => {
    const page = usePage();
    const { heard } = listen();
    page.document.fire(type);
    expect(heard).toEqual([signal]);
  });

  test("tells that it is visible, and not that it is hidden", () => {
    const page = usePage();
    const { heard } = listen();
    page.show("hidden");
    expect(heard).toEqual([]);
    page.show("visible");
    expect(heard).toEqual(["visible"]);
  });

  test("emits no signal that it received before there is a listener", () => {
    const page = usePage();
    expect(page.listeners).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
    page.window.fire("offline");
    page.document.fire("freeze");
    const { heard } = listen();
    expect(heard).toEqual([]);
    page.window.fire("online");
    expect(heard).toEqual(["online"]);
  });

  test("knows at any time whether it is online", () => {
    const page = usePage();
    const source = pageLifecycle;
    page.navigator.onLine = false;
    expect(source.isOnline()).toBe(false);
    page.navigator.onLine = true;
    expect(source.isOnline()).toBe(true);
  });

  test("leaves no listener and no timer behind the undo, which may come twice", async () => {
    const page = usePage();
    const { heard, undo } = listen();
    expect(page.listeners).toBe(7);
    expect(vi.getTimerCount()).toBe(1);
    await advance(300_000);
    undo();
    expect(page.listeners).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
    undo();
    await advance(300_000);
    expect(heard).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("tells everybody, and undoes for each alone", () => {
    const page = usePage();
    const [first, second] = [listen(), listen()];
    page.window.fire("online");
    first.undo();
    page.window.fire("offline");
    expect(first.heard).toEqual(["online"]);
    expect(second.heard).toEqual(["online", "offline"]);
  });
});

test("a worker tells of its network alone", () => {
  const page = usePage({ document: false });
  const { heard, undo } = listen();
  page.window.fire("offline");
  page.window.fire("online");
  expect(heard).toEqual(["offline", "online"]);
  undo();
  expect(page.listeners).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});

describe("the clock", () => {
  test("tells nothing while timers are on time", async () => {
    usePage();
    const { heard } = listen();
    await advance(3_600_000);
    expect(heard).toEqual([]);
  });

  test("tells a gap of more than a minute, once", async () => {
    usePage();
    const { heard } = listen();
    await advance(10_000);
    sleep(60_001);
    await advance(20_000);
    expect(heard).toEqual(["wake"]);
    await advance(300_000);
    expect(heard).toEqual(["wake"]);
    sleep(28_800_000);
    await advance(30_000);
    expect(heard).toEqual(["wake", "wake"]);
  });

  test("tells nothing of a timer that throttling makes up to a minute late, however often", async () => {
    usePage();
    const { heard } = listen();
    for (const lateMs of [1_000, 30_000, 60_000, 60_000]) {
      sleep(lateMs);
      await advance(30_000);
    }
    expect(heard).toEqual([]);
  });

  test("tells nothing when it is put back", async () => {
    usePage();
    const { heard } = listen();
    sleep(-3_600_000);
    await advance(300_000);
    expect(heard).toEqual([]);
  });

  test("is not looked at after an undo within the telling", async () => {
    usePage();
    const undo = pageLifecycle.subscribe(() => undo?.());
    sleep(100_000);
    await advance(30_000);
    expect(vi.getTimerCount()).toBe(0);
  });
});
