import { describe, expect, test } from "vitest";
import {
  beginDial,
  type ClientHandshake,
  createClientHandshake,
  deliveryOf,
  onActivated,
  onDisconnected,
  onMessage,
  onOpen,
  onSupportEvent,
} from "../../../../src/resume/client/client-handshake.ts";
import { encode } from "../../../../src/resume/protocol/control.ts";
import {
  acknowledge,
  carryOver,
  type DeliveryState,
  hasRoom,
  retain,
} from "../../../../src/resume/protocol/delivery-state.ts";
import { ordinals, sentMessage } from "../../../support/sent-message.ts";

const WINDOW = 500;
const greeting = (sid: string, win = 1_000, app = 0) =>
  encode({ type: "H", sid, secret: `${sid}-secret`, ttl: 120, win, app });

/** Dials, up to the moment when H is awaited. */
function dial(handshake: ClientHandshake, protocols: readonly string[] = []) {
  const offer = beginDial(handshake, protocols);
  onOpen(handshake, true);
  return offer;
}

/** A handshake on a first connection. */
function first(protocols: readonly string[] = []) {
  const handshake = createClientHandshake(WINDOW);
  dial(handshake, protocols);
  return handshake;
}

/** A handshake whose first session is in use. */
function inUse() {
  const handshake = first();
  onMessage(handshake, greeting("one"));
  onActivated(handshake);
  return handshake;
}

/** Dials once more, up to the client's answer to the greeting. */
function comeBack(handshake: ClientHandshake, sid = "two") {
  onDisconnected(handshake);
  dial(handshake);
  return onMessage(handshake, greeting(sid));
}

const delivery = (handshake: ClientHandshake) => deliveryOf(handshake) as DeliveryState;
const send = (handshake: ClientHandshake, ...sent: number[]) => {
  for (const ordinal of sent) retain(delivery(handshake), sentMessage(ordinal));
};

describe("a first connection", () => {
  test("offers resume, is silent until the server has greeted, and takes the session", () => {
    const handshake = createClientHandshake(WINDOW);
    expect(beginDial(handshake, ["chat"])).toEqual(["chat", "resume.v1"]);
    expect(onOpen(handshake, true)).toBeUndefined();
    expect(onMessage(handshake, greeting("one", 300, 1))).toEqual({
      type: "started",
      frame: { type: "N", win: WINDOW },
      loss: undefined,
    });
  });

  test.each([
    [300, 300],
    [1_000, WINDOW],
  ])("sends within the smaller window: the server grants %d", (win, most) => {
    const handshake = first();
    onMessage(handshake, greeting("one", win));
    retain(delivery(handshake), sentMessage(1, { cost: most - 1 }));
    expect(hasRoom(delivery(handshake))).toBe(true);
    retain(delivery(handshake), sentMessage(2, { cost: 1 }));
    expect(hasRoom(delivery(handshake))).toBe(false);
  });

  test.each([
    [[], 0, ""],
    [["chat", "chit"], 1, "chat"],
    [["chat", "chit"], 2, "chit"],
  ])("of %j speaks what the greeting names: %d", (protocols, app, protocol) => {
    const handshake = first(protocols);
    onMessage(handshake, greeting("one", 300, app));
    expect(handshake.protocol).toBe(protocol);
  });

  test("is plain at once where another name was selected", () => {
    const handshake = createClientHandshake(WINDOW);
    beginDial(handshake, []);
    expect(onOpen(handshake, false)).toEqual({ type: "plain", loss: undefined });
  });

  test.each<[string, string | Uint8Array]>([
    ["text", "hello"],
    ["escaped text", "\u0010\u0010"],
    ["bytes", new TextEncoder().encode(greeting("one"))],
  ])("is plain at once where the first message is the application's: %s", (_what, message) => {
    expect(onMessage(first(), message)).toEqual({ type: "plain", loss: undefined });
  });

  test.each([
    ["another frame", encode({ type: "A", rx: 0 })],
    ["another version", "\u0010H2 s.k 1 1 0"],
    ["a greeting without its last field", "\u0010H1 one.secret 1 1"],
    ["a greeting with a secret that is none", "\u0010H1 one.se/cret 1 1 0"],
    ["a protocol that was not offered", greeting("one", 1, 1)],
  ])("is dialed again without the offer, and keeps the message to itself, where that is %s", (_what, message) => {
    const handshake = first();
    expect(onMessage(handshake, message)).toEqual({ type: "again" });
    onDisconnected(handshake);
    expect(beginDial(handshake, [])).toEqual([]);
    expect(onOpen(handshake, false)).toEqual({ type: "plain", loss: undefined });
  });

  test("that named protocols takes no greeting that names none", () => {
    expect(onMessage(first(["chat"]), greeting("one"))).toEqual({ type: "again" });
  });

  test("that is lost before the greeting changes nothing", () => {
    const handshake = createClientHandshake(WINDOW);
    for (let drop = 0; drop < 5; drop++) {
      expect(dial(handshake)).toEqual(["resume.v1"]);
      onDisconnected(handshake);
    }
  });
});

