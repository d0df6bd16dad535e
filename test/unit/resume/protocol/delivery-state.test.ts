import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  acknowledge,
  count,
  createDeliveryState,
  hasRoom,
  noteAckSent,
  planResume,
  retain,
  type SentMessage,
  setWindow,
  splitLoss,
  windowCost,
} from "../../../../src/resume/protocol/delivery-state.ts";
import { ordinals, sentMessage } from "../../../support/sent-message.ts";

function filled(count: number, volatile: readonly number[] = []) {
  const state = createDeliveryState(1_000);
  for (let id = 1; id <= count; id++) retain(state, sentMessage(id, { volatile: volatile.includes(id) }));
  return state;
}
test("weighs a message by its length and 64 more", () => {
  expect(windowCost("")).toBe(64);
  expect(windowCost("äöü")).toBe(67);
  expect(windowCost(new Uint8Array(100))).toBe(164);
});

test("lets one message more through than the window holds, whatever its size", () => {
  const small = createDeliveryState(100);
  expect(hasRoom(small)).toBe(true);
  retain(small, sentMessage(1, { cost: 99 }));
  expect(hasRoom(small)).toBe(true);
  retain(small, sentMessage(2, { cost: 1_000_000 }));
  expect(hasRoom(small)).toBe(false);
  acknowledge(small, 2);
  expect(hasRoom(small)).toBe(true);
});

describe("an acknowledgement", () => {
  test("lets go of what it covers, in order", () => {
    const state = filled(5);
    expect(ordinals(acknowledge(state, 2))).toEqual([1, 2]);
    expect(ordinals(acknowledge(state, 2))).toEqual([]);
    expect(ordinals(acknowledge(state, 5))).toEqual([3, 4, 5]);
    expect(state.cost).toBe(0);
  });

  test.each([1, 6, 36 ** 10 - 1, Number.NaN])("that can't be is recognised: %d", (n) => {
    const state = filled(5);
    acknowledge(state, 2);
    expect(acknowledge(state, n)).toBeUndefined();
    expect(state.ackReceived).toBe(2);
  });

  test("costs the same however many messages came before", () => {
    const state = createDeliveryState(1_000_000);
    let longest = 0;
    for (let id = 1; id <= 100_000; id++) {
      retain(state, sentMessage(id, { cost: 1 }));
      if (id > 10) acknowledge(state, id - 10);
      longest = Math.max(longest, state.retained.length);
    }
    expect(longest).toBeLessThan(1_000);
  });

  test.each([
    [255, 300, 300, "255 are too few to move the others for"],
    [256, 511, 255, "256 are enough, and more than the others"],
    [299, 600, 600, "the others are more"],
    [300, 600, 600, "the others are as many"],
    [301, 600, 299, "the others are fewer"],
  ])("of %d of %d messages leaves %d places, because %s", (n, sent, places) => {
    const state = filled(sent);
    acknowledge(state, n);
    expect(state.retained).toHaveLength(places);
    expect(ordinals(acknowledge(state, n + 1))).toEqual([n + 1]);
  });
});

