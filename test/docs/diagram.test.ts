import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { stateDiagram, withDiagram } from "../../scripts/diagram/state-diagram.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/internals/architecture.md"), "utf8");

test("the state diagram is what step() answers now: npm run diagram writes it", () => {
  expect(withDiagram(page)).toBe(page);
});

test("a diagram that is stale is replaced", () => {
  const stale = page.replace("  [*] --> idle\n", "");
  expect(stale).not.toBe(page);
  expect(withDiagram(stale)).toBe(page);
});

test("the diagram has every state, and no way out of closed", () => {
  const diagram = stateDiagram();
  for (const name of ["idle", "connecting", "open", "waiting", "closing", "closed"])
    expect(diagram).toContain(`--> ${name}`);
  expect(diagram.match(/closed --> .*/g)).toEqual(["closed --> [*]"]);
});

test("an input that only some waits heed says which", () => {
  expect(stateDiagram()).toMatch(/waiting --> connecting: .*<br>wakeUp \(backoff, offline, peer\)/);
});