describe("a return", () => {
  test("states what was received, and counts the attempts", () => {
    const handshake = inUse();
    delivery(handshake).received = 7;
    const frame = { type: "R", sid: "one", secret: "one-secret", rx: 7, win: WINDOW };
    expect(comeBack(handshake)).toEqual({ type: "reply", frame: { ...frame, gen: 1 } });
    expect(comeBack(handshake, "three")).toEqual({ type: "reply", frame: { ...frame, gen: 2 } });
  });

  test("continues at the server's count", () => {
    const handshake = inUse();
    send(handshake, 1, 2, 3);
    comeBack(handshake);
    const step = onMessage(handshake, encode({ type: "A", rx: 1 }));
    expect(step.type === "resumed" && ordinals(step.plan.resend)).toEqual([2, 3]);
  });

  test.each([encode({ type: "A", rx: 4 }), encode({ type: "X", why: "e", n: 1, rx: 4 })])(
    "with a count that can't be breaks the protocol: %j",
    (answer) => {
      const handshake = inUse();
      send(handshake, 1, 2, 3);
      comeBack(handshake);
      expect(onMessage(handshake, answer)).toEqual({ type: "protocolError" });
    },
  );

  test.each(["hello", "\u0010nonsense", greeting("x"), encode({ type: "?" }), encode({ type: "a", n: 0 })])(
    "answered with %j breaks the protocol",
    (answer) => {
      const handshake = inUse();
      comeBack(handshake);
      expect(onMessage(handshake, answer)).toEqual({ type: "protocolError" });
    },
  );

  test.each([
    encode({ type: "A", rx: 0 }),
    encode({ type: "X", why: "e", n: 0, rx: 0 }),
    encode({ type: "f", n: 0, rx: 0 }),
  ])("breaks the protocol where the server answers %j to a client that took a new session", (answer) => {
    const handshake = first();
    onMessage(handshake, greeting("one"));
    expect(onMessage(handshake, answer)).toEqual({ type: "protocolError" });
  });

  test("to a session that had ended with 1000 learns its final counts", () => {
    const handshake = inUse();
    send(handshake, 1, 2, 3);
    comeBack(handshake);
    expect(onMessage(handshake, encode({ type: "f", n: 1, rx: 2 }))).toEqual({
      type: "ended",
      counts: { type: "f", n: 1, rx: 2 },
    });
  });

  test.each(["hello", "\u0010nonsense", "\u0010H1 one.secret 1 1"])(
    "that is answered with %j in place of a greeting fails, and the session stays",
    (message) => {
      const handshake = inUse();
      send(handshake, 1);
      onDisconnected(handshake);
      dial(handshake);
      expect(onMessage(handshake, message)).toEqual({ type: "failed" });
      expect(comeBack(handshake)).toMatchObject({ type: "reply", frame: { type: "R", sid: "one" } });
    },
  );

  test("to a server that has not selected the name fails, and the session stays", () => {
    const handshake = inUse();
    onDisconnected(handshake);
    beginDial(handshake, []);
    expect(onOpen(handshake, false)).toEqual({ type: "failed" });
    expect(comeBack(handshake)).toMatchObject({ type: "reply", frame: { type: "R", sid: "one" } });
  });

  test("is plain where the offer is certainly what the server refuses, and says what is in doubt", () => {
    const handshake = inUse();
    send(handshake, 1);
    onDisconnected(handshake);
    for (let silence = 0; silence < 2; silence++) {
      dial(handshake);
      onSupportEvent(handshake, "silent");
      onDisconnected(handshake);
    }
    expect(beginDial(handshake, [])).toEqual([]);
    expect(onOpen(handshake, false)).toMatchObject({
      type: "plain",
      loss: { delivered: [], undelivered: [], inDoubt: [{ ordinal: 1 }] },
    });
    onDisconnected(handshake);
    expect(beginDial(handshake, [])).toEqual([]);
  });
});

describe("a lost session", () => {
  const lost = (answer: string) => {
    const handshake = inUse();
    const options = [{}, { resend: true }, { volatile: true }, {}, {}];
    for (const [index, more] of options.entries()) retain(delivery(handshake), sentMessage(index + 1, more));
    comeBack(handshake);
    const step = onMessage(handshake, answer);
    if (step.type !== "started" || !step.loss) throw new Error(step.type);
    const { delivered, undelivered, inDoubt } = step.loss;
    return { handshake, loss: step.loss, parts: [delivered, undelivered, inDoubt].map(ordinals) };
  };

  test("is followed by what was not delivered, in order, less what is stale", () => {
    const { handshake, loss, parts } = lost(encode({ type: "X", why: "e", n: 1, rx: 1 }));
    expect(parts).toEqual([[1], [2, 3, 4, 5], []]);
    expect(ordinals(carryOver(loss, []))).toEqual([2, 4, 5]);
    expect(delivery(handshake)).toMatchObject({ sent: 0, received: 0 });
  });

  test("leaves in doubt what was received and not acknowledged", () => {
    const { loss, parts } = lost(encode({ type: "X", why: "e", n: 1, rx: 4 }));
    expect(parts).toEqual([[1], [5], [2, 3, 4]]);
    expect(ordinals(carryOver(loss, []))).toEqual([2, 5]);
  });

  test("is followed only by what may be sent twice where nothing is known", () => {
    const { loss, parts } = lost(encode({ type: "X", why: "u" }));
    expect(parts).toEqual([[], [], [1, 2, 3, 4, 5]]);
    expect(ordinals(carryOver(loss, []))).toEqual([2]);
  });

  test("leaves its messages before those of an earlier one", () => {
    const { loss } = lost(encode({ type: "X", why: "e", n: 0, rx: 0 }));
    expect(ordinals(carryOver(loss, [sentMessage(9)]))).toEqual([1, 2, 4, 5, 9]);
  });

  test("that was in setup is gone with its connection", () => {
    const handshake = first();
    onMessage(handshake, greeting("one"));
    send(handshake, 1);
    expect(comeBack(handshake)).toMatchObject({ type: "started", loss: undefined });
    expect(acknowledge(delivery(handshake), 0)).toEqual([]);
  });
});
