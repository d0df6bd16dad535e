import { Component, createElement, type ReactNode } from "react";
import { describe, expect, test, vi } from "vitest";
import { ConnError } from "../../../src/base/errors.ts";
import { useConn, useMessage, useStatus, useStore } from "../../../src/react/index.ts";
import { store } from "../../../src/store/index.ts";
import { FakeSource } from "../store/fake-source.ts";
import { component, FakeConn, render, setUpReact } from "./rendering.ts";

setUpReact();

/** Shows the error that ended what is below it. */
class Boundary extends Component<{ readonly children: ReactNode }, { readonly error?: Error }> {
  override state: { readonly error?: Error } = {};

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override render(): ReactNode {
    return this.state.error ? null : this.props.children;
  }
}

/** The error that a component fails with which runs `use`. */
function failure(use: () => unknown): unknown {
  vi.spyOn(console, "error").mockImplementation(() => {});
  let boundary: Boundary | null = null;
  const ref = (made: Boundary | null) => {
    boundary ??= made;
  };
  render(createElement(Boundary, { ref, children: createElement(component(use)) }));
  return (boundary as Boundary | null)?.state.error;
}

const make = (key: string) => new FakeConn(key);
const source = new FakeSource<number>();
const numbers = store(source, 0, (now) => now);

const misuses: readonly (readonly [name: string, use: () => unknown, code: string, message: RegExp])[] = [
  [
    "a key that is a number",
    () => useConn(7 as never, make),
    "misuse",
    /key of useConn\(\) must be a string or null; got 7/,
  ],
  ["a key that is undefined", () => useConn(undefined as never, make), "misuse", /; got undefined/],
  ["a key that is an object", () => useConn({} as never, make), "misuse", /; got an object/],
  ["a make that is no function", () => useConn("a", "b" as never), "misuse", /function that creates a Conn/],
  [
    "a make that returns nothing",
    () => useConn("a", (() => {}) as never),
    "misuse",
    /The result of make\(\) of useConn\(\) must be a Conn; got undefined/,
  ],
  [
    "a make that returns a promise",
    () => useConn("a", (async () => make("a")) as never),
    "misuse",
    /must be a Conn; got an object/,
  ],
  ...[-1, Number.NaN, "1"].map(
    (lingerMs) =>
      [
        `lingerMs: ${String(lingerMs)}`,
        () => useConn("a", make, { lingerMs: lingerMs as never }),
        "bad-option",
        /^lingerMs must be a number, at least 0; got /,
      ] as const,
  ),
  ["an option that is spelt wrong", () => useConn("a", make, { linger: 5 } as never), "bad-option", /use lingerMs/],
  [
    "no store",
    () => useStore(undefined as never),
    "misuse",
    /useStore\(\) must be a store, made with store\(\); got undefined/,
  ],
  [
    "a Conn instead of a store",
    () => useStore(source as never),
    "misuse",
    /useStore\(\) must be a store, made with store\(\); got an object/,
  ],
  [
    "what is no source",
    () => useMessage({} as never, () => {}),
    "misuse",
    /useMessage\(\) must be a Conn, or an object with on\(\); got an object/,
  ],
  [
    "no listener",
    () => useMessage(source, undefined as never),
    "misuse",
    /The listener of useMessage\(\) must be a function; got undefined/,
  ],
  ["what is no Conn", () => useStatus({} as never), "misuse", /status\(\) must be a Conn; got an object/],
];

describe("bad input", () => {
  test.each(misuses)("%s is an error with a code, for the nearest boundary", (_name, use, code, message) => {
    const error = failure(use);
    expect(error).toBeInstanceOf(ConnError);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  test("what make throws reaches the nearest boundary as it is", () => {
    const thrown = new Error("no address");
    const use = () =>
      useConn("a", () => {
        throw thrown;
      });
    expect(failure(use)).toBe(thrown);
  });

  const outside: readonly (readonly [name: string, use: () => unknown])[] = [
    ["useConn", () => useConn("a", make)],
    ["useMessage", () => useMessage(source, () => {})],
    ["useStatus", () => useStatus(source)],
    ["useStore", () => useStore(numbers)],
  ];

  test.each(outside)("%s outside a component is an error that says so", (name, use) => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    expect(use).toThrow(ConnError);
    expect(use).toThrow(
      expect.objectContaining({
        code: "misuse",
        message: `${name === "useStatus" ? "useStore" : name}() is a hook: call it while a component renders.`,
      }),
    );
  });
});
