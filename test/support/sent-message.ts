import type { SentMessage } from "../../src/resume/protocol/delivery-state.ts";

/** A message as one end keeps it, known by its ordinal. */
export function sentMessage(ordinal: number, more: Partial<SentMessage> = {}): SentMessage {
  return { payload: `m${ordinal}`, cost: 10, ordinal, ...more };
}

/** The ordinals of `messages`. */
export function ordinals(messages: readonly SentMessage[] | undefined): number[] | undefined {
  return messages?.map(({ ordinal }) => ordinal);
}
