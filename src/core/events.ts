import type { ConnError } from "../base/errors.ts";
import type { Payload } from "../base/payload.ts";
import type { DisconnectInfo } from "./disconnect-info.ts";
import type { SessionLoss } from "./session.ts";
import type { ClosedBy, StateName, WaitReason } from "./state-machine.ts";

/** How a Conn ended. */
export interface CloseInfo {
  /** RFC 6455, section 7.4: of the close frame that ended it, 1006 where there was none. */
  readonly code: number;
  /** The reason that came with the code, `""` for none: at most 123 bytes of UTF-8 (RFC 6455, section 5.5.1). */
  readonly reason: string;
  /** Whether the closing handshake was completed, or there was no connection to close. */
  readonly clean: boolean;
  /** Who ended it, or what. */
  readonly by: ClosedBy;
  /** Messages that no connection ever took, in order. */
  readonly unsent: readonly Payload[];
  /** Messages that a connection took and the peer did not acknowledge (resume). */
  readonly inDoubt: readonly Payload[];
  /** Why it ended, unless `close()` was called or the peer said goodbye with 1000. */
  readonly error?: ConnError | undefined;
}

/** What is told, by name of the event: one plain object each. */
export interface ConnEvents<In> {
  /** The Conn went from one state to another. */
  state: {
    /** The state it left. */
    readonly from: StateName;
    /** The state it is in. */
    readonly to: StateName;
  };
  /** A connection is usable: setup is over, and what waited is on its way. */
  open: {
    /** The subprotocol that was selected, `""` for none. */
    readonly protocol: string;
    /** The extensions that were agreed on, `""` for none. */
    readonly extensions: string;
    /** 0 for the first dial and after a stable connection, else the number of the retry. */
    readonly attempt: number;
    /** Whether this Conn had been open before. */
    readonly reconnected: boolean;
    /** Whether a session is in force, so that drops lose nothing (resume). */
    readonly session: boolean;
    /** Whether the session goes on from where it stood: nothing was lost (resume). */
    readonly resumed: boolean;
    /** Milliseconds without a usable connection until now. */
    readonly downMs: number;
  };
  /** A message has come: the value that the codec made of it. */
  message: In;
  /** A connection, or an attempt at one, ended without being asked to. */
  disconnected: DisconnectInfo;
  /** The Conn waits before it dials again. */
  waiting: {
    /** The number of the retry that comes next. */
    readonly attempt: number;
    /** Milliseconds until then. Infinite for a page that is cached: its return ends the wait. */
    readonly delayMs: number;
    /** What is waited for. */
    readonly reason: WaitReason;
  };
  /** A session could not be resumed: what became of each message that was not acknowledged (resume). */
  "session-lost": SessionLoss;
  /** The Conn has ended, for good: the last event. */
  closed: CloseInfo;
  /** News of something that went wrong and did not end the Conn: nothing is thrown when nobody listens. */
  error: ConnError;
  /** A message that will not arrive; a send's promise rejects with the same error. */
  dropped: {
    /** The message as it would have travelled, or came. */
    readonly payload: Payload;
    /** Why it was given up. */
    readonly error: ConnError;
    /** Whether it was to be received or to be sent. */
    readonly direction: "in" | "out";
  };
  /** The connection buffers less than the high-water mark again, and nothing waits. */
  drained: undefined;
  /** The peer answered a ping. */
  latency: {
    /** Milliseconds from the last ping to an answer: the round trip, where that is shorter than `intervalMs`. */
    readonly rttMs: number;
  };
}

/** The wait of a Conn between two connections. */
export interface Waiting {
  /** The number of the retry that comes next. */
  readonly attempt: number;
  /** When it comes, in milliseconds of `Date.now()`; infinite for a page that is suspended. */
  readonly retryAt: number;
  /** What is waited for. */
  readonly reason: WaitReason;
}

/** How much of something there is. */
export interface QueueSize {
  /** Their number. */
  readonly messages: number;
  /** Their bytes, as the bound that they count against weighs them. */
  readonly bytes: number;
}

/** Figures since the Conn was made, and what waits now. */
export interface Stats {
  /** Messages handed to a connection by the Conn, those that `setup` sends aside. */
  readonly sent: number;
  /** Messages that came for the application. */
  readonly received: number;
  /** When the peer's last message or pong came, in milliseconds of `Date.now()`; null for never. */
  readonly lastReceivedAt: number | null;
  /** Messages thrown away by `inbox: false`. */
  readonly discarded: number;
  /** Connections that became usable. */
  readonly opens: number;
  /** What waits to be written. */
  readonly outbox: QueueSize;
  /** What waits to be received. */
  readonly inbox: QueueSize;
  /** Written and not acknowledged by the peer (resume). */
  readonly unacknowledged: QueueSize;
  /** Bytes that the connection has taken and not yet handed to the network. */
  readonly bufferedAmount: number;
}
