import { describe, expect, test } from "vitest";
import {
  createSupport,
  hasSpoken,
  learn,
  makesOffer,
  type Support,
  type SupportEvent,
} from "../../../../src/resume/client/support.ts";

const unknown = createSupport("unknown");
const confirmed = createSupport("confirmed");

/** Follows `events`, and lists whether each dial made the offer and what came of it. */
function follow(start: Support, events: readonly SupportEvent[]) {
  let support = start;
  const steps: string[] = [];
  for (const event of events) {
    const offer = makesOffer(support) ? "offer" : "no offer";
    const [next, outcome] = learn(support, event);
    steps.push(`${offer}, ${event}: ${outcome}`);
    support = next;
  }
  return { steps, support };
}

describe("a server of which nothing is known", () => {
  test("is dialed again at once without the offer when it refuses, and is not asked any more once that opens", () => {
    const { steps, support } = follow(unknown, ["refused", "opened", "opened"]);
    expect(steps).toEqual(["offer, refused: again", "no offer, opened: plain", "no offer, opened: plain"]);
    expect(support.name).toBe("unsupported");
  });

  test("is asked again when the dial without the offer fails too", () => {
    const { steps } = follow(unknown, ["refused", "refused", "refused", "failed", "failed"]);
    expect(steps).toEqual([
      "offer, refused: again",
      "no offer, refused: failed",
      "offer, refused: again",
      "no offer, failed: failed",
      "offer, failed: failed",
    ]);
  });

  test("is asked again on a later connection after one silence, and not after two", () => {
    const { steps, support } = follow(unknown, ["silent", "opened", "silent", "opened", "opened"]);
    expect(steps).toEqual([
      "offer, silent: again",
      "no offer, opened: plain",
      "offer, silent: again",
      "no offer, opened: plain",
      "no offer, opened: plain",
    ]);
    expect(support.name).toBe("unsupported");
  });

  test("is not asked any more when it opens without resume", () => {
    expect(follow(unknown, ["opened", "failed"]).steps).toEqual(["offer, opened: plain", "no offer, failed: failed"]);
  });
});

describe("a server that has spoken resume", () => {
  test("keeps the session while it is down and refuses each dial", () => {
    const { steps } = follow(confirmed, ["refused", "refused", "refused", "refused", "refused"]);
    expect(steps).toEqual([
      "offer, refused: failed",
      "offer, refused: failed",
      "offer, refused: again",
      "no offer, refused: failed",
      "offer, refused: failed",
    ]);
  });

  test("is asked once more before it is believed to open without the offer alone", () => {
    const { steps } = follow(confirmed, ["refused", "refused", "refused", "opened", "refused", "opened"]);
    expect(steps.slice(3)).toEqual(["no offer, opened: again", "offer, refused: again", "no offer, opened: plain"]);
  });

  test.each<SupportEvent>(["silent", "opened"])(
    "is believed through one connection without greeting, not two: %s",
    (event) => {
      expect(follow(confirmed, [event, event, "opened"]).steps).toEqual([
        `offer, ${event}: failed`,
        `offer, ${event}: again`,
        "no offer, opened: plain",
      ]);
    },
  );

  test("loses nothing by network errors", () => {
    const { steps, support } = follow(confirmed, Array<SupportEvent>(9).fill("failed"));
    expect(new Set(steps)).toEqual(new Set(["offer, failed: failed"]));
    expect(support).toEqual(confirmed);
  });
});

test("a session is given up only after a connection without the offer has opened", () => {
  const events: readonly SupportEvent[] = ["refused", "failed", "silent", "opened"];
  const known = new Map<string, Support>([[JSON.stringify(confirmed), confirmed]]);
  for (const support of known.values()) {
    for (const event of events) {
      const [next, outcome] = learn(support, event);
      if (outcome === "plain")
        expect([makesOffer(support), event === "opened" || event === "silent"]).toEqual([false, true]);
      if (next.name !== "unsupported") known.set(JSON.stringify(next), next);
    }
  }
  expect([...known.values()].filter(({ name }) => hasSpoken(name)).length).toBeGreaterThan(3);
});
