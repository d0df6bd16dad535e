import { createElement, type FunctionComponent, type ReactElement, StrictMode } from "react";
import { act, create, type ReactTestRenderer } from "react-test-renderer";
import { afterEach, beforeEach, vi } from "vitest";
import { FakeSource } from "../store/fake-source.ts";

/** Runs each test of a file in fake time, without a DOM, and with each console.error of React but one as a failure. */
export function setUpReact(): void {
  const mounted = roots;
  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
    vi.spyOn(console, "error").mockImplementation((message: unknown, ...rest) => {
      if (String(message).includes("react-test-renderer is deprecated")) return;
      throw new Error(`React says: ${[message, ...rest].join(" ")}`);
    });
  });
  afterEach(() => {
    for (const root of mounted.splice(0)) act(() => root.unmount());
    vi.useRealTimers();
  });
}

const roots: ReactTestRenderer[] = [];

/** A tree on the screen. */
export interface Rendered {
  /** The rendered output, as JSON. */
  readonly shown: unknown;
  render(element: ReactElement | null): void;
  unmount(): void;
}

export function render(element: ReactElement | null): Rendered {
  let root: ReactTestRenderer | undefined;
  act(() => {
    root = create(element as ReactElement);
  });
  const made = root as ReactTestRenderer;
  roots.push(made);
  return {
    get shown() {
      return made.toJSON();
    },
    render: (next) => act(() => made.update(next as ReactElement)),
    unmount: () => act(() => made.unmount()),
  };
}

/** `element` as development runs it: every render and every effect twice. */
export const strict = (element: ReactElement): ReactElement => createElement(StrictMode, null, element);

/** Lets time pass, effects included. */
export function advance(ms: number): void {
  act(() => {
    vi.advanceTimersByTime(ms);
  });
}

/** A component without properties that runs `use` and shows what it returns. */
export function component(use: () => unknown): FunctionComponent & { renders: number } {
  const shown: FunctionComponent & { renders: number } = () => {
    shown.renders++;
    const value = use();
    return createElement("output", null, value === undefined ? "" : JSON.stringify(value));
  };
  shown.renders = 0;
  return shown;
}

/** A Conn that counts how many of its kind are open. */
export class FakeConn extends FakeSource<string> {
  static live = new Set<FakeConn>();
  static made = 0;
  readonly name: string;
  /** When it was closed, in fake time. */
  closedAt: number | undefined;

  static reset(): void {
    FakeConn.live.clear();
    FakeConn.made = 0;
  }

  constructor(name: string) {
    super();
    this.name = name;
    FakeConn.live.add(this);
    FakeConn.made++;
  }

  async close(): Promise<void> {
    FakeConn.live.delete(this);
    this.closedAt = Date.now();
    this.go("closed");
  }
}
