import { expect, test } from "vitest";
import { isRefusalCode } from "../../../../src/channels/protocol/refusals.ts";
import { isAttached, isMembers, isMessage, isRefused } from "../../../../src/channels/protocol/server-frames.ts";

const CHECKS = { isAttached, isRefused, isMessage, isMembers };

test.each<[check: keyof typeof CHECKS, params: unknown]>([
  ["isAttached", ["a", "1-a", "2-b", false]],
  ["isAttached", ["a", null, null, true]],
  ["isRefused", ["a", "denied"]],
  ["isRefused", ["a", "of a later version"]],
  ["isMessage", ["a", "1-a", "2-b", { text: "hello" }]],
  ["isMessage", ["a", null, null, null]],
  ["isMembers", ["a", [["ann", { name: "Ann" }]], null, 1]],
  ["isMembers", ["a", [], ["ann"], 0]],
  ["isMembers", ["a", null, null, 5_000]],
])("%s accepts %j", (check, params) => {
  expect(CHECKS[check](params)).toBe(true);
});

test.each<[check: keyof typeof CHECKS, params: unknown]>([
  ["isAttached", ["a", "1-a", "2-b"]],
  ["isAttached", ["a", "1-a", "2-b", false, 0]],
  ["isAttached", [7, "1-a", "2-b", false]],
  ["isAttached", ["a", 1, "2-b", false]],
  ["isAttached", ["a", "1-a", "2-b", 0]],
  ["isAttached", { 0: "a", length: 4 }],
  ["isAttached", undefined],
  ["isRefused", ["a"]],
  ["isRefused", ["a", 5]],
  ["isMessage", ["a", "1-a", null, 1]],
  ["isMessage", ["a", null, "1-a", 1]],
  ["isMessage", ["a", null, null]],
  ["isMembers", ["a", null, ["ann"], 0]],
  ["isMembers", ["a", [["ann"]], null, 1]],
  ["isMembers", ["a", [], [7], 1]],
  ["isMembers", ["a", [], [], 1.5]],
])("%s refuses %j", (check, params) => {
  expect(CHECKS[check](params)).toBe(false);
});

test("the codes of refusals are known, and nothing else is", () => {
  expect(["denied", "revoked", "too-many", "unavailable", "later", 5].map(isRefusalCode)).toEqual([
    true,
    true,
    true,
    true,
    false,
    false,
  ]);
});
