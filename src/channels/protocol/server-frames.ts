import type { AttachedParams, Member, MembersParams, MessageParams, RefusedParams } from "./frames.ts";

/** Whether the parameters of a `$/attached` are sound. */
export function isAttached(params: unknown): params is AttachedParams {
  if (!isTuple(params, 4)) return false;
  const [channel, after, head, gap] = params;
  return isName(channel) && isPlace(after) && isPlace(head) && typeof gap === "boolean";
}

/** Whether the parameters of a `$/refused` are sound. Its code may be one of a later version. */
export function isRefused(params: unknown): params is RefusedParams {
  return isTuple(params, 2) && isName(params[0]) && typeof params[1] === "string";
}

/** Whether the parameters of a `$/message` are sound: it has both positions, or neither. */
export function isMessage(params: unknown): params is MessageParams {
  if (!isTuple(params, 4)) return false;
  const [channel, previous, position] = params;
  return isName(channel) && isPlace(previous) && isPlace(position) && (previous === null) === (position === null);
}

/** Whether the parameters of a `$/members` are sound. */
export function isMembers(params: unknown): params is MembersParams {
  if (!isTuple(params, 4)) return false;
  const [channel, joined, left, count] = params;
  const isList = joined === null ? left === null : isArrayOf(joined, isMember);
  return isName(channel) && isList && (left === null || isArrayOf(left, isName)) && Number.isInteger(count);
}

function isMember(value: unknown): value is Member {
  return isTuple(value, 2) && isName(value[0]);
}

function isTuple(value: unknown, length: number): value is readonly unknown[] {
  return Array.isArray(value) && value.length === length;
}

function isArrayOf(value: unknown, isItem: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isItem);
}

function isName(value: unknown): value is string {
  return typeof value === "string";
}

/** Whether `value` may be a position. Its form is not checked, because the client only compares positions and sends them back. */
function isPlace(value: unknown): value is string | null {
  return value === null || typeof value === "string";
}
