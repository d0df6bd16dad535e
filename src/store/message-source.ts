import type { ConnError } from "../base/errors.ts";

/**
 * Emits messages: a Conn, a channel, or anything with such an `on()`. A source is known by its members alone, so a fake or a
 * Conn of another copy of the package fits.
 */
export interface MessageSource<In> {
  /** Calls `listener` on each message, until the returned function is called or `signal` is aborted. */
  on(
    event: "message",
    listener: (message: NoInfer<In>) => void,
    options?: { readonly signal?: AbortSignal | undefined },
  ): () => void;
  /** Tells the compiler what the messages are, where `on()` is generic. Never called. */
  [Symbol.asyncIterator]?(): AsyncIterator<In>;
  /** Emits `error` as an event of the source. A source without it has the error reported as uncaught. */
  report?(error: ConnError): void;
}
