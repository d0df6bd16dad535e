import * as React from "react";
import { createElement, Fragment, type ReactElement, Suspense, useState } from "react";
import { act } from "react-test-renderer";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { useConn, useMessage, useStatus } from "../../../src/react/index.ts";
import { advance, component, FakeConn, render, setUpReact, strict } from "./rendering.ts";

setUpReact();
beforeEach(() => FakeConn.reset());

const make = (key: string) => new FakeConn(key);
const names = () => [...FakeConn.live].map(({ name }) => name);

/** A component that has a Conn for its `name`, and shows whose it is. */
function Room({ name, lingerMs }: { readonly name: string | null; readonly lingerMs?: number }): ReactElement {
  const conn = useConn(name, make, { lingerMs });
  return createElement("output", null, conn ? conn.name : "none");
}
const room = (name: string | null, lingerMs?: number) => createElement(Room, { name, ...(lingerMs && { lingerMs }) });
const shows = (name: string) => ({ type: "output", props: {}, children: [name] });

describe("useConn()", () => {
  test("makes one Conn in an effect, and returns null before it", () => {
    const seen: (string | undefined)[] = [];
    const Shown = component(() => {
      seen.push(useConn("a", make)?.name);
    });
    const screen = render(createElement(Shown));
    screen.render(createElement(Shown));
    expect(seen).toEqual([undefined, "a", "a"]);
    expect(FakeConn.made).toBe(1);
  });

  test("makes one Conn under StrictMode, and none is left after it is gone", () => {
    const screen = render(strict(room("a")));
    expect(FakeConn.made).toBe(1);
    expect(screen.shown).toEqual(shows("a"));
    screen.unmount();
    advance(1_000);
    expect(names()).toEqual([]);
  });

  test("makes the new Conn at once when its key changes, and closes the old one after lingerMs", () => {
    const screen = render(room("a", 300));
    const [a] = FakeConn.live;
    const start = Date.now();
    screen.render(room("b", 300));
    expect(screen.shown).toEqual(shows("b"));
    expect(names()).toEqual(["a", "b"]);
    advance(299);
    expect(a?.closedAt).toBeUndefined();
    advance(1);
    expect(a?.closedAt).toBe(start + 300);
    expect(names()).toEqual(["b"]);
  });

  test("lingers for 1 s by default", () => {
    const screen = render(room("a"));
    screen.unmount();
    advance(999);
    expect(names()).toEqual(["a"]);
    advance(1);
    expect(names()).toEqual([]);
  });

  test("never returns the Conn of another key", () => {
    const seen: string[] = [];
    let key = "a";
    const Shown = component(() => {
      const conn = useConn(key, make);
      seen.push(`${key} ${conn?.name}`);
    });
    const screen = render(createElement(Shown));
    key = "b";
    screen.render(createElement(Shown));
    expect(seen).toEqual(["a undefined", "a a", "b undefined", "b b"]);
  });

  test("leaves one connection after its key was flipped 100 times", () => {
    const screen = render(strict(room("a")));
    for (let i = 1; i <= 100; i++) screen.render(strict(room(i % 2 ? "b" : "a")));
    expect(FakeConn.made).toBe(2);
    advance(1_000);
    expect(names()).toEqual(["a"]);
    expect(screen.shown).toEqual(shows("a"));
  });

  test("leaves one connection after 100 keys", () => {
    const screen = render(room("0"));
    for (let i = 1; i <= 100; i++) screen.render(room(String(i)));
    advance(1_000);
    expect(names()).toEqual(["100"]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("has none while its key is null", () => {
    const screen = render(room(null));
    expect(screen.shown).toEqual(shows("none"));
    expect(FakeConn.made).toBe(0);
    screen.render(room("a"));
    expect(screen.shown).toEqual(shows("a"));
    screen.render(room(null));
    expect(screen.shown).toEqual(shows("none"));
    advance(1_000);
    expect(names()).toEqual([]);
  });

  test("takes the empty string for a key", () => {
    render(room(""));
    expect(names()).toEqual([""]);
  });

  test("takes the newest make and lingerMs", () => {
    let prefix = "old";
    let [key, lingerMs] = ["a", 10_000];
    const Shown = component(() => useConn(key, (name) => new FakeConn(prefix + name), { lingerMs })?.name);
    const screen = render(createElement(Shown));
    [prefix, lingerMs] = ["new", 10];
    screen.render(createElement(Shown));
    key = "b";
    screen.render(createElement(Shown));
    expect(names()).toEqual(["olda", "newb"]);
    advance(10);
    expect(names()).toEqual(["newb"]);
  });

  test("does not use a Conn again that has ended by itself", () => {
    const screen = render(room("a"));
    const [first] = FakeConn.live;
    void first?.close();
    screen.render(room("b"));
    screen.render(room("a"));
    expect(FakeConn.made).toBe(3);
    advance(1_000);
    expect(names()).toEqual(["a"]);
  });

  test("gives each component a Conn of its own", () => {
    render(createElement(Fragment, null, room("a"), room("a")));
    expect(names()).toEqual(["a", "a"]);
  });

  test("works with status and messages while there is no Conn, and after it is there", () => {
    const seen: string[] = [];
    const Shown = component(() => {
      const conn = useConn("a", make);
      useMessage(conn, (message) => seen.push(message));
      return useStatus(conn).state;
    });
    const screen = render(createElement(Shown));
    const [conn] = FakeConn.live;
    act(() => conn?.open());
    conn?.emit("hello");
    expect(seen).toEqual(["hello"]);
    expect(screen.shown).toEqual(shows('"open"'));
  });

  test("closes an object of yours that holds a Conn", () => {
    const close = vi.fn();
    const Shown = component(() => useConn("a", () => ({ close, kind: "mine" }))?.kind);
    const screen = render(createElement(Shown));
    expect(screen.shown).toEqual(shows('"mine"'));
    screen.unmount();
    advance(1_000);
    expect(close).toHaveBeenCalledOnce();
  });

  test("does not return an object of yours again that it has closed", () => {
    const made: string[] = [];
    const closed: string[] = [];
    let key = "a";
    const Shown = component(() => {
      useConn(key, (name) => {
        made.push(name);
        return { close: () => closed.push(name) };
      });
    });
    const screen = render(createElement(Shown));
    for (const next of ["b", "a"]) {
      key = next;
      screen.render(createElement(Shown));
      advance(1_000);
    }
    expect([made, closed]).toEqual([
      ["a", "b", "a"],
      ["a", "b"],
    ]);
  });

  test("makes nothing in the tries of a component that suspends before it is shown", async () => {
    let resolve: () => void = () => {};
    let isReady = false;
    const ready = new Promise<void>((done) => {
      resolve = done;
    });
    function Slow(): ReactElement {
      const conn = useConn("a", make);
      if (!isReady) throw ready;
      return createElement("output", null, conn ? conn.name : "none");
    }
    const slow = () => createElement(Suspense, { fallback: "wait" }, createElement(Slow));
    const screen = render(strict(slow()));
    for (let i = 0; i < 10; i++) screen.render(strict(slow()));
    expect(FakeConn.made).toBe(0);
    isReady = true;
    await act(async () => resolve());
    expect(screen.shown).toEqual(shows("a"));
    expect(FakeConn.made).toBe(1);
  });

  test("keeps its Conn while a component that was shown suspends", async () => {
    let suspend: (promise: Promise<void> | null) => void = () => {};
    function Slow(): ReactElement {
      const [promise, setPromise] = useState<Promise<void> | null>(null);
      suspend = setPromise;
      const conn = useConn("a", make);
      if (promise) throw promise;
      return createElement("output", null, conn ? conn.name : "none");
    }
    const screen = render(createElement(Suspense, { fallback: "wait" }, createElement(Slow)));
    act(() => suspend(new Promise(() => {})));
    expect(screen.shown).toBe("wait");
    advance(10_000);
    expect(names()).toEqual(["a"]);
    expect(FakeConn.made).toBe(1);
  });

  // React 18 has no Activity.
  const { Activity } = React as { Activity?: typeof React.Activity };
  const inActivity = () => {
    const shown = (mode: "visible" | "hidden") =>
      strict(createElement(Activity as typeof React.Activity, { mode, children: room("a") }));

    test("keeps its Conn when it is hidden and soon shown again", () => {
      const screen = render(shown("visible"));
      for (let i = 0; i < 10; i++) {
        screen.render(shown("hidden"));
        advance(500);
        screen.render(shown("visible"));
      }
      advance(5_000);
      expect(FakeConn.made).toBe(1);
      expect(names()).toEqual(["a"]);
    });

    test("closes it when it stays hidden, and makes another when it is shown", () => {
      const screen = render(shown("visible"));
      screen.render(shown("hidden"));
      advance(1_000);
      expect(names()).toEqual([]);
      screen.render(shown("visible"));
      expect(names()).toEqual(["a"]);
      expect(FakeConn.made).toBe(2);
      expect(screen.shown).toEqual(shows("a"));
    });

    test("returns null, not the closed one, in the render that shows it again", () => {
      const seen: (string | undefined)[] = [];
      const Shown = component(() => {
        seen.push(useConn("a", make)?.state);
      });
      const at = (mode: "visible" | "hidden") =>
        createElement(Activity as typeof React.Activity, { mode, children: createElement(Shown) });
      const screen = render(at("visible"));
      screen.render(at("hidden"));
      advance(1_000);
      seen.length = 0;
      screen.render(at("visible"));
      expect(seen).toEqual([undefined, "idle"]);
    });

    test("makes none while it is hidden from the start", () => {
      const screen = render(shown("hidden"));
      advance(1_000);
      expect(FakeConn.made).toBe(0);
      screen.render(shown("visible"));
      expect(names()).toEqual(["a"]);
    });
  };
  if (Activity) describe("in an Activity", inActivity);

  test("React is of the version that is asked for", () => {
    expect(React.version.split(".")[0]).toBe(process.env.REACT_VERSION ?? "19");
    expect(Activity !== undefined).toBe(React.version.startsWith("19"));
  });
});
