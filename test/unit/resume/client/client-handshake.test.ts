import { describe, expect, test } from "vitest";
import {
  type ClientHandshake,
  createClientHandshake,
  onActivated,
  onDisconnected,
  onGreetingTimeout,
  onHandshakeFailed,
  onMessage,
  onOpen,
  prepareOffer,
} from "../../../../src/resume/client/client-handshake.ts";
import { encode } from "../../../../src/resume/protocol/control.ts";
import { retain, type SentMessage } from "../../../../src/resume/protocol/delivery-state.ts";
import { ordinals, sentMessage } from "../../../support/sent-message.ts";

const WINDOW = 500;
const greeting = (sid: string, win = 1_000) => encode({ type: "H", sid, secret: `${sid}-secret`, ttl: 120, win });

/** A guest whose first session is in use. */
function settled(): ClientHandshake {
  const made = createClientHandshake(WINDOW);
  prepareOffer(made);
  onOpen(made, true);
  onMessage(made, greeting("one"));
  onActivated(made);
  return made;
}

/** Dials once more, up to the server's answer to the return. */
function reconnect(made: ClientHandshake, sid = "two") {
  onDisconnected(made);
  prepareOffer(made);
  onOpen(made, true);
  return onMessage(made, greeting(sid));
}

/** A guest with one message in flight whose server refuses every offer since. */
function refused(): ClientHandshake {
  const made = settled();
  retain(flowOf(made), sentMessage(1));
  onDisconnected(made);
  do prepareOffer(made);
  while (!onHandshakeFailed(made));
  return made;
}

const flowOf = (made: ClientHandshake) => made.session?.flow as NonNullable<ClientHandshake["session"]>["flow"];

describe("a first connection", () => {
  test("is silent until the server has greeted, and takes the session", () => {
    const made = createClientHandshake(WINDOW);
    expect(prepareOffer(made)).toBe(true);
    expect(onOpen(made, true)).toBeUndefined();
    expect(onMessage(made, greeting("one", 300))).toEqual({
      type: "started",
      frame: { type: "N", win: WINDOW },
      remains: undefined,
    });
    expect(flowOf(made).window).toBe(300);
    expect(made.phase).toBe("starting");
  });

  test("never holds more than its own limit, whatever the server allows", () => {
    expect(flowOf(settled()).window).toBe(WINDOW);
  });

  test("is plain at once where another name was selected", () => {
    const made = createClientHandshake(WINDOW);
    prepareOffer(made);
    expect(onOpen(made, false)).toEqual({ type: "unsupported", remains: undefined });
  });

  test.each(["hello", encode({ type: "A", rx: 0 }), "\u0010H2 s.k 1 1", "\u0010\u0010"])(
    "is plain at once where the first message is %j",
    (first) => {
      const made = createClientHandshake(WINDOW);
      prepareOffer(made);
      onOpen(made, true);
      expect(onMessage(made, first)).toEqual({ type: "unsupported", remains: undefined });
    },
  );

  test("is plain where the first message is bytes", () => {
    const made = createClientHandshake(WINDOW);
    prepareOffer(made);
    onOpen(made, true);
    expect(onMessage(made, new TextEncoder().encode(greeting("one"))).type).toBe("unsupported");
  });

  test("that stays silent is dialed again without the offer, once", () => {
    const made = createClientHandshake(WINDOW);
    prepareOffer(made);
    onOpen(made, true);
    expect(onGreetingTimeout(made)).toBe(true);
    onDisconnected(made);
    expect(prepareOffer(made)).toBe(false);
    expect(onOpen(made, false)).toEqual({ type: "unsupported", remains: undefined });
  });

  test("that opened without the offer is remembered", () => {
    const made = createClientHandshake(WINDOW);
    prepareOffer(made);
    expect(onHandshakeFailed(made)).toBe(true);
    expect(prepareOffer(made)).toBe(false);
    onOpen(made, false);
    onDisconnected(made);
    expect(prepareOffer(made)).toBe(false);
  });

  test("offers again where the dial without the offer failed too", () => {
    const made = createClientHandshake(WINDOW);
    prepareOffer(made);
    onHandshakeFailed(made);
    prepareOffer(made);
    expect(onHandshakeFailed(made)).toBe(false);
    expect(prepareOffer(made)).toBe(true);
  });

  test("that is lost before the greeting changes nothing", () => {
    const made = createClientHandshake(WINDOW);
    for (let drop = 0; drop < 5; drop++) {
      expect(prepareOffer(made)).toBe(true);
      onOpen(made, true);
      onDisconnected(made);
    }
  });
});

