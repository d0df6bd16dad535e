import type { ConnError } from "./errors.ts";
import type { Payload } from "./payload.ts";
import type { LostSession } from "./session.ts";
import type { EndedBy, StateName, WaitReason } from "./state.ts";
import type { LostInfo } from "./verdict.ts";

/** How a Conn ended. */
export interface CloseInfo {
  /** RFC 6455, section 7.4: of the close frame that ended it, 1006 where there was none. */
  readonly code: number;
  readonly reason: string;
  /** Whether the closing handshake was completed, or there was no connection to close. */
  readonly clean: boolean;
  readonly by: EndedBy;
  /** Messages that no connection ever took, in order. */
  readonly unsent: readonly Payload[];
  /** Messages that a connection took and the peer did not acknowledge (resume). */
  readonly inDoubt: readonly Payload[];
  /** Why it ended, unless `close()` was called or the peer said goodbye with 1000. */
  readonly error?: ConnError | undefined;
}

/** What is told, by name of the event: one plain object each. */
export interface ConnEvents<In> {
  state: { readonly from: StateName; readonly to: StateName };
  open: {
    readonly protocol: string;
    readonly extensions: string;
    readonly attempt: number;
    /** Whether this Conn had been open before. */
    readonly reconnected: boolean;
    readonly resumed: boolean;
    /** Milliseconds without a usable connection until now. */
    readonly downMs: number;
  };
  message: In;
  lost: LostInfo;
  /** `delayMs` is infinite for a page that is cached: its return ends the wait. */
  waiting: { readonly attempt: number; readonly delayMs: number; readonly reason: WaitReason };
  /** A session could not be resumed: what became of each message that was not acknowledged (resume). */
  "lost-session": LostSession;
  closed: CloseInfo;
  /** News of something that went wrong and did not end the Conn: nothing is thrown when nobody listens. */
  error: ConnError;
  /** A message that will not arrive; a send's promise rejects with the same error. */
  dropped: { readonly payload: Payload; readonly why: ConnError; readonly direction: "in" | "out" };
  /** The connection buffers less than the high-water mark again, and nothing waits. */
  drained: undefined;
  latency: { readonly rttMs: number };
}

/** Figures since the Conn was made, and what waits now. */
export interface Stats {
  /** Messages handed to a connection. */
  readonly sent: number;
  readonly received: number;
  /** Messages thrown away by `inbox: false`. */
  readonly discarded: number;
  /** Connections that became usable. */
  readonly opens: number;
  readonly outbox: { readonly messages: number; readonly bytes: number };
  readonly inbox: { readonly messages: number; readonly bytes: number };
  /** Written and not acknowledged by the peer (resume). */
  readonly unacknowledged: { readonly messages: number; readonly bytes: number };
  /** Bytes that the connection has taken and not yet handed to the network. */
  readonly bufferedAmount: number;
}