describe("a return", () => {
  test("goes on where the peer stands", () => {
    const state = filled(5);
    acknowledge(state, 1);
    const back = planResume(state, 3);
    expect(ordinals(back?.resend)).toEqual([4, 5]);
    expect(state).toMatchObject({ sent: 5, ackReceived: 1, peerReceived: 3, cost: 40 });
    expect(ordinals(acknowledge(state, 5))).toEqual([2, 3, 4, 5]);
  });

  test("gives the place of a volatile message that was not counted to the next", () => {
    const state = filled(5, [2, 4]);
    const back = planResume(state, 2);
    expect(ordinals(back?.resend)).toEqual([3, 5]);
    expect(ordinals(back?.stale)).toEqual([4]);
    expect(state.sent).toBe(4);
    retain(state, sentMessage(6, { cost: 10 }));
    expect(ordinals(acknowledge(state, 5))).toEqual([1, 2, 3, 5, 6]);
  });

  test.each([0, 1, 6, Number.NaN])("with a count that can't be is recognised: %d", (rx) => {
    const state = filled(5);
    acknowledge(state, 1);
    planResume(state, 2);
    expect(planResume(state, rx)).toBeUndefined();
    expect(state).toMatchObject({ sent: 5, peerReceived: 2 });
  });

  test("suspects a message that two returns in a row send first, and says so", () => {
    const state = filled(3);
    expect(planResume(state, 1)?.isSuspect).toBe(false);
    expect(planResume(state, 1)?.isSuspect).toBe(true);
    expect(planResume(state, 2)?.isSuspect).toBe(false);
  });

  test("sets a message aside after three strikes, however many returns there were, and gives the next its own three", () => {
    const state = filled(3);
    const strike = () => {
      state.strikes++;
      return planResume(state, 1);
    };
    for (let returns = 0; returns < 9; returns++) expect(planResume(state, 1)?.poison).toBeUndefined();
    for (let strikes = 1; strikes < 3; strikes++) expect(strike()?.poison).toBeUndefined();
    const plan = strike();
    expect(plan?.poison?.ordinal).toBe(2);
    expect([ordinals(plan?.resend), plan?.isSuspect]).toEqual([[3], false]);
    expect(state.sent).toBe(2);
    expect(planResume(state, 1)?.isSuspect).toBe(false);
    for (let strikes = 1; strikes < 3; strikes++) expect(strike()?.poison).toBeUndefined();
    expect(strike()?.poison?.ordinal).toBe(3);
    expect(ordinals(planResume(state, 1)?.resend)).toEqual([]);
  });

  test("forgets the strikes of a message that the peer has received", () => {
    const state = filled(3);
    planResume(state, 1);
    state.strikes = 2;
    planResume(state, 2);
    state.strikes++;
    expect(planResume(state, 2)?.poison).toBeUndefined();
  });

  test("suspects nobody whose peer's count moved in between", () => {
    const state = filled(9);
    for (let rx = 1; rx < 9; rx++) {
      for (let trial = 0; trial < 3; trial++) expect(planResume(state, rx)?.poison).toBeUndefined();
    }
  });

  test("suspects nobody where nothing was sent", () => {
    const state = filled(1);
    for (let trial = 0; trial < 9; trial++) expect(planResume(state, 1)?.poison).toBeUndefined();
    retain(state, sentMessage(2, { cost: 1 }));
    expect(planResume(state, 1)?.poison).toBeUndefined();
  });
});

describe("what a lost session leaves", () => {
  const parts = (left: ReturnType<typeof splitLoss>) =>
    left && [ordinals(left.delivered), ordinals(left.undelivered), ordinals(left.inDoubt)];

  test("is known exactly where the peer acknowledged all that it received", () => {
    const state = filled(5);
    acknowledge(state, 1);
    expect(parts(splitLoss(state, { n: 3, rx: 3 }))).toEqual([[2, 3], [4, 5], []]);
  });

  test("is in doubt where the peer received it and did not acknowledge it", () => {
    const state = filled(5);
    acknowledge(state, 1);
    expect(parts(splitLoss(state, { n: 2, rx: 4 }))).toEqual([[2], [5], [3, 4]]);
  });

  test("is in doubt as a whole where the peer does not know its counts, even what it had received", () => {
    const state = filled(5);
    acknowledge(state, 1);
    planResume(state, 2);
    expect(parts(splitLoss(state))).toEqual([[], [], [2, 3, 4, 5]]);
  });

  test.each([
    [1, 6],
    [0, 3],
    [3, 2],
    [1, 1],
    [Number.NaN, 3],
    [2, Number.NaN],
  ])("is nothing where the counts can't be: %d and %d", (n, rx) => {
    const state = filled(5);
    acknowledge(state, 1);
    planResume(state, 2);
    expect(splitLoss(state, { n, rx })).toBeUndefined();
  });
});

