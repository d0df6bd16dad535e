import type { ConnError } from "../base/errors.ts";
import type { Payload } from "../base/payload.ts";
import type { DisconnectInfo } from "./disconnect-info.ts";
import type { SessionLoss } from "./session.ts";
import type { ClosedBy, StateName, WaitReason } from "./state-machine.ts";

/** How a Conn ended. */
export interface CloseInfo {
  /** The code of the close frame that ended the Conn, 1006 where there was none (RFC 6455, section 7.4). */
  readonly code: number;
  /** The reason that came with the code, at most 123 bytes of UTF-8 (RFC 6455, section 5.5.1). Default `""`. */
  readonly reason: string;
  /** Whether the closing handshake was completed, or there was no connection to close. */
  readonly clean: boolean;
  /** The side, or the rule, that ended the Conn. */
  readonly by: ClosedBy;
  /** Messages that no connection ever took, in order. */
  readonly unsent: readonly Payload[];
  /** Messages that a connection took and the peer did not acknowledge (resume). */
  readonly inDoubt: readonly Payload[];
  /** The reason of the end as an error; absent after `close()`, and after a close frame of the peer with 1000. */
  readonly error?: ConnError | undefined;
}

/** The payload of each event, by the name of the event: one plain object, or the message itself. */
export interface ConnEvents<In> {
  /** Emitted when the Conn went from one state to another. */
  state: {
    /** The state it left. */
    readonly from: StateName;
    /** The state it is in. */
    readonly to: StateName;
  };
  /** Emitted when a connection is usable: setup is over, and the messages that waited are written next. */
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
    /** Whether the session continues an earlier one, so that nothing was lost (resume). */
    readonly resumed: boolean;
    /** Milliseconds without a usable connection until now. */
    readonly downMs: number;
  };
  /** Emitted for each message, with the value that the codec made of the payload. */
  message: In;
  /** Emitted when a connection, or an attempt at one, ended without a call of `close()` or `reconnect()`. */
  disconnected: DisconnectInfo;
  /** Emitted when the Conn begins to wait before the next dial. */
  waiting: {
    /** The number of the retry that comes next. */
    readonly attempt: number;
    /** Milliseconds until then. Infinite for a page that is cached: its return ends the wait. */
    readonly delayMs: number;
    /** The reason of the wait. */
    readonly reason: WaitReason;
  };
  /** Emitted when a session could not be resumed, with the outcome of each message without acknowledgement (resume). */
  "session-lost": SessionLoss;
  /** Emitted once, when the Conn has ended: the last event. */
  closed: CloseInfo;
  /** Emitted when something went wrong that did not end the Conn. Nothing is thrown where no listener exists. */
  error: ConnError;
  /** Emitted for a message that will not arrive. The promise of its `send()` rejects with the same error. */
  dropped: {
    /** The message as a payload. */
    readonly payload: Payload;
    /** The reason why the message was given up. */
    readonly error: ConnError;
    /** Whether the message came in or was to go out. */
    readonly direction: "in" | "out";
  };
  /** Emitted when the connection buffers less than the high-water mark again, and no message waits. */
  drained: undefined;
  /** Emitted when the peer answered a ping. */
  latency: {
    /** Milliseconds from the last ping to an answer: the round trip, where that is shorter than `intervalMs`. */
    readonly rttMs: number;
  };
}

/** The wait of a Conn between two connections. */
export interface Waiting {
  /** The number of the retry that comes next. */
  readonly attempt: number;
  /** The time of the next dial, in milliseconds of `Date.now()`; infinite for a page that is suspended. */
  readonly retryAt: number;
  /** The reason of the wait. */
  readonly reason: WaitReason;
}
