import { expect, test } from "vitest";
import { isPublish, isUnsubscribe, parseSubscribe } from "../../../../src/channels/protocol/client-frames.ts";

test("a subscribe frame is read by name, and members of a later version are left out", () => {
  const channels = { a: {}, b: { after: "2x-k7f3q", presence: true, later: 1 }, c: { last: 0, presence: "again" } };
  expect([...(parseSubscribe({ channels }) ?? [])]).toEqual([
    ["a", {}],
    ["b", { after: "2x-k7f3q", presence: true }],
    ["c", { last: 0, presence: "again" }],
  ]);
});

test("a channel by the name of __proto__ is read as any other", () => {
  const params = JSON.parse('{"channels":{"__proto__":{"last":1},"constructor":{}}}');
  expect([...(parseSubscribe(params)?.keys() ?? [])]).toEqual(["__proto__", "constructor"]);
});

test.each<[of: string, params: unknown]>([
  ["nothing", undefined],
  ["null", null],
  ["an array", [{ a: {} }]],
  ["channels in an array", { channels: [{}] }],
  ["no channel", { channels: {} }],
  ["129 channels", { channels: Object.fromEntries(Array.from({ length: 129 }, (_, i) => [`c${i}`, {}])) }],
  ["a name with a control character", { channels: { "a\u0001": {} } }],
  ["a good name and an empty one", { channels: { a: {}, "": {} } }],
  ["a request that is null", { channels: { a: null } }],
  ["a request that is an array", { channels: { a: [] } }],
  ["both after and last", { channels: { a: { after: "1-a", last: 1 } } }],
  ["a position that is a number", { channels: { a: { after: 1 } } }],
  ["a negative last", { channels: { a: { last: -1 } } }],
  ["a broken last", { channels: { a: { last: 1.5 } } }],
  ["an infinite last", { channels: { a: { last: Number.POSITIVE_INFINITY } } }],
  ["a last of text", { channels: { a: { last: "5" } } }],
  ["presence of false", { channels: { a: { presence: false } } }],
])("a subscribe frame of %s is malformed", (_of, params) => {
  expect(parseSubscribe(params)).toBeUndefined();
});

test("128 channels fit one frame", () => {
  const channels = Object.fromEntries(Array.from({ length: 128 }, (_, i) => [`c${i}`, {}]));
  expect(parseSubscribe({ channels })?.size).toBe(128);
});

test("an unsubscribe frame holds 1 to 128 names", () => {
  const frames = [
    ["a"],
    ["a", "b"],
    Array(128).fill("a"),
    [],
    Array(129).fill("a"),
    ["a", 1],
    ["\n"],
    { 0: "a" },
    null,
  ];
  expect(frames.map(isUnsubscribe)).toEqual([true, true, true, false, false, false, false, false, false]);
});

test("a publish names a channel and an id, and its data may be anything", () => {
  const id = "k3v";
  const frames = [
    { channel: "a", data: 1, id },
    { channel: "a", id },
    { channel: "", data: 1, id },
    { channel: "a", data: 1, id: "" },
    { channel: "a", data: 1 },
    { channel: ["a"], data: 1, id },
    ["a", 1, id],
    undefined,
  ];
  expect(frames.map(isPublish)).toEqual([true, true, false, false, false, false, false, false]);
});
