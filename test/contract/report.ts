import { test } from "vitest";
import { contract, type Result, UNHANDLED } from "./contract.ts";

/** A test for each case that ran elsewhere, so that each is counted and tells its own failure. */
export function report(results: () => readonly Result[]): void {
  for (const name of [...contract.map((each) => each.name), UNHANDLED]) {
    test(name, () => {
      const result = results().find((each) => each.name === name);
      if (!result) throw new Error("The case did not run.");
      if (result.failure) throw new Error(result.failure);
    });
  }
}
