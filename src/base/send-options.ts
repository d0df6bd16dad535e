import type { ConnError } from "./errors.ts";

/**
 * The outcome of a message: a connection took it (`written`), the peer acknowledged it (`acknowledged`, resume), its
 * arrival can't be known (`in-doubt`, resume), or it will not be sent (`refused`).
 */
export type SendOutcome = "written" | "acknowledged" | "in-doubt" | "refused";

/** Options of one send. A name that is not among them is refused: `bad-option`. */
export interface SendOptions {
  /** Withdraws the message when aborted before it was first written: `aborted`. Default none. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds, above 0, after which the message is no longer worth writing: `expired`. Default no limit. */
  readonly ttlMs?: number | undefined;
  /**
   * Drops the unwritten message of the same key, `replaced`: of many, only the latest is sent. Default none.
   *
   * @example
   * conn.send({ x, y }, { key: "cursor" });
   */
  readonly key?: string | undefined;
  /** Whether to write at once or not at all (`not-writable`), for values that are stale a moment later. Default false. */
  readonly volatile?: boolean | undefined;
  /**
   * Resume only: whether to resolve when the peer has counted the message, rather than when the connection has taken it.
   * Rejects with `session-lost`, `poison` or `unsupported` (the server speaks no resume; the message was not sent).
   * Default false.
   */
  readonly confirm?: boolean | undefined;
  /**
   * Resume only: whether to send again in the next session a message that was in doubt when its session was lost, so that
   * it arrives at least once. Default false: `session-lost` reports it.
   */
  readonly resend?: boolean | undefined;
  /**
   * Called when something becomes known of the message: `written`, unless it is refused before, and with resume then
   * `acknowledged`, `in-doubt` or, with an error, `refused`. Without resume nothing follows `written`. Called within
   * `send()` for a message that is written at once, except for one that is sent in an `onOutcome`: there after that call,
   * because calls are never nested. Default none.
   */
  readonly onOutcome?: ((outcome: SendOutcome, error: ConnError | undefined) => void) | undefined;
}