describe("the window that was granted", () => {
  test("takes messages until the unacknowledged ones cost as much, and one of any size more", () => {
    const state = createDeliveryState(150);
    const texts = ["", "", "x".repeat(1_000_000), ""];
    expect(texts.map((text) => count(state, text))).toEqual([true, true, true, false]);
    expect(state.received).toBe(3);
  });

  test("opens with each acknowledgement, by what that covers", () => {
    const state = createDeliveryState(200);
    for (const text of ["a", "b", "c", "d"]) count(state, text);
    expect(state.received).toBe(4);
    expect(count(state, "e")).toBe(false);
    noteAckSent(state, 1);
    expect(count(state, "e")).toBe(true);
    expect(count(state, "f")).toBe(false);
    noteAckSent(state, 5);
    expect(state.unackedCost).toBe(0);
  });

  test("opens by one message with each acknowledgement of one, however many went before", () => {
    const state = createDeliveryState(10_000);
    for (let n = 1; n <= 5; n++) count(state, "");
    for (let n = 1; n <= 5; n++) {
      noteAckSent(state, n);
      expect(state.unackedCost).toBe((5 - n) * 64);
    }
  });

  test("is the granted one, whatever smaller window the peer uses", () => {
    const state = createDeliveryState(200);
    setWindow(state, 1);
    expect(state.window).toBe(1);
    expect([count(state, ""), count(state, "")]).toEqual([true, true]);
    setWindow(state, 9_999);
    expect(state.window).toBe(200);
  });
});

test("behaves as a list of numbered messages would", () => {
  const move = fc.oneof(
    fc.record({ type: fc.constant("put"), volatile: fc.boolean() }),
    fc.record({ type: fc.constantFrom("ack", "return"), part: fc.double({ min: 0, max: 1, noNaN: true }) }),
  );
  fc.assert(
    fc.property(fc.array(move, { maxLength: 400 }), (moves) => {
      const state = createDeliveryState(1_000);
      let list: SentMessage[] = [];
      let [acked, floor, nextId] = [0, 0, 0];
      for (const given of moves) {
        if ("volatile" in given) {
          const item = sentMessage(++nextId, { cost: nextId, volatile: given.volatile });
          retain(state, item);
          list.push(item);
        } else if (given.type === "ack") {
          const n = acked + Math.round(given.part * (list.length - acked));
          expect(acknowledge(state, n)).toEqual(list.slice(acked, n));
          acked = n;
        } else {
          const low = Math.max(acked, floor);
          floor = low + Math.round(given.part * (list.length - low));
          const back = planResume(state, floor);
          const again = list.slice(floor).filter((item) => !item.volatile && item !== back?.poison);
          expect(back?.resend).toEqual(again);
          list = [...list.slice(0, floor), ...again];
        }
        const kept = list.slice(acked);
        expect(state).toMatchObject({
          sent: list.length,
          ackReceived: acked,
          cost: kept.reduce((sum, { cost }) => sum + cost, 0),
        });
      }
    }),
  );
});

test("takes no message once those that are not acknowledged cost exactly what was granted", () => {
  const state = createDeliveryState(100);
  expect(count(state, "x".repeat(36))).toBe(true);
  expect(count(state, "")).toBe(false);
  noteAckSent(state, 1);
  expect(count(state, "")).toBe(true);
});

test("suspects no message that was sent after a return that found nothing to send again", () => {
  const state = filled(1);
  acknowledge(state, 1);
  expect(planResume(state, 1)).toMatchObject({ resend: [], isSuspect: false });
  expect(state.firstUnreceived).toBe(0);
  retain(state, sentMessage(2));
  expect(planResume(state, 1)?.isSuspect).toBe(false);
  expect(planResume(state, 1)?.isSuspect).toBe(true);
});
