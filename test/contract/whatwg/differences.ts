import { expect, test } from "vitest";
import type { StepResult } from "./cases.ts";
import { steps } from "./cases.ts";

/** The names of steps that a class does not follow, and its behaviour instead. */
export type Differences = Readonly<Record<string, string>>;

const NO_CODE = "close the WebSocket, step 3: without a code the frame has no body, and both ends tell 1005";
const DISPATCH = "dispatchEvent() is the target of the event, and heeds it when it is stopped or cancelled";
const BROKEN = "connection closed: a frame of the server that breaks the protocol is an error, and 1006";
const PLATFORM_EVENT =
  "an event of the platform knows no target but the platform's, and whether it was stopped can't be seen";

/** The steps that webSocket() does not follow, in Node and in pages. The list may only shrink. */
export const OURS: Differences = {
  [NO_CODE]: "a Conn always sends a code, here 1000",
  [DISPATCH]: PLATFORM_EVENT,
  [BROKEN]: "1006 without an error event, because pages do not tell such an end from a drop",
  "closing handshake started: CLOSING, until the connection has ended":
    "OPEN until the connection has ended, because a Conn is not told of the peer's close frame before",
};

/** The steps that the class of the fake server does not follow, in Node and in pages. The list may only shrink. */
export const FAKE: Differences = { [DISPATCH]: PLATFORM_EVENT };

/** The steps that a server in memory can't show, and why. */
export const NOT_ON_THE_FAKE: Readonly<Record<string, string>> = {
  "establish a connection: a subprotocol that was not offered fails it": "It selects only what was offered.",
  [BROKEN]: "It has no frames that could break the protocol.",
  "connection closed: a close frame of the server without a body is 1005, and clean": "It always gives a code.",
};

/**
 * One test for each step but those `without`: passed, or different as the list says. A step that is followed may not stay
 * on the list.
 */
export function judge(
  results: () => readonly StepResult[],
  differences: Differences = {},
  without: Readonly<Record<string, string>> = {},
): void {
  for (const { name } of steps) {
    if (name in without) continue;
    const difference = differences[name];
    test(difference ? `${name} (different: ${difference})` : name, () => {
      const failure = results().find((result) => result.name === name)?.failure;
      if (difference === undefined) expect(failure).toBe("");
      else expect(failure).toBeTruthy();
    });
  }

  test("lists only steps that there are", () => {
    const names = steps.map(({ name }) => name);
    const listed = Object.keys({ ...differences, ...without });
    expect(listed.filter((name) => !names.includes(name))).toEqual([]);
  });
}