describe("a return", () => {
  test("states what was received, and counts the attempts", () => {
    const made = settled();
    flowOf(made).received = 7;
    const frame = { type: "R", sid: "one", secret: "one-secret", rx: 7, win: WINDOW };
    expect(reconnect(made)).toEqual({ type: "reply", frame: { ...frame, gen: 1 } });
    expect(reconnect(made, "three")).toEqual({ type: "reply", frame: { ...frame, gen: 2 } });
  });

  test("goes on from the server's count", () => {
    const made = settled();
    for (const id of [1, 2, 3]) retain(flowOf(made), sentMessage(id));
    reconnect(made);
    const step = onMessage(made, encode({ type: "A", rx: 1 }));
    expect(step.type === "resumed" && ordinals(step.back.resend)).toEqual([2, 3]);
    expect(made.phase).toBe("active");
  });

  test.each([encode({ type: "A", rx: 4 }), encode({ type: "X", why: "e", rx: 4 }), encode({ type: "a", n: 4 })])(
    "with a count that can't be is a breach: %j",
    (answer) => {
      const made = settled();
      for (const id of [1, 2, 3]) retain(flowOf(made), sentMessage(id));
      reconnect(made);
      expect(onMessage(made, answer)).toEqual({ type: "protocolError" });
    },
  );

  test.each(["hello", "\u0010nonsense", greeting("x"), encode({ type: "?" }), encode({ type: "N", win: 1 })])(
    "answered with %j is a breach",
    (answer) => {
      const made = settled();
      reconnect(made);
      expect(onMessage(made, answer)).toEqual({ type: "protocolError" });
    },
  );

  test("to a session that had ended well learns how far it had come", () => {
    const made = settled();
    for (const id of [1, 2, 3]) retain(flowOf(made), sentMessage(id));
    reconnect(made);
    const step = onMessage(made, encode({ type: "a", n: 2 }));
    expect(step.type === "ended" && ordinals(step.delivered)).toEqual([1, 2]);
  });

  test("keeps the session where the server is down and refuses each dial", () => {
    const made = settled();
    onDisconnected(made);
    const dials = Array.from({ length: 8 }, () => [prepareOffer(made), onHandshakeFailed(made)]);
    // After the third and the seventh another goes without the offer, at once.
    const asked = [
      [true, false],
      [true, false],
      [true, true],
      [false, false],
    ];
    expect(dials).toEqual([...asked, ...asked]);
    expect(reconnect(made).type).toBe("reply");
  });

  test("tries the offer again before it believes a server that opens without", () => {
    const made = refused();
    expect(prepareOffer(made)).toBe(false);
    expect(onOpen(made, false)).toBe("again");
    expect(prepareOffer(made)).toBe(true);
    onOpen(made, true);
    expect(onMessage(made, greeting("two")).type).toBe("reply");
  });

  test("is plain where the offer is certainly what the server refuses, and says what is in doubt", () => {
    const made = refused();
    prepareOffer(made);
    onOpen(made, false);
    prepareOffer(made);
    onHandshakeFailed(made);
    prepareOffer(made);
    const step = onOpen(made, false);
    expect(step).toMatchObject({ type: "unsupported", remains: { inDoubt: [{ ordinal: 1 }] } });
    expect(made.session).toBeUndefined();
  });

  test("believes a server that spoke resume before through one long silence, and not through two", () => {
    const made = settled();
    onDisconnected(made);
    prepareOffer(made);
    onOpen(made, true);
    expect(onGreetingTimeout(made)).toBe(false);
    onDisconnected(made);
    expect(prepareOffer(made)).toBe(true);
    onOpen(made, true);
    expect(onGreetingTimeout(made)).toBe(true);
    onDisconnected(made);
    expect(prepareOffer(made)).toBe(false);
    expect(onOpen(made, false)).toMatchObject({ type: "unsupported" });
  });
});

describe("a lost session", () => {
  const lost = (answer: string) => {
    const made = settled();
    const flow = flowOf(made);
    retain(flow, sentMessage(1));
    retain(flow, sentMessage(2, { resend: true }));
    retain(flow, sentMessage(3, { volatile: true }));
    retain(flow, sentMessage(4));
    reconnect(made);
    const step = onMessage(made, answer);
    if (step.type !== "started" || !step.remains) throw new Error(step.type);
    const { delivered, undelivered, inDoubt } = step.remains;
    return { made, sets: [delivered, undelivered, inDoubt].map(ordinals) };
  };

  test("goes on with what was not delivered, in order, less what is stale", () => {
    const { made, sets } = lost(encode({ type: "X", why: "e", rx: 1 }));
    expect(sets).toEqual([[1], [2, 3, 4], []]);
    expect(ordinals(made.carriedOver)).toEqual([2, 4]);
    expect(made.session).toMatchObject({ sid: "two", gen: 0, flow: { sent: 0, received: 0 } });
  });

  test("goes on only with what may be sent twice where nothing is known", () => {
    const { made, sets } = lost(encode({ type: "X", why: "u" }));
    expect(sets).toEqual([[], [], [1, 2, 3, 4]]);
    expect(ordinals(made.carriedOver)).toEqual([2]);
  });

  test("puts what it leaves before what an earlier one left", () => {
    const { made } = lost(encode({ type: "X", why: "e", rx: 0 }));
    onActivated(made);
    retain(flowOf(made), made.carriedOver.shift() as SentMessage);
    reconnect(made, "three");
    onMessage(made, encode({ type: "X", why: "e", rx: 0 }));
    expect(ordinals(made.carriedOver)).toEqual([1, 2, 4]);
  });

  test("that was in setup is gone with its connection", () => {
    const made = createClientHandshake(WINDOW);
    prepareOffer(made);
    onOpen(made, true);
    onMessage(made, greeting("one"));
    retain(flowOf(made), sentMessage(1));
    expect(reconnect(made).type).toBe("started");
    expect(made.carriedOver).toEqual([]);
  });
});
