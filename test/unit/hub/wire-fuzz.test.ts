import { expect, test, vi } from "vitest";
import { advance, useFakeTime } from "../../support/fake-time.ts";
import fc from "../../support/fuzz.ts";
import { liveBytes } from "../../support/heap.ts";
import { createHub, publishAll, settle } from "../../support/hub-rig.ts";

useFakeTime();

const name = fc.oneof(fc.constantFrom("all:a", "plain:a", "room:a", "other", "__proto__", "all:\n", ""), fc.string());
const junk = fc.oneof(fc.jsonValue(), fc.constantFrom<unknown>(undefined, null, [], {}, -1, 1e300, "1-a", true));
const request = fc.oneof(
  fc.record({ after: junk, last: junk, presence: junk }, { requiredKeys: [] }),
  fc.record({ last: fc.nat(20) }),
  fc.record({ after: fc.constantFrom("1-a", "0-t0", "x") }),
  fc.record({ presence: fc.constantFrom(true, "again") }),
  junk,
);
const params = {
  "$/subscribe": fc.oneof(fc.record({ channels: fc.dictionary(name, request, { maxKeys: 5 }) }), junk),
  "$/unsubscribe": fc.oneof(fc.array(name, { maxLength: 5 }), junk),
  "$/publish": fc.oneof(fc.record({ channel: name, data: junk, id: name }, { requiredKeys: [] }), junk),
};
const frame = fc.oneof(
  ...Object.entries(params).map(([method, arbitrary]) =>
    fc.record(
      { jsonrpc: fc.constant("2.0"), method: fc.constant(method), params: arbitrary, id: fc.nat(9) },
      { requiredKeys: ["jsonrpc", "method"] },
    ),
  ),
  fc.record({
    jsonrpc: fc.constant("2.0"),
    method: fc.constantFrom("$/message", "$/x", "$/attached"),
    params: junk,
    id: fc.nat(9),
  }),
  junk,
);

/** Things that happen to a client, other than frames. */
const event = fc.constantFrom("drop", "reopen", "fill", "drain", "publish", "wait");

test("no sequence of frames crashes or hangs a hub, and the Conn stays and works afterwards", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof({ weight: 5, arbitrary: frame }, event), { maxLength: 40 }), async (steps) => {
      const { topics, client, errors } = createHub();
      const [ann, bob] = [client({ id: "ann" }), client({ id: "bob" })];
      bob.subscribe({ "all:watched": {} });
      await settle();
      bob.take();
      for (const step of steps) {
        if (step === "drop") ann.drop();
        else if (step === "reopen") ann.reopen();
        else if (step === "fill") ann.bufferedAmount = 2 ** 17;
        else if (step === "drain") ann.bufferedAmount = 0;
        else if (step === "publish") await topics.publish("all:a", 1);
        else if (step === "wait") await advance(500);
        else ann.deliver(step);
        await settle();
      }
      if (ann.state !== "open") ann.reopen();
      ann.bufferedAmount = 0;
      ann.frames.length = 0;
      ann.unsubscribe("all:end");
      ann.subscribe({ "all:end": {} });
      await settle();
      await publishAll(topics, "all:end", 2);
      await publishAll(topics, "all:watched", 1, 7);
      const data = ann.take().filter(([method, channel]) => method === "message" && channel === "all:end");
      expect(data.map((message) => message[4])).toEqual([1, 2]);
      expect(bob.takeData()).toEqual([7]);
      expect(errors).toEqual([]);
      expect(ann.closedWith).toBeUndefined();
      await topics.close();
      expect(vi.getTimerCount()).toBe(0);
    }),
    { numRuns: 300 },
  );
});

test("frames of a client leave nothing behind, however many there are", async () => {
  const { client, store } = createHub();
  const ann = client({ id: "ann" });
  const round = async (number: number) => {
    for (let i = 0; i < 200; i++) {
      ann.subscribe({ [`no:${number}-${i}`]: {}, "plain:a": {}, "all:a": { after: `${i}-x` } });
      ann.unsubscribe("plain:a", `no:${i}`, "all:a");
      ann.request("$/subscribe", { channels: { [`\n${i}`]: {} } });
      ann.request("$/publish", { channel: `no:${i}`, id: "x" });
      await settle();
    }
    ann.frames.length = ann.written.length = 0;
    await advance(10_000);
    store.steps.length = 0;
  };
  for (let warm = 0; warm < 3; warm++) await round(warm);
  const before = liveBytes();
  for (let number = 3; number < 17; number++) await round(number);
  // 11,200 frames, half of them with names of their own: 45 bytes for each would be too much.
  expect(liveBytes() - before).toBeLessThan(500_000);
});
