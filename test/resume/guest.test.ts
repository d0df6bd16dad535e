import { describe, expect, test } from "vitest";
import { put } from "../../src/resume/flow.ts";
import { encode } from "../../src/resume/frame.ts";
import {
  type Carried,
  declined,
  type Guest,
  guest,
  heard,
  left,
  offers,
  opened,
  served,
  unheard,
} from "../../src/resume/guest.ts";

interface Item extends Carried {
  readonly id: number;
}

const WINDOW = 500;
const greeting = (sid: string, win = 1_000) => encode({ type: "H", sid, secret: `${sid}-secret`, ttl: 120, win });
const item = (id: number, more: Partial<Carried> = {}): Item => ({ id, weight: 10, ...more });

/** A guest whose first session is in use. */
function settled(): Guest<Item> {
  const made = guest<Item>(WINDOW);
  offers(made);
  opened(made, true);
  heard(made, greeting("one"));
  served(made);
  return made;
}

/** Dials once more, up to the server's answer to the return. */
function back(made: Guest<Item>, sid = "two") {
  left(made);
  offers(made);
  opened(made, true);
  return heard(made, greeting(sid));
}

/** A guest with one message in flight whose server refuses every offer since. */
function refused(): Guest<Item> {
  const made = settled();
  put(flowOf(made), item(1));
  left(made);
  do offers(made);
  while (!declined(made));
  return made;
}

const flowOf = (made: Guest<Item>) => made.own?.flow as NonNullable<Guest<Item>["own"]>["flow"];
const ids = (items: readonly Item[] | undefined) => items?.map(({ id }) => id);

describe("a first connection", () => {
  test("is silent until the server has greeted, and takes the session", () => {
    const made = guest<Item>(WINDOW);
    expect(offers(made)).toBe(true);
    expect(opened(made, true)).toBeUndefined();
    expect(heard(made, greeting("one", 300))).toEqual({
      type: "fresh",
      frame: { type: "N", win: WINDOW },
      remains: undefined,
    });
    expect(flowOf(made).window).toBe(300);
    expect(made.phase).toBe("joining");
  });

  test("never holds more than its own limit, whatever the server allows", () => {
    expect(flowOf(settled()).window).toBe(WINDOW);
  });

  test("is plain at once where another name was selected", () => {
    const made = guest<Item>(WINDOW);
    offers(made);
    expect(opened(made, false)).toEqual({ type: "plain", remains: undefined });
  });

  test.each(["hello", encode({ type: "A", rx: 0 }), "\u0010H2 s.k 1 1", "\u0010\u0010"])(
    "is plain at once where the first message is %j",
    (first) => {
      const made = guest<Item>(WINDOW);
      offers(made);
      opened(made, true);
      expect(heard(made, first)).toEqual({ type: "plain", remains: undefined });
    },
  );

  test("is plain where the first message is bytes", () => {
    const made = guest<Item>(WINDOW);
    offers(made);
    opened(made, true);
    expect(heard(made, new TextEncoder().encode(greeting("one"))).type).toBe("plain");
  });

  test("that stays silent is dialed again without the offer, once", () => {
    const made = guest<Item>(WINDOW);
    offers(made);
    opened(made, true);
    expect(unheard(made)).toBe(true);
    left(made);
    expect(offers(made)).toBe(false);
    expect(opened(made, false)).toEqual({ type: "plain", remains: undefined });
  });

  test("that opened without the offer is remembered", () => {
    const made = guest<Item>(WINDOW);
    offers(made);
    expect(declined(made)).toBe(true);
    expect(offers(made)).toBe(false);
    opened(made, false);
    left(made);
    expect(offers(made)).toBe(false);
  });

  test("offers again where the dial without the offer failed too", () => {
    const made = guest<Item>(WINDOW);
    offers(made);
    declined(made);
    offers(made);
    expect(declined(made)).toBe(false);
    expect(offers(made)).toBe(true);
  });

  test("that is lost before the greeting changes nothing", () => {
    const made = guest<Item>(WINDOW);
    for (let drop = 0; drop < 5; drop++) {
      expect(offers(made)).toBe(true);
      opened(made, true);
      left(made);
    }
  });
});

