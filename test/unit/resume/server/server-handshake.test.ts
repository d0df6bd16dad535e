import { beforeEach, describe, expect, test } from "vitest";
import { encode } from "../../../../src/resume/protocol/control.ts";
import { count, noteAckSent, retain } from "../../../../src/resume/protocol/delivery-state.ts";
import {
  answerHandshake,
  createSessionRecord,
  greetingFrame,
  type PendingHandshake,
  type SessionRecord,
} from "../../../../src/resume/server/server-handshake.ts";
import { sentMessage } from "../../../support/sent-message.ts";

const WINDOW = 500;
let sessions: Map<string, SessionRecord>;

function arrive(sid: string, principal?: string): PendingHandshake {
  const issued = createSessionRecord({ sid, secret: `${sid}-secret` }, principal, WINDOW);
  sessions.set(sid, issued);
  return { issued, principal, app: 2, protocol: "chat", isRefused: false };
}

/** The sessions whose client has shown their secret. */
let claimed: string[];
const store = {
  get: (sid: string) => sessions.get(sid),
  beforeResume: ({ sid }: SessionRecord) => claimed.push(sid),
};
const answer = (handshake: PendingHandshake, text: string) => answerHandshake(handshake, text, store);
const acceptControl = encode({ type: "N", win: 300 });
const resumeControl = (sid: string, more: object = {}) =>
  encode({ type: "R", sid, secret: `${sid}-secret`, gen: 1, rx: 0, win: 400, ...more });

/** A session in use, with enough state that a change of any part shows. */
function used(sid = "one", principal?: string): SessionRecord {
  const step = answer(arrive(sid, principal), acceptControl);
  if (step.type !== "accepted") throw new Error(step.type);
  for (const text of ["1", "2", "3", "4", "5"]) count(step.session.delivery, text);
  noteAckSent(step.session.delivery, 3);
  for (const id of [1, 2, 3]) retain(step.session.delivery, sentMessage(id));
  return step.session;
}

beforeEach(() => {
  sessions = new Map();
  claimed = [];
});

test("greets with a fresh session, its time in seconds and its window", () => {
  expect(greetingFrame(arrive("one"), 1_500)).toEqual({
    type: "H",
    sid: "one",
    secret: "one-secret",
    ttl: 2,
    win: WINDOW,
    app: 2,
  });
});

test("a session that is issued is accepted by the client's N, and not before", () => {
  const handshake = arrive("one");
  expect(handshake.issued.isAccepted).toBe(false);
  answer(handshake, acceptControl);
  expect(handshake.issued.isAccepted).toBe(true);
});

describe("a client that takes its session", () => {
  test("gets it, with the smaller window", () => {
    const step = answer(arrive("one"), acceptControl);
    expect(step).toMatchObject({
      type: "accepted",
      session: { sid: "one", isAccepted: true, delivery: { window: 300 } },
    });
    expect(answer(arrive("two"), encode({ type: "N", win: 9_999 }))).toMatchObject({
      session: { delivery: { window: WINDOW } },
    });
  });

  test.each([
    "hello",
    "\u0010\u0010",
    "\u0010N 0",
    encode({ type: "A", rx: 0 }),
    encode({ type: "?" }),
    encode({ type: "a", n: 0 }),
    encode({ type: "m", min: 0, max: 1 }),
  ])("is refused where it sends %j first", (first) => {
    expect(answer(arrive("one"), first)).toEqual({ type: "refuse", code: 4400 });
  });

  test("is refused where it sends N as bytes", () => {
    const handshake = arrive("one");
    expect(answerHandshake(handshake, new TextEncoder().encode(acceptControl), store)).toEqual({
      type: "refuse",
      code: 4400,
    });
  });
});

