import { expect, test } from "vitest";
import { isChannelName, isPosition, isPublishId } from "../../../../src/channels/protocol/names.ts";

test.each([
  ["one character", "a"],
  ["200 bytes", "a".repeat(200)],
  ["66 characters of three bytes", "€".repeat(66)],
  ["50 pairs of surrogates", "🛶".repeat(50)],
  ["spaces and a name of Object's", " __proto__ "],
])("a name of %s is a channel's", (_of, name) => {
  expect(isChannelName(name)).toBe(true);
});

test.each<[of: string, value: unknown]>([
  ["no character", ""],
  ["201 bytes", "a".repeat(201)],
  ["67 characters of three bytes", "€".repeat(67)],
  ["51 pairs of surrogates", "🛶".repeat(51)],
  ["NUL", "a\u0000"],
  ["a line feed", "a\nb"],
  ["DEL", "\u007f"],
  ["a control character of C1", "\u009f"],
  ["a lone high surrogate", "a\ud83d"],
  ["a lone low surrogate", "\udef6a"],
  ["surrogates in the wrong order", "\udef6\ud83d"],
  ["a number", 7],
  ["an array", ["a"]],
  ["nothing", undefined],
])("a name of %s is no channel's", (_of, value) => {
  expect(isChannelName(value)).toBe(false);
});

test.each(["0-0", "2x-k7f3q", "zzzzzzzzzzzzz-zzzzzzzzzzzzz"])("%s is a position", (position) => {
  expect(isPosition(position)).toBe(true);
});

test.each<[value: unknown]>([
  [""],
  ["2x"],
  ["2x-"],
  ["-k7"],
  ["2X-k7"],
  ["2x-k7\n"],
  ["2x-k7-1"],
  [`${"1".repeat(14)}-a`],
  [27],
  [null],
])("%j is no position", (value) => {
  expect(isPosition(value)).toBe(false);
});

test("a publish's id has 1 to 128 characters", () => {
  const isId = ["", "a", "a".repeat(128), "a".repeat(129), "a\t", 5].map(isPublishId);
  expect(isId).toEqual([false, true, true, false, false, false]);
});
