import { expect, test } from "vitest";
import type { StepResult } from "./cases.ts";
import { steps } from "./cases.ts";

/** The names of steps that a class does not follow, and its behaviour instead. */
export type Differences = Readonly<Record<string, string>>;

const NO_CODE = "close the WebSocket, step 3: without a code the frame has no body, and both ends tell 1005";

/** The steps that webSocket() does not follow, in Node and in pages. The list may only shrink. */
export const OURS: Differences = {
  [NO_CODE]: "a Conn always sends a code, here 1000",
};

/** One test for each step: passed, or different as the list says. A step that is followed may not stay on the list. */
export function judge(results: () => readonly StepResult[], differences: Differences = {}): void {
  for (const { name } of steps) {
    const difference = differences[name];
    test(difference ? `${name} (different: ${difference})` : name, () => {
      const failure = results().find((result) => result.name === name)?.failure;
      if (difference === undefined) expect(failure).toBe("");
      else expect(failure).toBeTruthy();
    });
  }

  test("lists only differences in steps that there are", () => {
    const names = steps.map(({ name }) => name);
    expect(Object.keys(differences).filter((name) => !names.includes(name))).toEqual([]);
  });
}
