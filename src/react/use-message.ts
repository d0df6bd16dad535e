import { useEffect } from "react";
import { Emitter } from "../base/emitter.ts";
import { ConnError } from "../base/errors.ts";
import { describeBadOption } from "../base/option-rules.ts";
import type { MessageSource } from "../store/message-source.ts";
import { useLatest } from "./use-box.ts";

interface Messages<In> {
  message: In;
}

/** One listener for each source and as long as it lives, so that nothing piles up while no component is shown. */
const relays = new WeakMap<object, unknown>();

function relayOf<In>(source: MessageSource<In>): Emitter<Messages<In>> {
  const known = relays.get(source) as Emitter<Messages<In>> | undefined;
  if (known) return known;
  const relay = new Emitter<Messages<In>>();
  relays.set(source, relay);
  source.on("message", (message) => relay.emit("message", message));
  return relay;
}

/**
 * Calls `listener` on each message of `source` while the component is shown, without a render: always the function of
 * the newest render. Messages that come while no component listens are dropped, except those from before the first. Does
 * nothing for null. Give it the same source at each render: a source keeps the listener that it got. An error that
 * `listener` throws is reported as uncaught.
 *
 * @throws ConnError `misuse`
 *
 * @example
 * useMessage(conn, (message) => message.type === "alert" && toast(message.text));
 */
export function useMessage<In>(source: MessageSource<In> | null | undefined, listener: (message: In) => void): void {
  const latest = useLatest("useMessage", listener);
  if (source && typeof source.on !== "function") {
    throw new ConnError(
      "misuse",
      describeBadOption("The source of useMessage()", "a Conn, or an object with on()", source),
    );
  }
  if (typeof listener !== "function") {
    throw new ConnError("misuse", describeBadOption("The listener of useMessage()", "a function", listener));
  }
  useEffect(
    () => (source ? relayOf(source).on("message", (message) => latest.current(message)) : undefined),
    [source, latest],
  );
}
