import { ConnError } from "../base/errors.ts";
import type { Payload } from "../base/payload.ts";

/** A change of the members, as an entry of a channel's inner channel. Without `info` the member left that node. */
export interface MemberChange {
  readonly node: string;
  readonly client: string;
  readonly info?: string;
}

/** Reads an entry of a channel's changes. Returns undefined for one that this version did not write. */
export function parseChange(data: Payload): MemberChange | undefined {
  try {
    const { node, client, info } = JSON.parse(String(data));
    if (typeof node !== "string" || typeof client !== "string") return undefined;
    if (info === undefined) return { node, client };
    return isInfo(info) ? { node, client, info } : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the engine holds an info as a hub serializes it. */
export function isInfo(info: unknown): info is string {
  if (typeof info !== "string") return false;
  try {
    JSON.parse(info);
    return true;
  } catch {
    return false;
  }
}

/** Returns the error for members that others wrote, such as another version. */
export function foreignMember(channel: string): ConnError {
  const message = `The engine holds members of ${channel} that this version did not write: they are left out.`;
  return new ConnError("unavailable", message);
}