describe("a return", () => {
  test("states what was received, and counts the attempts", () => {
    const made = settled();
    flowOf(made).rx = 7;
    const frame = { type: "R", sid: "one", secret: "one-secret", rx: 7, win: WINDOW };
    expect(back(made)).toEqual({ type: "say", frame: { ...frame, gen: 1 } });
    expect(back(made, "three")).toEqual({ type: "say", frame: { ...frame, gen: 2 } });
  });

  test("goes on from the server's count", () => {
    const made = settled();
    for (const id of [1, 2, 3]) put(flowOf(made), item(id));
    back(made);
    const step = heard(made, encode({ type: "A", rx: 1 }));
    expect(step.type === "resumed" && ids(step.back.again)).toEqual([2, 3]);
    expect(made.phase).toBe("bound");
  });

  test.each([encode({ type: "A", rx: 4 }), encode({ type: "X", why: "e", rx: 4 }), encode({ type: "a", n: 4 })])(
    "with a count that can't be is a breach: %j",
    (answer) => {
      const made = settled();
      for (const id of [1, 2, 3]) put(flowOf(made), item(id));
      back(made);
      expect(heard(made, answer)).toEqual({ type: "breach" });
    },
  );

  test.each(["hello", "\u0010nonsense", greeting("x"), encode({ type: "?" }), encode({ type: "N", win: 1 })])(
    "answered with %j is a breach",
    (answer) => {
      const made = settled();
      back(made);
      expect(heard(made, answer)).toEqual({ type: "breach" });
    },
  );

  test("to a session that had ended well learns how far it had come", () => {
    const made = settled();
    for (const id of [1, 2, 3]) put(flowOf(made), item(id));
    back(made);
    const step = heard(made, encode({ type: "a", n: 2 }));
    expect(step.type === "ended" && ids(step.delivered)).toEqual([1, 2]);
  });

  test("keeps the session where the server is down and refuses each dial", () => {
    const made = settled();
    left(made);
    const dials = Array.from({ length: 8 }, () => [offers(made), declined(made)]);
    // After the third and the seventh another goes without the offer, at once.
    const asked = [
      [true, false],
      [true, false],
      [true, true],
      [false, false],
    ];
    expect(dials).toEqual([...asked, ...asked]);
    expect(back(made).type).toBe("say");
  });

  test("tries the offer again before it believes a server that opens without", () => {
    const made = refused();
    expect(offers(made)).toBe(false);
    expect(opened(made, false)).toBe("again");
    expect(offers(made)).toBe(true);
    opened(made, true);
    expect(heard(made, greeting("two")).type).toBe("say");
  });

  test("is plain where the offer is certainly what the server refuses, and says what is in doubt", () => {
    const made = refused();
    offers(made);
    opened(made, false);
    offers(made);
    declined(made);
    offers(made);
    const step = opened(made, false);
    expect(step).toMatchObject({ type: "plain", remains: { inDoubt: [{ id: 1 }] } });
    expect(made.own).toBeUndefined();
  });

  test("believes a server that spoke resume before through one long silence, and not through two", () => {
    const made = settled();
    left(made);
    offers(made);
    opened(made, true);
    expect(unheard(made)).toBe(false);
    left(made);
    expect(offers(made)).toBe(true);
    opened(made, true);
    expect(unheard(made)).toBe(true);
    left(made);
    expect(offers(made)).toBe(false);
    expect(opened(made, false)).toMatchObject({ type: "plain" });
  });
});

describe("a lost session", () => {
  const lost = (answer: string) => {
    const made = settled();
    const flow = flowOf(made);
    put(flow, item(1));
    put(flow, item(2, { resend: true }));
    put(flow, item(3, { volatile: true }));
    put(flow, item(4));
    back(made);
    const step = heard(made, answer);
    if (step.type !== "fresh" || !step.remains) throw new Error(step.type);
    const { delivered, notDelivered, inDoubt } = step.remains;
    return { made, sets: [delivered, notDelivered, inDoubt].map(ids) };
  };

  test("goes on with what was not delivered, in order, less what is stale", () => {
    const { made, sets } = lost(encode({ type: "X", why: "e", rx: 1 }));
    expect(sets).toEqual([[1], [2, 3, 4], []]);
    expect(ids(made.waiting)).toEqual([2, 4]);
    expect(made.own).toMatchObject({ sid: "two", gen: 0, flow: { sent: 0, rx: 0 } });
  });

  test("goes on only with what may be sent twice where nothing is known", () => {
    const { made, sets } = lost(encode({ type: "X", why: "u" }));
    expect(sets).toEqual([[], [], [1, 2, 3, 4]]);
    expect(ids(made.waiting)).toEqual([2]);
  });

  test("puts what it leaves before what an earlier one left", () => {
    const { made } = lost(encode({ type: "X", why: "e", rx: 0 }));
    served(made);
    put(flowOf(made), made.waiting.shift() as Item);
    back(made, "three");
    heard(made, encode({ type: "X", why: "e", rx: 0 }));
    expect(ids(made.waiting)).toEqual([1, 2, 4]);
  });

  test("that was in setup is gone with its connection", () => {
    const made = guest<Item>(WINDOW);
    offers(made);
    opened(made, true);
    heard(made, greeting("one"));
    put(flowOf(made), item(1));
    expect(back(made).type).toBe("fresh");
    expect(made.waiting).toEqual([]);
  });
});
