import type { PublishParams, SubscribeParams, SubscribeRequest, UnsubscribeParams } from "./frames.ts";
import { MAX_NAMES } from "./limits.ts";
import { isChannelName, isPublishId } from "./names.ts";

/** Returns what a `$/subscribe` asks for, by name, or undefined if its parameters are malformed or too many. */
export function parseSubscribe(params: unknown): ReadonlyMap<string, SubscribeRequest> | undefined {
  const { channels } = (params ?? {}) as Partial<SubscribeParams>;
  if (!isPlainObject(channels)) return undefined;
  // Counted before anything is looked at, so that a frame of many names costs no more than a short one.
  const names = Object.keys(channels);
  if (!hasNames(names)) return undefined;
  const requests = names.map((name) => [name, parseRequest((channels as SubscribeParams["channels"])[name])] as const);
  if (requests.some(([, request]) => request === undefined)) return undefined;
  return new Map(requests as [string, SubscribeRequest][]);
}

/** Whether the parameters of a `$/unsubscribe` are sound. */
export function isUnsubscribe(params: unknown): params is UnsubscribeParams {
  return Array.isArray(params) && hasNames(params);
}

/** Whether the parameters of a `$/publish` are sound. Data that is left out counts as null. */
export function isPublish(params: unknown): params is PublishParams {
  const { channel, id } = (params ?? {}) as Partial<PublishParams>;
  return isChannelName(channel) && isPublishId(id);
}

/** Returns the request without members that this version does not know, because a later version may send them. */
function parseRequest(value: unknown): SubscribeRequest | undefined {
  if (!isPlainObject(value)) return undefined;
  const { after, last, presence } = value as Record<keyof SubscribeRequest, unknown>;
  const isSound =
    (after === undefined || (typeof after === "string" && last === undefined)) &&
    (last === undefined || (Number.isSafeInteger(last) && (last as number) >= 0)) &&
    (presence === undefined || presence === true || presence === "again");
  return isSound ? ({ after, last, presence } as SubscribeRequest) : undefined;
}

function hasNames(names: readonly unknown[]): boolean {
  return names.length > 0 && names.length <= MAX_NAMES && names.every(isChannelName);
}

function isPlainObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