describe("a client that returns", () => {
  test("goes on from its count, with the window it names now", () => {
    used();
    const step = answer(arrive("two"), resumeControl("one", { rx: 1 }));
    expect(step).toMatchObject({
      type: "resumed",
      session: { sid: "one", generation: 1, delivery: { received: 5, window: 400 } },
    });
    expect(step.type === "resumed" && step.plan.resend.map(({ ordinal }) => ordinal)).toEqual([2, 3]);
  });

  test("takes a session that was only issued, so that a lost N loses nothing", () => {
    arrive("one");
    expect(answer(arrive("two"), resumeControl("one"))).toMatchObject({
      type: "resumed",
      session: { sid: "one", isAccepted: true },
    });
  });

  test("finds nothing that it could not have received", () => {
    arrive("one");
    expect(answer(arrive("two"), resumeControl("one", { rx: 1 }))).toMatchObject({ type: "refuse", code: 4400 });
  });

  test("is refused where it names the session of this very greeting", () => {
    const handshake = arrive("one");
    expect(answer(handshake, resumeControl("one"))).toEqual({ type: "refuse", code: 4400 });
  });

  test.each([0, 36 ** 10 - 1])("with an impossible count ends the session: %d", (rx) => {
    const record = used();
    answer(arrive("two"), resumeControl("one", { rx: 2 }));
    expect(answer(arrive("three"), resumeControl("one", { gen: 2, rx }))).toEqual({
      type: "refuse",
      code: 4400,
      broken: record,
    });
  });

  test("late, with a number that was used, is refused and changes nothing", () => {
    used();
    answer(arrive("two"), resumeControl("one", { gen: 3, rx: 1 }));
    const before = structuredClone(sessions.get("one"));
    for (const gen of [1, 3]) {
      expect(answer(arrive(`late${gen}`), resumeControl("one", { gen, rx: 3 }))).toEqual({
        type: "refuse",
        code: 4409,
      });
    }
    expect(sessions.get("one")).toEqual(before);
    expect(claimed).toEqual(["one"]);
  });
});

describe("a client that is turned away", () => {
  const turnedAway = (text: string, principal?: string) => {
    const handshake = arrive("two", principal);
    const before = structuredClone(sessions.get("one"));
    const step = answer(handshake, text);
    return { handshake, step, before };
  };

  test.each([
    ["an unknown session", resumeControl("none"), "u"],
    ["a name from a prototype", resumeControl("constructor"), "u"],
    ["a wrong secret", resumeControl("one", { secret: "two-secret" }), "u"],
    ["a shorter secret", resumeControl("one", { secret: "x" }), "u"],
    ["the secret and more", resumeControl("one", { secret: "one-secret-" }), "u"],
  ])("for %s learns no count, and the session stays as it is", (_what, text, why) => {
    used();
    const { step, before } = turnedAway(text);
    expect(step).toEqual({ type: "reply", frame: { type: "X", why, rx: undefined } });
    expect(sessions.get("one")).toEqual(before);
    expect(claimed).toEqual([]);
  });

  test.each([
    [undefined, "ada"],
    ["ada", "eve"],
    ["ada", undefined],
  ])("as another principal leaves the session alone: %s, then %s", (first, second) => {
    used("one", first);
    const { step, before } = turnedAway(resumeControl("one"), second);
    expect(step).toEqual({ type: "reply", frame: { type: "X", why: "p", rx: undefined } });
    expect(sessions.get("one")).toEqual(before);
    expect(claimed).toEqual([]);
  });

  test.each(["e", "o", "u"] as const)(
    "from a session that is over (%s) learns the count of received messages",
    (why) => {
      used().outcome = why;
      const { step, handshake } = turnedAway(resumeControl("one"));
      expect(step).toEqual({ type: "reply", frame: { type: "X", why, n: 3, rx: 5 } });
      // A lost answer is asked for again.
      expect(answer(arrive("three"), resumeControl("one", { gen: 2 }))).toEqual(step);
      expect(answer(handshake, acceptControl)).toMatchObject({ type: "accepted", session: { sid: "two" } });
    },
  );

  test("can't return a second time on the same socket", () => {
    const { handshake } = turnedAway(resumeControl("none"));
    expect(answer(handshake, resumeControl("none", { gen: 2 }))).toEqual({ type: "refuse", code: 4400 });
  });

  test("from a session that ended well gets its count and the end", () => {
    used().outcome = "ended";
    expect(turnedAway(resumeControl("one")).step).toEqual({ type: "ended", frame: { type: "f", n: 3, rx: 5 } });
  });
});
